"""Rows about answering: the texts of a file by a fine-tuned model, whole processes."""

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


def _contender(name: str, command: Sequence[str], scale: Scale, *, ours: bool = False) -> Contender:
    return Contender(
        name=name,
        command=lambda folder, _: [*command, str(folder / "answers.jsonl")],
        read=lambda folder: score_labels(folder / "answers.jsonl", scale.folder),
        ours=ours,
    )


def score_labels(answers: Path, folder: Path) -> dict[str, Any]:
    """Accuracy over all texts."""
    said = [json.loads(line)["label"] for line in answers.read_text(encoding="utf-8").splitlines()]
    known = [record["label"] for record in read_records(folder, "predict")]
    return {"accuracy": sum(one == other for one, other in zip(said, known, strict=True)) / len(known)}


def fine_tune(scale: Scale, folder: Path, file: Path) -> None:
    """Fine-tune on some reviews for an epoch, and write others to a file."""
    if (folder / "run").is_dir():
        return
    write_reviews(folder, file)
    recipe = Recipe(folder, scale.model, 1, 5e-5)
    contender = recipe.ours("first", {"kind": "full"})
    run_process(contender.command(folder, 0), folder / "log.txt", contender.environment(folder))


def write_reviews(folder: Path, file: Path) -> None:
    """Write some reviews to train on, and others to a file, the same ones each time."""
    write_splits(folder, train=TRAINED + TEXTS, held=HELD)
    records = read_records(folder, "train")
    write_records(folder / "train.jsonl", records[:TRAINED])
    write_records(file, records[TRAINED:])


ROWS: Sequence[Callable[[Scale], Row]] = (predict,)
