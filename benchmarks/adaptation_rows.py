"""Rows of masked-language-model training on texts without labels: `nlp-transfer adapt` against `run_mlm`'s Trainer."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from benchmarks.inputs import write_splits
from benchmarks.job import MaskedJob
from benchmarks.measuring import Contender, Row, read_json
from benchmarks.training_rows import BATCH_SIZE, MAX_LENGTH, Scale

TEXTS, HELD, RATE = 2000, 100, 1e-4


def adaptation(scale: Scale) -> Row:
    """One pass over the texts, which are measured before and after on held-out ones by both sides."""
    data = scale.folder / "adaptation-data"
    epochs = scale.epochs or 1

    def command(folder: Path, turn: int, *, module: str, grouped: bool = False) -> Sequence[str]:
        job = MaskedJob(
            data=str(data),
            output=str(folder),
            model=scale.model,
            epochs=epochs,
            learning_rate=RATE,
            seed=turn,
            max_length=MAX_LENGTH,
            batch_size=BATCH_SIZE,
            grouped=grouped,
        )
        return [sys.executable, "-m", f"benchmarks.{module}", json.dumps(asdict(job))]

    def read(folder: Path) -> dict[str, float]:
        return read_json(folder / "facts.json")

    return Row(
        name="adaptation",
        title=f"masked-language-model training, {scale.rows or TEXTS:,} short texts, {epochs} epoch",
        contenders=[
            Contender("adapt", partial(command, module="adaptation_job"), read, ours=True),
            Contender("Trainer, run_mlm --line_by_line", partial(command, module="masked_peer"), read),
            Contender("Trainer, run_mlm", partial(command, module="masked_peer", grouped=True), read),
        ],
        targets={"Trainer, run_mlm --line_by_line": 1.5, "Trainer, run_mlm": 1.5},
        quantity="training_seconds",
        says="processor time of the training, with one measurement on held-out texts",
        quick=False,
        prepare=lambda: _write(data, scale),
    )


def _write(folder: Path, scale: Scale) -> None:
    write_splits(folder, train=scale.rows or TEXTS, held=HELD, data=scale.data)


ROWS: Sequence[Callable[[Scale], Row]] = (adaptation,)
