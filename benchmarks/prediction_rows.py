"""Rows about answering: the texts of a file by a fine-tuned model, whole processes."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.inputs import read_records, write_records, write_splits
from benchmarks.measuring import Contender, Row, run_process
from benchmarks.training_rows import HELD, Recipe, Scale

IMPORTS = "import torch, transformers"  # what every such program imports, before it loads any model
TEXTS, TRAINED = 5000, 1600  # texts to classify, and rows that the model is fine-tuned on


def predict(scale: Scale) -> Row:
    """Classify short texts; how well is no matter of speed, but both must say the same."""
    folder = scale.folder / "predict-run"
    model, file = folder / "run" / "model", scale.folder / "predict.jsonl"
    ours = ["nlp_transfer", "predict", str(folder / "run"), str(file)]
    contenders = [
        _answer("predict", *ours, "--output", ours=True),
        _answer("predict --precision auto", *ours, "--precision", "auto", "--output", ours=True),
        _answer("pipeline, batch_size=32", "benchmarks.pipeline_peer", str(model), str(file)),
    ]
    return Row(
        name="predict",
        title=f"classify {TEXTS:,} short texts of a file by a fine-tuned MiniLM",
        contenders=[_judged(contender, scale) for contender in contenders],
        targets={"pipeline, batch_size=32": 2.4},
        quantity="cpu",
        says="processor time of the whole process",
        examples=TEXTS,
        prepare=partial(fine_tune, scale, folder, file),
    )


def start(scale: Scale) -> Row:
    """Answer two texts, which takes no time beside the start: against the pipeline, and against imports alone."""
    folder = scale.folder / "predict-run"
    model, file = folder / "run" / "model", scale.folder / "two.jsonl"

    def prepare() -> None:
        fine_tune(scale, folder, scale.folder / "predict.jsonl")
        write_records(file, read_records(scale.folder, "predict")[:2])

    return Row(
        name="start",
        title="answer two texts by a fine-tuned MiniLM",
        contenders=[
            _answer("predict", "nlp_transfer", "predict", str(folder / "run"), str(file), "--output", ours=True),
            _answer("pipeline", "benchmarks.pipeline_peer", str(model), str(file)),
            Contender(IMPORTS, lambda *_: [sys.executable, "-c", IMPORTS]),
        ],
        targets={"pipeline": 1.0, IMPORTS: 1 / 1.2},
        quantity="cpu",
        says="processor time of the whole process",
        prepare=prepare,
    )


def _answer(name: str, *command: str, ours: bool = False) -> Contender:
    """Run a module that writes answers to the file it is given last."""
    arguments = [sys.executable, "-m", *command]
    return Contender(name, lambda folder, _: [*arguments, str(folder / "answers.jsonl")], ours=ours)


def _judged(contender: Contender, scale: Scale) -> Contender:
    return replace(contender, read=lambda folder: score_labels(folder / "answers.jsonl", scale.folder))


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


ROWS: Sequence[Callable[[Scale], Row]] = (predict, start)
