"""A row about mixed batches: a step against the two steps that it holds."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.inputs import reviews, write_splits
from benchmarks.measuring import Contender, Row, read_json
from benchmarks.training_rows import Scale

STEPS = 6
BATCH_SIZE, TIMES = 32, 2  # labelled texts in a step, and as many times more without labels
HELD = 40


def mixing(_: Scale) -> Row:
    """A labelled half and a half in which hidden words are found, in one step of the optimizer and in two."""
    count = STEPS * BATCH_SIZE
    return Row(
        name="mixing",
        title=f"{STEPS} steps of {BATCH_SIZE} labelled reviews and {TIMES * BATCH_SIZE} without labels, MiniLM full",
        contenders=[_contender("mixed batches", "mixed", count, ours=True), _contender("two steps", "apart", count)],
        targets={"two steps": 0.91},
        quantity="step_seconds",
        says="processor time of the steps, without loading and measuring",
    )


def _contender(name: str, way: str, count: int, *, ours: bool = False) -> Contender:
    def command(folder: Path, _: int) -> Sequence[str]:
        write_splits(folder, train=count, held=HELD)
        known = {json.loads(line)["text"] for line in (folder / "train.jsonl").read_text(encoding="utf-8").splitlines()}
        others = [record["text"] for record in reviews("rotten_tomatoes") if record["text"] not in known]
        texts = others[: round(TIMES * count / 0.9)]  # a tenth is held out
        (folder / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
        return [sys.executable, "-m", "benchmarks.mixing_job", str(folder), way]

    return Contender(name, command, lambda folder: read_json(folder / "facts.json"), ours=ours)


ROWS: Sequence[Callable[[Scale], Row]] = (mixing,)
