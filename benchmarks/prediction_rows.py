"""Rows about answering: the texts of a file by a fine-tuned model, also exported, whole processes."""

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.inputs import read_records, write_records, write_splits
from benchmarks.measuring import Contender, Row, run_process
from benchmarks.training_rows import HELD, Recipe, Scale

TEXTS, TRAINED = 5000, 1600  # texts to classify, and rows that the model is fine-tuned on


def predict(scale: Scale) -> Row:
    """Classify short texts; how well is no matter of speed, but both must say the same."""
    folder = scale.folder / "predict-run"
    model, file = folder / "run" / "model", scale.folder / "predict.jsonl"
    ours = [sys.executable, "-m", "nlp_transfer", "predict", str(folder / "run"), str(file), "--output"]
    theirs = [sys.executable, "-m", "benchmarks.pipeline_peer", str(model), str(file)]
    return Row(
        name="predict",
        title=f"classify {TEXTS:,} short texts of a file by a fine-tuned MiniLM",
        contenders=[
            _contender("predict", ours, scale, ours=True),
            _contender("predict --precision auto", [*ours[:-1], "--precision", "auto", ours[-1]], scale, ours=True),
            _contender("pipeline, batch_size=32", theirs, scale),
        ],
        targets={"pipeline, batch_size=32": 2.4},
        quantity="cpu",
        says="processor time of the whole process",
        examples=TEXTS,
        prepare=partial(fine_tune, scale, folder, file),
    )


def onnx(scale: Scale) -> Row:
    """Classify the same texts by the model as an ONNX graph."""
    return _export(scale, "onnx", 1.0)


def onnx_int8(scale: Scale) -> Row:
    """Classify the same texts by the graph with weights in int8."""
    return _export(scale, "onnx-int8", 2.5)


def _export(scale: Scale, kind: str, wanted: float) -> Row:
    folder = scale.folder / "predict-run"
    run, exported, file = folder / "run", folder / kind, scale.folder / "predict.jsonl"
    ours = [sys.executable, "-m", "benchmarks.export_job", str(exported), str(file)]
    own = [sys.executable, "-m", "nlp_transfer", "predict", str(run), str(file), "--output"]

    def prepare() -> None:
        fine_tune(scale, folder, file)
        if not exported.is_dir():
            command = [sys.executable, "-m", "nlp_transfer", "export", str(run), str(exported), "--format", kind]
            run_process(command, folder / "log.txt")

    return Row(
        name=kind,
        title=f"classify {TEXTS:,} short texts of a file by a fine-tuned MiniLM, exported",
        contenders=[_contender(kind, ours, scale, ours=True), _contender("predict", own, scale)],
        targets={"predict": wanted},
        quantity="cpu",
        says="processor time of the whole process",
        examples=TEXTS,
        prepare=prepare,
    )


def _contender(name: str, command: Sequence[str], scale: Scale, *, ours: bool = False) -> Contender:
    return Contender(
        name=name,
        command=lambda folder, _: [*command, str(folder / "answers.jsonl")],
        read=lambda folder: _score(folder / "answers.jsonl", scale.folder),
        ours=ours,
    )


def _score(answers: Path, folder: Path) -> dict[str, Any]:
    """Accuracy over all texts."""
    said = [json.loads(line)["label"] for line in answers.read_text(encoding="utf-8").splitlines()]
    known = [record["label"] for record in read_records(folder, "predict")]
    return {"accuracy": sum(one == other for one, other in zip(said, known, strict=True)) / len(known)}


def fine_tune(scale: Scale, folder: Path, file: Path) -> None:
    """Fine-tune on some reviews for an epoch, and write others to a file."""
    if (folder / "run").is_dir():
        return
    write_splits(folder, train=TRAINED + TEXTS, held=HELD)
    records = read_records(folder, "train")
    write_records(folder / "train.jsonl", records[:TRAINED])
    write_records(file, records[TRAINED:])
    recipe = Recipe(folder, scale.model, 1, 5e-5)
    contender = recipe.ours("first", {"kind": "full"})
    run_process(contender.command(folder, 0), folder / "log.txt", contender.environment(folder))


ROWS: Sequence[Callable[[Scale], Row]] = (predict, onnx, onnx_int8)
