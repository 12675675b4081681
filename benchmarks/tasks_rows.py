"""Rows about several tasks: an epoch of all against its parts, and several heads against one at prediction."""

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.inputs import read_records, write_records, write_splits
from benchmarks.measuring import Contender, Row, read_json, run_process
from benchmarks.training_rows import BATCH_SIZE, MAX_LENGTH, Scale

ROWS_EACH, HELD, TEXTS = 600, 100, 2000  # of each task: rows of train, of validation and of test; texts to answer
NAMES = ("first", "second", "third")


def tasks(scale: Scale) -> Row:
    """Two tasks with one encoder against the same two alone: the same batches, in one process each."""
    data = scale.folder / "tasks-data"

    def command(folder: Path, turn: int, *, way: str) -> Sequence[str]:
        config = _configure(data, scale, NAMES[:2], "full", seed=turn)
        (folder / "config.yaml").write_text(json.dumps(config))
        return [sys.executable, "-m", "benchmarks.tasks_job", str(folder / "config.yaml"), way, str(folder)]

    def read(folder: Path) -> dict[str, Any]:
        return read_json(folder / "facts.json")

    return Row(
        name="tasks",
        title=f"an epoch of two tasks of {scale.rows or ROWS_EACH} short texts, all parameters",
        contenders=[
            Contender("together", partial(command, way="together"), read, ours=True),
            Contender("one after the other", partial(command, way="alone"), read),
        ],
        targets={"one after the other": 0.95},
        quantity="training_seconds",
        says="processor time of the training",
        quick=False,
        prepare=lambda: _write(data, scale),
    )


def heads(scale: Scale) -> Row:
    """Three heads on one frozen encoder answer the same texts, against one of them."""
    data, file = scale.folder / "tasks-data", scale.folder / "heads.jsonl"
    runs = scale.folder / "heads"

    def command(folder: Path, _: int, *, names: Sequence[str]) -> Sequence[str]:
        folders = [str(runs / name) for name in names]
        output = str(folder / "answers.jsonl")
        return [sys.executable, "-m", "nlp_transfer", "predict", *folders, str(file), "--output", output]

    def prepare() -> None:
        _write(data, scale)
        write_splits(file.parent / "heads-texts", train=TEXTS, held=HELD)
        write_records(file, read_records(file.parent / "heads-texts", "train"))
        config = scale.folder / "heads.yaml"
        config.write_text(json.dumps(_configure(data, scale, NAMES, "frozen", seed=0)))
        if not runs.is_dir():
            run = [sys.executable, "-m", "nlp_transfer", "run", str(config), "--output", str(runs)]
            run_process(run, scale.folder / "heads.txt")

    return Row(
        name="heads",
        title=f"answer {TEXTS:,} short texts by three heads on one encoder",
        contenders=[
            Contender("three heads", partial(command, names=NAMES), ours=True),
            Contender("one head", partial(command, names=NAMES[:1])),
        ],
        targets={"one head": 0.83},
        quantity="cpu",
        says="processor time of the whole process",
        prepare=prepare,
    )


def _configure(data: Path, scale: Scale, names: Sequence[str], strategy: str, *, seed: int) -> dict[str, Any]:
    places = {name: str(data / f"{name}.jsonl") for name in ("train", "validation", "test")}
    return {
        "tasks": [
            {"name": name, "task": {"name": "sentiment", "max_length": MAX_LENGTH}, "data": places} for name in names
        ],
        "source": {"kind": "checkpoint", "name": scale.model},
        "strategy": {"kind": strategy},
        "training": {"epochs": scale.epochs or 1, "batch_size": BATCH_SIZE, "precision": "fp32", "seed": seed},
    }


def _write(folder: Path, scale: Scale) -> None:
    write_splits(folder, train=scale.rows or ROWS_EACH, held=HELD, data=scale.data)


ROWS: Sequence[Callable[[Scale], Row]] = (tasks, heads)
