"""Write what an exported model needs to answer without torch: its graph, tokenizer, configuration and scripts."""

import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tokenizers import Tokenizer
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from nlp_transfer.data import text
from nlp_transfer.errors import ConfigError
from nlp_transfer.models.encoding.padding import read_padding_trouble
from nlp_transfer.models.encoding.tokenizers import limit_tokens
from nlp_transfer.models.exported import scripts
from nlp_transfer.models.exported.frames import describe_reading
from nlp_transfer.models.exported.graph import quantize_graph, write_graph
from nlp_transfer.models.exported.translator import describe_search, write_translator
from nlp_transfer.models.portable import words
from nlp_transfer.models.portable.sentence_scorer import SentenceScorer
from nlp_transfer.models.saving import write_json
from nlp_transfer.runs.predictor import Predictor
from nlp_transfer.system.room import MARGIN, guard_writing

Format = Literal["onnx", "onnx-int8", "ctranslate2", "ctranslate2-int8"]
FILES: dict[Format, str] = {  # those of ONNX as transformers.js calls them
    "onnx": "onnx/model.onnx",
    "onnx-int8": "onnx/model_quantized.onnx",
    "ctranslate2": "ctranslate2/model.bin",
    "ctranslate2-int8": "ctranslate2/model.bin",
}
SCRIPTS, TEXT = Path(scripts.__path__[0]), Path(text.__path__[0])
PLACES = ("_name_or_path", "auto_map")  # keys of a configuration that mean files which are not there
SUMMARY = ("sentences", "max_sentences", "language", "line_breaks", "trigram_blocking")  # options of a scorer's task


class Kind(NamedTuple):
    """What a model reads and answers: what its texts are (`text`, `pair` or `sentences`), and the script for it."""

    reads: Literal["text", "pair", "sentences"]
    script: str

    @property
    def decoded(self) -> bool:
        """Whether the script answers as the run, and not by logits that the task decodes."""
        return self.script != "predict_labels.py"

    @property
    def writes(self) -> bool:
        """Whether the answers are texts that it writes."""
        return self.script == "predict_texts.py"


def find_kind(predictor: Predictor, run: str | Path, format: Format) -> Kind:  # noqa: A002
    """Find out what a model reads and answers.

    Raises:
        ConfigError: the format or the scripts cannot do that, saying what it is.
    """
    task, tokenizer = predictor.task, predictor.tokenizers.source
    writes, picks = predictor.model.can_generate(), isinstance(predictor.model, SentenceScorer)
    texts, answers = len(task.input_roles()), ", ".join(predictor.answer_keys[:-1])
    lacking = None
    if writes != format.startswith("ctranslate2"):
        lacking = f"its answers ({answers}) are {'' if writes else 'not '}texts that it writes, so take --format "
        lacking += "ctranslate2" if writes else "onnx"
    elif not (writes or picks or task.logits_only):
        lacking = f"its answers ({answers}) are no labels, numbers, sentences or texts of the model"
    elif picks and any(not hasattr(task.options, name) for name in SUMMARY):
        lacking = f"its task has no options {', '.join(SUMMARY)}, by which sentences are split and picked"
    elif texts > 2 - writes:
        lacking = f"it reads several texts at once ({', '.join(task.input_roles())})"
    elif not (tokenizer.is_fast or (writes and tokenizer.vocab_files_names.keys() >= {"source_spm", "target_spm"})):
        lacking = "its tokenizer is written in Python"
    elif read_padding_trouble(predictor.model) is not None:
        lacking = "its answers depend on the texts beside a text, which pad it"
    if lacking:
        raise ConfigError(f"{run} cannot be exported: {lacking}")
    if writes:
        return Kind("text", "predict_texts.py")
    if picks:
        return Kind("sentences", "predict_sentences.py")
    return Kind("pair" if texts == 2 else "text", "predict_labels.py")


def find_longest(predictor: Predictor) -> int:
    """Find the most tokens that the run reads at once."""
    most = int(predictor.tokenizers.source.model_max_length)
    return min(most, predictor.task.longest or most)


