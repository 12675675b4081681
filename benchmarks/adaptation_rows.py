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

    def adapt(folder: Path, turn: int) -> Sequence[str]:
        command = [sys.executable, "-m", "nlp_transfer", "adapt", scale.model, str(data / "train.jsonl")]
        settings = ["training.precision=fp32", f"data.validation={data / 'validation.jsonl'}"]
        settings += [f"data.test={data / 'test.jsonl'}", f"training.batch_size={BATCH_SIZE}"]
        wishes = [word for setting in settings for word in ("--set", setting)]
        return [*command, str(folder / "run"), "--epochs", str(epochs), "--seed", str(turn), *wishes]

    def train(folder: Path, turn: int, *, grouped: bool) -> Sequence[str]:
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
        return [sys.executable, "-m", "benchmarks.masked_peer", json.dumps(asdict(job))]

    def read(folder: Path) -> dict[str, float]:
        return {"perplexity": read_json(folder / "run" / "metrics.json")["test"]["pseudo_perplexity"]}

    def read_peer(folder: Path) -> dict[str, float]:
        return {"perplexity": read_json(folder / "facts.json")["perplexity"]}

    return Row(
        name="adaptation",
        title=f"masked-language-model training, {TEXTS:,} short texts, {epochs} epoch, end to end",
        contenders=[
            Contender("adapt", adapt, read, ours=True),
            Contender("Trainer, run_mlm --line_by_line", partial(train, grouped=False), read_peer),
            Contender("Trainer, run_mlm", partial(train, grouped=True), read_peer),
        ],
        targets={"Trainer, run_mlm --line_by_line": 1.5, "Trainer, run_mlm": 1.5},
        quantity="cpu",
        says="processor time of the whole process, with two measurements on held-out texts",
        quick=False,
        prepare=lambda: _write(data, scale),
    )


def _write(folder: Path, scale: Scale) -> None:
    write_splits(folder, train=scale.rows or TEXTS, held=HELD, data=scale.data)


ROWS: Sequence[Callable[[Scale], Row]] = (adaptation,)
