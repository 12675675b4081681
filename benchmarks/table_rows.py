"""A row about reading a large table."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.measuring import Contender, Row, read_json, run_process
from benchmarks.training_rows import Scale


def table(scale: Scale) -> Row:
    """Read a million short rows; the peers neither check them, nor count labels, duplicates and leaks, nor cut."""
    return Row(
        name="table",
        title="read a .csv of 1,000,000 short rows; ours also checks, cuts and reports",
        contenders=[
            _job(scale, "load_splits", "ours", ours=True),
            _job(scale, "pandas.read_csv", "pandas"),
            _job(scale, "datasets, cut with seed", "datasets"),
        ],
        targets={},
        quantity="seconds",
        says="reading; imports excluded",
        prepare=partial(_prepare, scale),
    )


def _file(scale: Scale) -> Path:
    return scale.folder / "million.csv"


def _prepare(scale: Scale) -> None:
    if not _file(scale).exists():
        command = [sys.executable, "-m", "benchmarks.table_job", "prepare", str(_file(scale)), "-"]
        run_process(command, scale.folder / "prepare.txt")


def _job(scale: Scale, name: str, job: str, *, ours: bool = False) -> Contender:
    def command(folder: Path, _: int) -> Sequence[str]:
        return [sys.executable, "-m", "benchmarks.table_job", job, str(_file(scale)), str(folder / "facts.json")]

    return Contender(
        name=name,
        command=command,
        read=lambda folder: read_json(folder / "facts.json"),
        ours=ours,
        environment=lambda folder: {"HF_HOME": str(folder / "cache")},  # nothing is found that was read before
    )


ROWS: Sequence[Callable[[Scale], Row]] = (table,)
