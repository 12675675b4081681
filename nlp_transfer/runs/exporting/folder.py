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
from nlp_transfer.models.encoding.tokenizers import Tokenizers, limit_tokens
from nlp_transfer.models.exported import scripts
from nlp_transfer.models.exported.frames import describe_reading
from nlp_transfer.models.exported.graph import quantize_graph, write_graph
from nlp_transfer.models.exported.translator import describe_search, write_translator
from nlp_transfer.models.exported.writer import write_writer
from nlp_transfer.models.portable import words
from nlp_transfer.models.portable.sentence_scorer import SentenceScorer
from nlp_transfer.models.saving import write_json
from nlp_transfer.runs.answering.predictor import Predictor
from nlp_transfer.system.room import MARGIN, guard_writing

Format = Literal["onnx", "onnx-int8", "ctranslate2", "ctranslate2-int8"]
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
    if format.startswith("ctranslate2") and not writes:
        lacking = f"its answers ({answers}) are not texts that it writes, so take --format onnx"
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
    model, (base, _, quantized) = predictor.model.cpu(), format.partition("-")
    with guard_writing(folder / base, sum(one.nbytes for one in model.parameters()) + MARGIN):
        if base == "onnx":
            _write_graphs(model, tokenizer, folder, writes=kind.writes, types=types, quantized=bool(quantized))
        else:
            write_translator(model, tokenizer, folder / base, quantized=bool(quantized))
    _write_tokenizers(predictor.tokenizers, most, folder)
    if kind.writes:
        settings = {key: value for key, value in model.generation_config.to_dict().items() if value is not None}
        write_json(folder / "generation_config.json", settings)

    known = {key: value for key, value in model.config.to_dict().items() if key not in PLACES}
    config = {**known, "reading": reading, **writing, **_describe_summary(predictor, kind)}
    write_json(folder / "config.json", config)
    _copy_scripts(kind, base, folder, words_too=reading["words"] is not None, text_too=_needs_text(predictor, kind))
    return config


def _write_graphs(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    *,
    writes: bool,
    types: bool,
    quantized: bool,
) -> None:
    """Write graphs into a folder `onnx`, by the names that transformers.js knows."""
    place = folder / "onnx"
    place.mkdir()
    with tempfile.TemporaryDirectory(dir=folder) as other:
        graphs = Path(other) if quantized else place
        if writes:
            write_writer(model, tokenizer, graphs)
        else:
            write_graph(model, tokenizer, graphs / "model.onnx", types=types)
        for graph in Path(other).glob("*.onnx"):
            quantize_graph(graph, place / f"{graph.stem}_quantized.onnx")


def _write_tokenizers(tokenizers: Tokenizers, most: int, folder: Path) -> None:
    """Write a tokenizer that also cuts and pads by itself, for those who use it without the scripts."""
    tokenizer = tokenizers.source
    limit_tokens(tokenizer, most).save_pretrained(folder)
    if tokenizer.is_fast:
        core = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        core.enable_truncation(most)
        core.enable_padding(pad_id=tokenizer.pad_token_id, pad_token=tokenizer.pad_token)
        core.save(str(folder / "tokenizer.json"))
    if tokenizers.target is not None:
        tokenizers.target.backend_tokenizer.save(str(folder / "target_tokenizer.json"))


def _describe_writing(predictor: Predictor, format: Format) -> dict[str, Any]:  # noqa: A002
    """Describe the search of a model that writes, and the form of its answers."""
    source, target = predictor.tokenizers.source, predictor.tokenizers.target
    answer, *beside = predictor.answer_keys[:-1]
    said = predictor.predict([predictor.task.example])[0]
    search = describe_search(predictor.model, source) if format.startswith("ctranslate2") else None
    return {
        "writing": {
            **({} if search is None else {"search": search, "quantized": format.endswith("int8")}),
            "clean": bool((target or source).clean_up_tokenization_spaces),
            "texts": bool(predictor.list_roles),
            "unwrap": getattr(predictor.task.options, "line_breaks", None) == "space",
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


def _copy_scripts(kind: Kind, base: str, folder: Path, *, words_too: bool, text_too: bool) -> None:
    shutil.copyfile(SCRIPTS / kind.script, folder / "predict.py")
    if kind.writes:
        shutil.copyfile(SCRIPTS / f"writer_{base}.py", folder / "writer.py")
    others = ["reading.py", *["model.py"] * (base == "onnx"), *["beams.py"] * (base == "onnx" and kind.writes)]
    others += ["pieces.py"] * (folder / "source.spm").is_file()
    for name in others:
        shutil.copyfile(SCRIPTS / name, folder / name)
    if words_too:
        shutil.copyfile(words.__file__, folder / "words.py")
    if text_too:
        shutil.copytree(TEXT, folder / TEXT.name, ignore=shutil.ignore_patterns("__pycache__"))
