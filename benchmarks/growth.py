"""How the gain grows with rows and epochs: docs/benchmark_growth.png and the row `growth` of the results.

python -m benchmarks.growth
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measuring import ROOT, Contender, Row, measure
from benchmarks.summary import machine
from benchmarks.training_rows import Scale, frozen, full

EPOCHS_FIXED, ROWS_FIXED = {"frozen": 10, "full": 1}, {"frozen": 1000, "full": 500}


@dataclass(frozen=True)
class Point:
    """One measurement: a job of a size, seconds of both sides."""

    job: str
    axis: str
    rows: int
    epochs: int
    ours: float
    peer: float
    ours_cpu: float
    peer_cpu: float


def points(job: str, axis: str, sizes: Sequence[int], rounds: int) -> list[Point]:
    """Measure a job at growing sizes along `rows` or `epochs`; the least of the rounds counts."""
    build: Callable[[Scale], Row] = {"frozen": frozen, "full": full}[job]
    found = []
    for size in sizes:
        rows, epochs = (size, EPOCHS_FIXED[job]) if axis == "rows" else (ROWS_FIXED[job], size)
        with tempfile.TemporaryDirectory() as name:
            row = build(Scale(Path(name), rows=rows, epochs=epochs))
            pair = _pair(row.contenders)
            row = Row(row.name, row.title, pair, {}, prepare=row.prepare)
            samples = measure(row, Path(name), rounds, say=lambda line: print(line, flush=True))
        walls, cpus = (
            [min(getattr(sample, what) for sample in samples[contender.name]) for contender in pair]
            for what in ("wall", "cpu")
        )
        found.append(Point(job, axis, rows, epochs, walls[0], walls[1], cpus[0], cpus[1]))
    return found


def _pair(contenders: Sequence[Contender]) -> list[Contender]:
    """The first of ours, and the first peer."""
    return [next(one for one in contenders if one.ours is ours) for ours in (True, False)]


def draw(results: Sequence[dict[str, Any]], target: Path) -> None:
    """Seconds of both sides over the size, the ratio written beside; one panel a job and axis."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    panels = [(job, axis) for job in ("frozen", "full") for axis in ("rows", "epochs")]
    panels = [panel for panel in panels if any((one["job"], one["axis"]) == panel for one in results)]
    figure, axes = plt.subplots(1, len(panels), figsize=(3.6 * len(panels), 3.4), squeeze=False, layout="constrained")
    for plot, (job, axis) in zip(axes[0], panels, strict=True):
        chosen = sorted((one for one in results if (one["job"], one["axis"]) == (job, axis)), key=lambda one: one[axis])
        sizes = [one[axis] for one in chosen]
        for key, label, colour in (("peer_cpu", "HF Trainer", "#888888"), ("ours_cpu", "nlp-transfer", "#1f77b4")):
            plot.plot(sizes, [one[key] for one in chosen], marker="o", color=colour, label=label)
        for one in chosen:
            ratio = f"{one['peer_cpu'] / one['ours_cpu']:.1f}x"
            plot.annotate(
                ratio, (one[axis], one["peer_cpu"]), (0, 5), textcoords="offset points", ha="center", fontsize=8
            )
        fixed = f"{chosen[0]['epochs']} epochs" if axis == "rows" else f"{chosen[0]['rows']:,} rows"
        plot.set_title(f"{'frozen encoder' if job == 'frozen' else 'full fine-tuning'}, {fixed}", fontsize=10)
        plot.set_xlabel("training rows" if axis == "rows" else "epochs")
        plot.set_xticks(sizes)
        plot.set_ylim(0, 1.15 * max(one["peer_cpu"] for one in chosen))
        plot.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("CPU seconds, whole process")
    axes[0][0].legend(frameon=False, loc="upper left", fontsize=8, bbox_to_anchor=(0, 0.9))
    figure.savefig(target, dpi=150)


def main() -> None:
    """Measure and draw; with --draw only draw again."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--frozen-rows", type=int, nargs="*", default=[250, 500, 1000, 2000])
    parser.add_argument("--frozen-epochs", type=int, nargs="*", default=[1, 3, 5, 10])
    parser.add_argument("--full-rows", type=int, nargs="*", default=[250, 500, 1000, 2000])
    parser.add_argument("--full-epochs", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--json", type=Path, default=ROOT / "docs" / "benchmark_growth.json")
    parser.add_argument("--draw", action="store_true", help="draw what was measured before")
    wishes = parser.parse_args()
    if not wishes.draw:
        found = [
            vars(point)
            for job in ("frozen", "full")
            for axis in ("rows", "epochs")
            for point in points(job, axis, getattr(wishes, f"{job}_{axis}"), wishes.rounds)
        ]
        wishes.json.write_text(json.dumps({"machine": machine(), "points": found}, indent=1) + "\n", encoding="utf-8")
    draw(json.loads(wishes.json.read_text(encoding="utf-8"))["points"], wishes.json.with_suffix(".png"))


if __name__ == "__main__":
    main()
