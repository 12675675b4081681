"""Write the card of an exported model: what it is, how like the run it answers, and how to use it."""

from collections.abc import Mapping
from typing import Any

from nlp_transfer import __version__
from nlp_transfer.runs.answering.predictor import Predictor
from nlp_transfer.runs.exporting.folder import Format, Kind
from nlp_transfer.runs.exporting.javascript import show_javascript
from nlp_transfer.system.escaping import escape_markdown

NAMES: dict[Format, str] = {
    "onnx": "ONNX",
    "onnx-int8": "ONNX, int8",
    "ctranslate2": "CTranslate2",
    "ctranslate2-int8": "CTranslate2, int8",
}
LINES = {
    "text": "a text a line; null for an empty one",
    "pair": "two texts a line, with a tab between; null where one is empty",
    "sentences": "a document a line, or a list of its sentences in JSON; null for an empty one",
}


def write_card(
    predictor: Predictor,
    kind: Kind,
    run: str,
    format: Format,  # noqa: A002
    compared: str,
    config: Mapping[str, Any],
) -> str:
    """Write the card.

    Args:
        predictor: of the run.
        kind: of it.
        run: its name.
        format: of the graph.
        compared: how like the run it answers, in words.
        config: what `config.json` holds.
    """
    name, use, given = _describe_use(predictor, kind)
    javascript = show_javascript(kind, format, config, _list_texts(predictor), tokenizer=predictor.tokenizers.source)
    labels = "" if kind.writes else ", ".join(map(escape_markdown, predictor.task.labels))
    return f"""# A model in {NAMES[format]}

Exported from the run {escape_markdown(run)} by nlp-transfer {__version__}.{f" Labels: {labels}." if labels else ""}
It reads {config["reading"]["most"]} tokens at once.

Compared with the run, on rows of its test: {compared}.

## Use

```sh
pip install {_list_packages(predictor, format)}
python predict.py < texts.txt   # {LINES[kind.reads]}
```

```python
from predict import {name}

{name}([{given}])  # {use}
```

{javascript}
{_describe_files(kind, format, config["reading"])}
`reading` in `config.json` and `reading.py` say how texts become such numbers.
"""


def _list_packages(predictor: Predictor, format: Format) -> str:  # noqa: A002
    names = ["ctranslate2"] if format.startswith("ctranslate2") else ["onnxruntime"]
    names += ["tokenizers"] if predictor.tokenizers.source.is_fast else ["sentencepiece"]
    names += ["regex", "yasbd-lib"] if predictor.list_roles else []
    return " ".join(["numpy", *names])


def _describe_files(kind: Kind, format: Format, reading: Mapping[str, Any]) -> str:  # noqa: A002
    if format.startswith("ctranslate2"):
        return (
            "`ctranslate2/` is for `ctranslate2.Translator`, and takes and gives the tokens that the tokenizer names.\n"
            "`writing` in `config.json` holds the settings of the search."
        )
    end = "_quantized.onnx" if format.endswith("int8") else ".onnx"
    if kind.writes:
        inputs = _list_inputs(reading, kind)
        return (
            f"`onnx/encoder_model{end}` takes {inputs}, (texts, tokens) in int64, and gives `last_hidden_state`.\n"
            f"`onnx/decoder_model_merged{end}` takes these states as `encoder_hidden_states`, the mask as\n"
            "`encoder_attention_mask`, the last id of each text and `past_key_values`, empty at first; it gives\n"
            "`logits` and `present`, the next past. `generation_config.json` has the settings of the search."
        )
    return (
        f"`onnx/model{end}` takes {_list_inputs(reading, kind)}, (texts, tokens) in int64, and gives `logits`.\n"
        "`tokenizer.json` splits texts."
    )


def _describe_use(predictor: Predictor, kind: Kind) -> tuple[str, str, str]:
    """Name the function to call, what it gives, and an example of what it takes."""
    example = predictor.task.example
    given = repr(_list_texts(predictor) if isinstance(example, Mapping) else example)
    if kind.writes:
        return "write", "a text for each", given
    if kind.reads == "sentences":
        return "summarize", "the summary of each document, and which sentences it is", f"[{given}]"
    if predictor.model.config.problem_type == "regression":
        return "compute_logits", "(texts, 1): the numbers", given
    return "compute_probabilities", "(texts, labels), in the order of `id2label` in `config.json`", given


def _list_texts(predictor: Predictor) -> tuple[str, ...]:
    """List the texts of the task's example."""
    example = predictor.task.example
    return tuple(example.values()) if isinstance(example, Mapping) else (example,)


def _list_inputs(reading: Mapping[str, Any], kind: Kind) -> str:
    """List the inputs of the graph."""
    names = ["input_ids", "attention_mask"]
    names += ["token_type_ids"] * (reading["types"] is not None)
    names += ["ngram_ids"] * bool((reading["words"] or {}).get("ngram_buckets"))
    names += ["sentence_ids"] * (kind.reads == "sentences")
    *first, last = (f"`{name}`" for name in names)
    return f"{', '.join(first)} and {last}"
