"""Write what an exported model needs to answer without torch: its graph, tokenizer, configuration and scripts."""

import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal, NamedTuple

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from nlp_transfer.data import text
from nlp_transfer.errors import ConfigError
from nlp_transfer.models.encoding.padding import read_padding_trouble
from nlp_transfer.models.encoding.tokenizers import limit_tokens
from nlp_transfer.models.exported import scripts
from nlp_transfer.models.exported.frames import describe_reading
from nlp_transfer.models.exported.graph import quantize_graph, write_graph
from nlp_transfer.models.portable import words
from nlp_transfer.models.portable.sentence_scorer import SentenceScorer
from nlp_transfer.models.saving import write_json
from nlp_transfer.runs.predictor import Predictor
from nlp_transfer.system.room import MARGIN, guard_writing

Format = Literal["onnx", "onnx-int8"]
FILES: dict[Format, str] = {"onnx": "model.onnx", "onnx-int8": "model_quantized.onnx"}  # as transformers.js calls them
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


def find_kind(predictor: Predictor, run: str | Path) -> Kind:
    """Find out what a model reads and answers.

    Raises:
        ConfigError: the graph or the scripts cannot do that, saying what it is.
    """
    task, tokenizer = predictor.task, predictor.tokenizers.source
    picks, texts = isinstance(predictor.model, SentenceScorer), len(task.input_roles())
    lacking = None
    if not (picks or task.logits_only):
        lacking = f"its answers ({', '.join(predictor.answer_keys[:-1])}) are no labels, numbers or sentences of a text"
    elif picks and any(not hasattr(task.options, name) for name in SUMMARY):
        lacking = f"its task has no options {', '.join(SUMMARY)}, by which sentences are split and picked"
    elif texts > 2:
        lacking = f"it reads more than two texts at once ({', '.join(task.input_roles())})"
    elif not tokenizer.is_fast:
        lacking = "its tokenizer is written in Python"
    elif read_padding_trouble(predictor.model) is not None:
        lacking = "its answers depend on the texts beside a text, which pad it"
    if lacking:
        raise ConfigError(f"{run} cannot be exported: {lacking}")
    return (
        Kind("sentences", "predict_sentences.py") if picks else Kind(("text", "pair")[texts - 1], "predict_labels.py")
    )


def find_longest(predictor: Predictor) -> int:
    """Find the most tokens that the run reads at once."""
    most = int(predictor.tokenizers.source.model_max_length)
    return min(most, predictor.task.longest or most)


def write_folder(predictor: Predictor, kind: Kind, folder: Path, format: Format) -> dict[str, Any]:  # noqa: A002
    """Write the files into a folder that is there, and return the configuration among them.

    Raises:
        ConfigError: torch cannot express the model in ONNX.
        DiskError: the disk is full or fails.
    """
    tokenizer, most = predictor.tokenizers.source, find_longest(predictor)
    reading = describe_reading(tokenizer, most, kind.reads)
    _write_graph(predictor, folder / "onnx" / FILES[format], format, types=reading["types"] is not None)
    _write_tokenizer(tokenizer, most, folder)

    known = {key: value for key, value in predictor.model.config.to_dict().items() if key not in PLACES}
    config = {**known, "reading": reading, **_describe_summary(predictor, kind)}
    write_json(folder / "config.json", config)
    _copy_scripts(kind, folder, words_too=reading["words"] is not None)
    return config


def _write_graph(predictor: Predictor, path: Path, format: Format, *, types: bool) -> None:  # noqa: A002
    model, tokenizer = predictor.model.cpu(), predictor.tokenizers.source
    path.parent.mkdir()
    with guard_writing(path, sum(one.nbytes for one in model.parameters()) + MARGIN):
        if format == "onnx":
            write_graph(model, tokenizer, path, types=types)
            return
        with tempfile.TemporaryDirectory(dir=path.parent.parent) as place:
            write_graph(model, tokenizer, Path(place) / "model.onnx", types=types)
            quantize_graph(Path(place) / "model.onnx", path)


def _write_tokenizer(tokenizer: PreTrainedTokenizerBase, most: int, folder: Path) -> None:
    """Write a tokenizer that also cuts and pads by itself, for those who use it without the scripts."""
    limit_tokens(tokenizer, most).save_pretrained(folder)
    core = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    core.enable_truncation(most)
    core.enable_padding(pad_id=tokenizer.pad_token_id, pad_token=tokenizer.pad_token)
    core.save(str(folder / "tokenizer.json"))


def _describe_summary(predictor: Predictor, kind: Kind) -> dict[str, Any]:
    """Describe how sentences are split and picked; `auto` is what runs of old versions may still say."""
    if kind.reads != "sentences":
        return {}
    found = {name: getattr(predictor.task.options, name) for name in SUMMARY}
    return {"summary": {name: None if value == "auto" else value for name, value in found.items()}}


def _copy_scripts(kind: Kind, folder: Path, *, words_too: bool) -> None:
    shutil.copyfile(SCRIPTS / kind.script, folder / "predict.py")
    for name in ("reading.py", "model.py"):
        shutil.copyfile(SCRIPTS / name, folder / name)
    if words_too:
        shutil.copyfile(words.__file__, folder / "words.py")
    if kind.reads == "sentences":
        shutil.copytree(TEXT, folder / TEXT.name, ignore=shutil.ignore_patterns("__pycache__"))
