"""Rows about exported models: the texts of a file by `predict`, and by the script without torch; whole processes."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measuring import Contender, Row, run_process
from benchmarks.prediction_rows import TEXTS, fine_tune, score_labels, write_reviews
from benchmarks.seq2seq_rows import write_pairs
from benchmarks.training_rows import Scale

Read = Callable[[Path], dict[str, Any]]
WRITTEN, HELD, LENGTH = 100, 10, 48  # texts to translate, rows of validation and of test, and tokens of a text
LOSS = 0.01  # of accuracy, beyond which a graph in int8 is not exported unless that is asked for
TRAINED, EPOCHS = 160, 15  # of the translator, which learns the texts by heart: what counts is how fast it writes


def onnx(scale: Scale) -> Row:
    """Classify texts by a fine-tuned MiniLM as an ONNX graph."""
    return _classify(scale, "onnx", 1.0)


def onnx_int8(scale: Scale) -> Row:
    """Classify the same texts by the graph with weights in int8."""
    return _classify(scale, "onnx-int8", 2.5)


def onnx_static(scale: Scale) -> Row:
    """Classify the same texts by GloVe under a linear layer as an ONNX graph."""
    folder, file = scale.folder / "export-static", scale.folder / "predict.jsonl"
    config = {"task": {"name": "sentiment"}, "source": {"kind": "vectors", "name": "glove-50d"}}

    def prepare() -> None:
        if not (folder / "run").is_dir():
            write_reviews(folder, file)
            _train(folder, {**config, "strategy": {"kind": "frozen"}, "data": {"train": str(folder / "train.jsonl")}})

    title = f"classify {TEXTS:,} short texts of a file by GloVe under a linear layer, exported"
    read = partial(score_labels, folder=scale.folder)
    return _row(folder, file, "onnx", title, prepare, read, name="onnx-static", targets={"predict": 1.0})


def _classify(scale: Scale, kind: str, wanted: float) -> Row:
    folder, file = scale.folder / "predict-run", scale.folder / "predict.jsonl"
    title = f"classify {TEXTS:,} short texts of a file by a fine-tuned MiniLM, exported"
    read = partial(score_labels, folder=scale.folder)
    prepare = partial(fine_tune, scale, folder, file)
    return _row(folder, file, kind, title, prepare, read, name=kind, targets={"predict": wanted})


def ctranslate2(scale: Scale) -> Row:
    """Translate texts greedily by a BART of 17 million parameters, written for CTranslate2."""
    return _translate(scale, "ctranslate2", {"predict": 1.0})


def ctranslate2_int8(scale: Scale) -> Row:
    """Translate the same texts with weights in int8."""
    return _translate(scale, "ctranslate2-int8", {"predict": 2.5})


def onnx_writer(scale: Scale) -> Row:
    """Translate the same texts by two ONNX graphs and a search in numpy."""
    return _translate(scale, "onnx", {})


def onnx_int8_writer(scale: Scale) -> Row:
    """Translate the same texts by these graphs with weights in int8."""
    return _translate(scale, "onnx-int8", {})


def _translate(scale: Scale, kind: str, targets: Mapping[str, float]) -> Row:
    folder = scale.folder / "export-writer"

    def prepare() -> None:
        if (folder / "run").is_dir():
            return
        write_pairs(folder, scale.rows or TRAINED)
        for name, taken, most in (("train", "some", WRITTEN), *((held, held, HELD) for held in ("validation", "test"))):
            lines = (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
            (folder / f"{taken}.jsonl").write_text("".join(lines[:most]), encoding="utf-8")
        source = [sys.executable, "-m", "benchmarks.write_writer", str(folder / "train.jsonl"), str(folder / "bart")]
        run_process(source, folder / "log.txt")
        splits = {name: str(folder / f"{name}.jsonl") for name in ("train", "validation", "test")}
        config = {
            "task": {
                "name": "translation",
                "max_length": LENGTH,
                "max_target_length": LENGTH,
                "generation": {"beams": 1},
            },
            "source": {"kind": "checkpoint", "name": str(folder / "bart")},
            "strategy": {"kind": "full"},
            "data": {**splits, "columns": {"source": "en", "target": "fr"}},
            "training": {
                "epochs": scale.epochs or EPOCHS,
                "learning_rate": 5e-4,
                "precision": "fp32",
                "batch_size": 16,
            },
        }
        _train(folder, config)

    title = f"translate {WRITTEN:,} interface strings by a small BART, greedily, exported"
    read = partial(_score_words, folder=folder)
    name = kind.replace("onnx", "onnx-writer")
    row = _row(folder, folder / "some.jsonl", kind, title, prepare, read, name=name, targets=targets)
    return replace(row, examples=WRITTEN)


def _row(
    folder: Path,
    file: Path,
    kind: str,
    title: str,
    prepare: Callable[[], None],
    read: Read,
    *,
    name: str,
    targets: Mapping[str, float],
) -> Row:
    """Answer the texts of a file by the run in a folder, and by what is exported from it in some format."""
    run, exported = folder / "run", folder / kind

    def prepare_both() -> None:
        prepare()
        if not exported.is_dir():
            command = [sys.executable, "-m", "nlp_transfer", "export", str(run), str(exported), "--format", kind]
            run_process([*command, *(["--any-loss"] if kind.endswith("int8") else [])], folder / "log.txt")

    ours = [sys.executable, "-m", "benchmarks.export_job", str(exported), str(file)]
    own = [sys.executable, "-m", "nlp_transfer", "predict", str(run), str(file), "--output"]
    return Row(
        name=name,
        title=title,
        contenders=[_contender(name, ours, read, ours=True), _contender("predict", own, read)],
        targets=targets,
        quantity="cpu",
        says="processor time of the whole process",
        examples=TEXTS,
        loss=LOSS if kind.endswith("int8") else 0.0,
        prepare=prepare_both,
    )


def _contender(name: str, command: Sequence[str], read: Read, *, ours: bool = False) -> Contender:
    return Contender(
        name=name,
        command=lambda folder, _: [*command, str(folder / "answers.jsonl")],
        read=lambda folder: read(folder / "answers.jsonl"),
        ours=ours,
    )


def _train(folder: Path, config: Mapping[str, Any]) -> None:
    (folder / "config.yaml").write_text(json.dumps(config))
    command = [
        sys.executable,
        "-m",
        "nlp_transfer",
        "run",
        str(folder / "config.yaml"),
        "--output",
        str(folder / "run"),
    ]
    run_process(command, folder / "log.txt")


def _score_words(answers: Path, folder: Path) -> dict[str, Any]:
    """Compute chrF as a share."""
    from nlp_transfer.evaluation.text_metrics import translation_scores  # heavy: this process is to stay light

    paths = answers, folder / "some.jsonl"
    said, known = ([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] for path in paths)
    scores = translation_scores([one["translation"] for one in said], [one["fr"] for one in known])
    return {"accuracy": scores["chrf"] / 100}


ROWS: Sequence[Callable[[Scale], Row]] = (
    onnx,
    onnx_int8,
    onnx_static,
    ctranslate2,
    ctranslate2_int8,
    onnx_writer,
    onnx_int8_writer,
)
