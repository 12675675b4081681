"""A row about several processes: two that share a file against one, each on one thread."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.measuring import Contender, Row
from benchmarks.prediction_rows import TEXTS, fine_tune
from benchmarks.training_rows import Scale

REPEATED = 4  # the texts come so often, so that both processes work for longer than they take to start


def processes(scale: Scale) -> Row:
    """Predict a file by two processes; a machine with fewer than two idle cores measures itself."""
    folder, file = scale.folder / "predict-run", scale.folder / "repeated.jsonl"
    verb = ["nlp_transfer", "predict", str(folder / "run"), str(file), "--output"]
    launch = ["torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m"]
    return Row(
        name="processes",
        title=f"classify {REPEATED * TEXTS:,} short texts of a file by a fine-tuned MiniLM, one thread a process",
        contenders=[
            _contender("two processes", [*launch, *verb], ours=True),
            _contender("one process", verb),
        ],
        targets={"one process": 1.8},
        prepare=lambda: _prepare(scale, folder, file),
    )


def _prepare(scale: Scale, folder: Path, file: Path) -> None:
    once = scale.folder / "predict.jsonl"
    fine_tune(scale, folder, once)
    file.write_text(REPEATED * once.read_text(encoding="utf-8"), encoding="utf-8")


def _contender(name: str, command: Sequence[str], *, ours: bool = False) -> Contender:
    return Contender(
        name=name,
        command=lambda folder, _: [sys.executable, "-m", *command, str(folder / "answers.jsonl")],
        ours=ours,
        environment=lambda _: {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
    )


ROWS: Sequence[Callable[[Scale], Row]] = (processes,)
