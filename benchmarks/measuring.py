"""Run contenders in fresh processes, interleaved A B B A, and relate what they cost.

Noise of a shared machine hits neighbours in time alike, so ratios are taken inside a round, never across rounds.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Contender:
    """One way to do a row's job.

    Attributes:
        name: shown in the table.
        command: (empty folder, round) -> arguments of a fresh process.
        read: (the folder afterwards) -> facts such as `accuracy`, or seconds of a part of the work.
        ours: this project's way; the others are its peers.
        environment: (the folder) -> variables to set.
    """

    name: str
    command: Callable[[Path, int], Sequence[str]]
    read: Callable[[Path], dict[str, Any]] = lambda _: {}
    ours: bool = False
    environment: Callable[[Path], Mapping[str, str]] = lambda _: {}


@dataclass(frozen=True)
class Row:
    """A line of the table: contenders at the same job, and what is promised.

    Attributes:
        name: for `--only`.
        title: shown in the table.
        contenders: those of this project first; the very first is the one the targets speak of.
        targets: peer -> the least ratio promised.
        quantity: `wall`, `cpu`, or a fact in seconds that both sides report.
        says: what `quantity` counts, in words.
        quick: more rounds by default.
        examples: test examples behind an accuracy; 0 where there is none.
        loss: how much accuracy what is promised may cost, as int8 may; what chance explains is allowed in any case.
        prepare: makes what all rounds share.
    """

    name: str
    title: str
    contenders: Sequence[Contender]
    targets: Mapping[str, float]
    quantity: str = "wall"
    says: str = "the whole process"
    quick: bool = True
    examples: int = 0
    loss: float = 0.0
    prepare: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Sample:
    """What one process cost: seconds, and megabytes at its peak."""

    wall: float
    cpu: float
    memory: float
    facts: dict[str, Any] = field(default_factory=dict)

    def value(self, quantity: str) -> float:
        """Seconds of the part of the work that a row is about."""
        return float(self.facts[quantity] if quantity in self.facts else getattr(self, quantity))


def run_process(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Sample:
    """Run to the end and account for the process and the children it waited for.

    A child starts as a copy of this process, whose memory is thus the least that can be seen: keep imports here light.

    Raises:
        RuntimeError: it failed; with the end of what it wrote.
    """
    settings = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true", **os.environ, **(environment or {})}
    with log.open("wb") as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=settings, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{said}")
    to_megabytes = 1 / 1024 if sys.platform == "linux" else 1 / 1024**2
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * to_megabytes)


def measure(row: Row, folder: Path, rounds: int, *, say: Callable[[str], None]) -> dict[str, list[Sample]]:
    """Run every contender once a round, every other round backwards.

    Returns:
        Contender -> its samples, one a round.
    """
    row.prepare()
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in row.contenders}
    for turn in range(rounds):
        order = list(row.contenders)[:: -1 if turn % 2 else 1]
        for contender in order:
            own = folder / row.name / f"{turn}-{contender.name.replace(' ', '-').replace('/', '-')}"
            own.mkdir(parents=True)
            command = contender.command(own, turn)
            sample = run_process(command, own / "log.txt", contender.environment(own))
            sample.facts.update(contender.read(own))
            samples[contender.name].append(sample)
            shown = ", ".join(f"{key} {value:.4g}" for key, value in sample.facts.items())
            say(f"{row.name} {turn + 1}/{rounds} {contender.name}: {sample.wall:.2f} s, cpu {sample.cpu:.2f} s"
                f", {sample.memory:.0f} MB{', ' if shown else ''}{shown}")  # fmt: skip
    return samples


def summarise(row: Row, samples: Mapping[str, Sequence[Sample]]) -> dict[str, Any]:
    """Medians per contender, and for each way of ours the ratio to each peer, as plain values."""
    ours = [contender.name for contender in row.contenders if contender.ours]
    peers = [contender.name for contender in row.contenders if not contender.ours]
    return {
        "title": row.title,
        "says": row.says,
        "quantity": row.quantity,
        "rounds": len(samples[ours[0]]),
        "contenders": {name: _medians(row, found) for name, found in samples.items()},
        "ratios": [
            _relate(row, own, peer, samples[own], samples[peer], row.targets.get(peer) if own == ours[0] else None)
            for own in ours
            for peer in peers
        ],
        "samples": {name: [asdict(sample) for sample in found] for name, found in samples.items()},
    }


def _medians(row: Row, found: Sequence[Sample]) -> dict[str, float | None]:
    accuracies = [sample.facts["accuracy"] for sample in found if "accuracy" in sample.facts]
    return {
        "seconds": statistics.median(sample.value(row.quantity) for sample in found),
        "wall": statistics.median(sample.wall for sample in found),
        "cpu": statistics.median(sample.cpu for sample in found),
        "memory": statistics.median(sample.memory for sample in found),
        "accuracy": statistics.mean(accuracies) if accuracies else None,
    }


def _relate(
    row: Row, own: str, peer: str, mine: Sequence[Sample], theirs: Sequence[Sample], target: float | None
) -> dict[str, Any]:
    ratios = [b.value(row.quantity) / a.value(row.quantity) for a, b in zip(mine, theirs, strict=True)]
    return {
        "ours": own,
        "peer": peer,
        "target": target,
        "median": statistics.median(ratios),
        "least": min(ratios),
        "most": max(ratios),
        "cpu": statistics.median(b.cpu / a.cpu for a, b in zip(mine, theirs, strict=True)),
        "memory": statistics.median(b.memory / a.memory for a, b in zip(mine, theirs, strict=True)),
        "accuracy": accuracy_holds(mine, theirs, row.examples, loss=row.loss),
    }


def accuracy_holds(
    mine: Sequence[Sample], theirs: Sequence[Sample], examples: int, *, loss: float = 0.0
) -> bool | None:
    """Whether our mean accuracy is lower than the peer's by no more than one standard error, or than `loss`, if that
    is more; None without any.
    """
    if not examples or "accuracy" not in mine[0].facts or "accuracy" not in theirs[0].facts:
        return None
    own = statistics.mean(sample.facts["accuracy"] for sample in mine)
    other = statistics.mean(sample.facts["accuracy"] for sample in theirs)
    return bool(own >= other - max(loss, (other * (1 - other) / examples) ** 0.5))


def read_json(path: Path) -> dict[str, Any]:
    """The mapping in a file."""
    value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return value
