"""Show how an exported model is used in JavaScript, by transformers.js, or say why it cannot be."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from nlp_transfer.models.encoding.text_pairs import APART
from nlp_transfer.models.portable.pooled import PooledConfig
from nlp_transfer.models.portable.static import StaticConfig
from nlp_transfer.runs.exporting.folder import Format, Kind

# What transformers.js 4 lets write, by `model_type`.
WRITERS = {"t5", "mt5", "longt5", "bart", "mbart", "marian", "m2m_100", "blenderbot", "blenderbot-small"}
# Architectures of this package, which transformers.js has not heard of.
OURS = {one.model_type for one in (PooledConfig, StaticConfig)}


def show_javascript(
    kind: Kind,
    format: Format,  # noqa: A002
    config: Mapping[str, Any],
    example: Sequence[str],
    *,
    tokenizer: PreTrainedTokenizerBase,
) -> str:
    """Show how the folder is used from another file in it, or say in a sentence why there is no such way.

    Args:
        kind: of the run.
        format: of the graph.
        config: what `config.json` holds.
        example: of the texts that it reads at once.
        tokenizer: of what it reads.
    """
    if reason := _explain_lack(kind, format, config, tokenizer):
        return f"There is no JavaScript for it: {reason}.\n"
    prompts = config["reading"]["prompts"]
    first, *second = (
        json.dumps([prompt + text], ensure_ascii=False) for prompt, text in zip(prompts, example, strict=True)
    )
    model, weights = "AutoModelForSeq2SeqLM" if kind.writes else "AutoModel", "q8" if "int8" in format else "fp32"
    names, answer = _show_answer(kind, config)
    lines = [
        f'import {{ {", ".join(sorted([model, "AutoTokenizer", "env", *names]))} }} from "@huggingface/transformers";',
        "",
        "env.allowRemoteModels = false;",
        'env.localModelPath = "."; // the folder in which this one is called "."',
        'const tokenizer = await AutoTokenizer.from_pretrained(".");',
        f'const model = await {model}.from_pretrained(".", {{ dtype: "{weights}" }});',
        f"const options = {{ padding: true, truncation: true{f', text_pair: {second[0]}' if second else ''} }};",
        f"const inputs = tokenizer({first}, options);",
        *answer,
    ]
    return "\n".join(["```js", *lines, "```", "", _warn(kind, config)])


def _show_answer(kind: Kind, config: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Show how the answer is computed from `inputs`; return also the names to import for that."""
    if kind.writes:
        clean = json.dumps(config["writing"]["clean"])
        return [], [
            "const ids = await model.generate(inputs);",
            f"const plain = {{ skip_special_tokens: true, clean_up_tokenization_spaces: {clean} }};",
            "console.log(tokenizer.batch_decode(ids, plain));",
        ]
    head = "const { logits } = await model(inputs);"
    match config["problem_type"]:
        case "regression":
            return [], [head, "console.log(logits.tolist());"]
        case "multi_label_classification":
            return [], [head, "console.log(model.config.id2label, logits.sigmoid().tolist());"]
        case _:
            shares = "logits.tolist().map((row) => softmax(row))"
            return ["softmax"], [head, f"console.log(model.config.id2label, {shares});"]


def _explain_lack(
    kind: Kind,
    format: Format,  # noqa: A002
    config: Mapping[str, Any],
    tokenizer: PreTrainedTokenizerBase,
) -> str | None:
    """Say what transformers.js lacks to run a model; None if it lacks nothing."""
    reading, family = config["reading"], config["model_type"]
    lacks = {
        "CTranslate2 has none": format.startswith("ctranslate2"),
        "its tokenizer is no tokenizer.json": not tokenizer.is_fast,
        "sentences are split and picked by the Python scripts alone": kind.reads == "sentences",
        f"transformers.js knows no {family} that writes": kind.writes and family not in WRITERS,
        "n-grams of words are hashed by the Python scripts alone": (reading["words"] or {}).get("ngram_buckets"),
        "tokens that its table leaves out are left out by the Python scripts alone": reading["dropped"] is not None,
        "two texts are read apart by the Python scripts alone": tokenizer.init_kwargs.get(APART),
    }
    return next((reason for reason, holds in lacks.items() if holds), None)


def _warn(kind: Kind, config: Mapping[str, Any]) -> str:
    """Say where transformers.js answers otherwise than the run."""
    reading, said = config["reading"], []
    if reading["frame"][-1]:  # tables of vectors put nothing around a text
        said.append(
            f"A text of more than {reading['most']} tokens loses the special token at its end: shorten it before."
        )
    if config["model_type"] in OURS:
        said.append("It warns that it knows no such class, and takes a base class, which answers alike.")
    if reading["words"]:
        said.append("Other spellings of a word that the table lacks are not tried.")
    if kind.writes:
        said.append(
            "It searches greedily, whatever the beams, and one text at a time: of several the first would go on."
        )
    return " ".join(said) + "\n"
