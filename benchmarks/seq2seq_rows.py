"""Rows of tasks that write: translation of the bundled interface strings against Hugging Face's Seq2SeqTrainer."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.inputs import write_records
from benchmarks.job import PairJob
from benchmarks.measuring import Contender, Row, read_json, run_process
from benchmarks.training_rows import Scale

DECODER = {"layers": 2, "width": 256, "vocabulary": 4000}
BATCH_SIZE, MAX_LENGTH = 32, 64
GENERATED = 1000  # texts
TEST_PAIRS = 319  # a tenth of the bundled pairs: gives the error of the score


@dataclass(frozen=True)
class Recipe:
    """The numbers that both sides share."""

    data: Path
    epochs: int
    learning_rate: float
    frozen: bool

    def ours(self, name: str) -> Contender:
        """`nlp-transfer run`."""

        def command(folder: Path, turn: int) -> Sequence[str]:
            kind = {"kind": "frozen", "cache": "memory"} if self.frozen else {"kind": "full"}
            config = {
                "task": {
                    "name": "translation",
                    "max_length": MAX_LENGTH,
                    "max_target_length": MAX_LENGTH,
                    "decoder": DECODER,
                },
                "source": {"kind": "checkpoint", "name": "minilm"},
                "strategy": kind,
                "data": {
                    **{name: str(self.data / f"{name}.jsonl") for name in ("train", "validation", "test")},
                    "columns": {"source": "en", "target": "fr"},
                },
                "training": {
                    "epochs": self.epochs,
                    "batch_size": BATCH_SIZE,
                    "learning_rate": self.learning_rate,
                    "precision": "fp32",
                    "seed": turn,
                },
            }
            (folder / "config.yaml").write_text(json.dumps(config))
            run = [sys.executable, "-m", "nlp_transfer", "run", str(folder / "config.yaml")]
            return [*run, "--output", str(folder / "run")]

        return Contender(name=name, command=command, read=_read_run, ours=True)

    def peer(self, name: str) -> Contender:
        """Seq2SeqTrainer."""

        def command(folder: Path, turn: int) -> Sequence[str]:
            job = PairJob(
                data=str(self.data),
                output=str(folder),
                epochs=self.epochs,
                seed=turn,
                learning_rate=self.learning_rate,
                batch_size=BATCH_SIZE,
                max_length=MAX_LENGTH,
                frozen=self.frozen,
                decoder=DECODER,
            )
            return [sys.executable, "-m", "benchmarks.seq2seq_peer", json.dumps(asdict(job))]

        return Contender(name=name, command=command, read=lambda folder: read_json(folder / "facts.json"))


def _read_run(folder: Path) -> dict[str, Any]:
    """BLEU on test as a share, and the seconds of each part."""
    metrics = read_json(folder / "run" / "metrics.json")
    return {"accuracy": metrics["test"]["bleu"] / 100} | {
        f"seconds_{name}": value for name, value in metrics["seconds"].items()
    }


def write_pairs(folder: Path, most: int | None) -> None:
    """The bundled pairs as JSONL, cut once."""
    from nlp_transfer.config.data import DataConfig  # heavy: this process is to stay light
    from nlp_transfer.data.splits import load_splits

    splits = load_splits(DataConfig(train="bundled:ui-strings-fr"), {"en": "text", "fr": "text"})
    for name in ("train", "validation", "test"):
        rows = getattr(splits, name)
        records = [{"en": row["en"], "fr": row["fr"]} for row in rows]
        write_records(folder / f"{name}.jsonl", records[:most] if name == "train" else records)


def frozen_decoder(scale: Scale) -> Row:
    """The encoder rests beside a decoder that trains: its states once against a pass each epoch."""
    return _row(scale, "frozen-decoder", "frozen encoder and a decoder that trains", frozen=True, promised=2.0)


def full_decoder(scale: Scale) -> Row:
    """All of an encoder and decoder trains, on texts of mixed lengths."""
    return _row(scale, "full-decoder", "encoder and decoder, all of both trains", frozen=False, promised=1.8)


def _row(scale: Scale, name: str, title: str, *, frozen: bool, promised: float) -> Row:
    recipe = Recipe(scale.folder / f"{name}-data", scale.epochs or 5, 5e-4, frozen)
    peer = "Seq2SeqTrainer, encoder frozen" if frozen else "Seq2SeqTrainer"
    return Row(
        name=name,
        title=f"{title}, interface strings en-fr, {recipe.epochs} epochs, end to end",
        contenders=[recipe.ours("frozen" if frozen else "full"), recipe.peer(peer)],
        targets={peer: promised},
        quick=False,
        examples=TEST_PAIRS,
        prepare=partial(write_pairs, recipe.data, scale.rows),
    )


def generation(scale: Scale, beams: int) -> Row:
    """1,000 texts of mixed lengths: sorted, and greedily without the rows that have ended, against file order."""
    recipe = Recipe(scale.folder / f"generation-{beams}-data", scale.epochs or 5, 1e-3, frozen=True)

    def prepare() -> None:
        write_pairs(recipe.data, scale.rows)
        lines = (recipe.data / "train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)[:GENERATED]
        (recipe.data / "some.jsonl").write_text("".join(lines), encoding="utf-8")
        folder = recipe.data / "trained"
        folder.mkdir()
        run_process(recipe.ours("trained").command(folder, 0), folder / "log.txt")

    def contender(name: str, *, ours: bool) -> Contender:
        def command(folder: Path, turn: int) -> Sequence[str]:  # noqa: ARG001 - nothing is drawn
            job = {
                "run": str(recipe.data / "trained" / "run"),
                "pairs": str(recipe.data / "some.jsonl"),
                "output": str(folder),
                "beams": beams,
                "ours": ours,
            }
            return [sys.executable, "-m", "benchmarks.generation_job", json.dumps(job)]

        return Contender(name=name, command=command, read=lambda folder: read_json(folder / "facts.json"), ours=ours)

    search = "greedy" if beams == 1 else f"{beams} beams"
    return Row(
        name=f"generation-{beams}",
        title=f"translate {GENERATED:,} texts of mixed lengths, {search}",
        contenders=[
            contender(f"sorted, {search}", ours=True),
            contender(f"generate in file order, {search}", ours=False),
        ],
        targets={f"generate in file order, {search}": 1.5 if beams == 1 else 1.25},
        quantity="seconds",
        says="tokenizing and searching; loading excluded; the accuracy column holds chrF, equal for equal outputs",
        examples=GENERATED,
        prepare=prepare,
    )


ROWS: Sequence[Callable[[Scale], Row]] = (
    frozen_decoder,
    full_decoder,
    partial(generation, beams=1),
    partial(generation, beams=4),
)