def write_folder(predictor: Predictor, kind: Kind, folder: Path, format: Format) -> dict[str, Any]:  # noqa: A002
    """Write the files into a folder that is there, and return the configuration among them.

    Raises:
        ConfigError: the model cannot be expressed in the format.
        DiskError: the disk is full or fails.
    """
    tokenizer, most = predictor.tokenizers.source, find_longest(predictor)
    writing = _describe_writing(predictor, format) if kind.writes else {}  # reads a text, which sets the languages
    reading = describe_reading(tokenizer, most, kind.reads, prefix=getattr(predictor.task.options, "prefix", ""))
    types = reading["types"] is not None
    model, path = predictor.model.cpu(), folder / FILES[format]
    with guard_writing(path, sum(one.nbytes for one in model.parameters()) + MARGIN):
        match format:
            case "onnx" | "onnx-int8":
                _write_graph(model, tokenizer, path, types=types, quantized=format == "onnx-int8")
            case "ctranslate2" | "ctranslate2-int8":
                write_translator(model, tokenizer, path.parent, quantized=format == "ctranslate2-int8")
    _write_tokenizer(tokenizer, most, folder)

    known = {key: value for key, value in model.config.to_dict().items() if key not in PLACES}
    config = {**known, "reading": reading, **writing, **_describe_summary(predictor, kind)}
    write_json(folder / "config.json", config)
    _copy_scripts(kind, folder, words_too=reading["words"] is not None, text_too=_needs_text(predictor, kind))
    return config


def _write_graph(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, path: Path, *, types: bool, quantized: bool
) -> None:
    path.parent.mkdir()
    if not quantized:
        write_graph(model, tokenizer, path, types=types)
        return
    with tempfile.TemporaryDirectory(dir=path.parent.parent) as place:
        write_graph(model, tokenizer, Path(place) / "model.onnx", types=types)
        quantize_graph(Path(place) / "model.onnx", path)


def _write_tokenizer(tokenizer: PreTrainedTokenizerBase, most: int, folder: Path) -> None:
    """Write a tokenizer that also cuts and pads by itself, for those who use it without the scripts."""
    limit_tokens(tokenizer, most).save_pretrained(folder)
    if not tokenizer.is_fast:
        return
    core = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    core.enable_truncation(most)
    core.enable_padding(pad_id=tokenizer.pad_token_id, pad_token=tokenizer.pad_token)
    core.save(str(folder / "tokenizer.json"))


def _describe_writing(predictor: Predictor, format: Format) -> dict[str, Any]:  # noqa: A002
    """Describe the search of a model that writes, and the form of its answers."""
    tokenizer, options = predictor.tokenizers.source, predictor.task.options
    answer, *beside = predictor.answer_keys[:-1]
    said = predictor.predict([predictor.task.example])[0]
    return {
        "writing": {
            "search": describe_search(predictor.model, tokenizer),
            "quantized": format.endswith("int8"),
            "clean": bool(tokenizer.clean_up_tokenization_spaces),
            "texts": bool(predictor.list_roles),
            "unwrap": getattr(options, "line_breaks", None) == "space",
            "answer": answer,
            "beside": {key: said[key] for key in beside},
        }
    }


def _needs_text(predictor: Predictor, kind: Kind) -> bool:
    """Tell whether sentences are split or joined."""
    return kind.reads == "sentences" or (kind.writes and bool(predictor.list_roles))


def _describe_summary(predictor: Predictor, kind: Kind) -> dict[str, Any]:
    """Describe how sentences are split and picked; `auto` is what runs of old versions may still say."""
    if kind.reads != "sentences":
        return {}
    found = {name: getattr(predictor.task.options, name) for name in SUMMARY}
    return {"summary": {name: None if value == "auto" else value for name, value in found.items()}}


def _copy_scripts(kind: Kind, folder: Path, *, words_too: bool, text_too: bool) -> None:
    shutil.copyfile(SCRIPTS / kind.script, folder / "predict.py")
    others = ["reading.py", *([] if kind.writes else ["model.py"])]
    others += ["pieces.py"] * (folder / "source.spm").is_file()
    for name in others:
        shutil.copyfile(SCRIPTS / name, folder / name)
    if words_too:
        shutil.copyfile(words.__file__, folder / "words.py")
    if text_too:
        shutil.copytree(TEXT, folder / TEXT.name, ignore=shutil.ignore_patterns("__pycache__"))
