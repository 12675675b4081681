"""How the gain grows with rows and epochs, and what a row costs up to a million of them.

python -m benchmarks.growth writes docs/benchmark_growth.json and .png, and benchmark_rows.json and .png beside them.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.measuring import ROOT, Contender, Row, measure
from benchmarks.row_growth import draw_rows, measure_rows
from benchmarks.summary import machine
from benchmarks.training_rows import Scale, frozen, full

HELD = 100  # validation rows, and as many test rows: few, so that training is what grows
JOBS: dict[str, Callable[[Scale], Row]] = {"frozen": frozen, "full": full}
TITLES = {"frozen": "frozen encoder", "full": "full fine-tuning"}


@dataclass(frozen=True)
class Grid:
    """Sizes of a job: growing rows at so many epochs, and growing epochs at so many rows."""

    rows: Sequence[int]
    epochs: Sequence[int]
    rows_fixed: int
    epochs_fixed: int

    def points(self) -> list[tuple[int, int]]:
        """All (rows, epochs), each once, the small ones first."""
        along_rows = {(rows, self.epochs_fixed) for rows in self.rows}
        return sorted(along_rows | {(self.rows_fixed, epochs) for epochs in self.epochs})


GRIDS = {
    "frozen": Grid(rows=(250, 500, 1000), epochs=(1, 2, 5, 10), rows_fixed=500, epochs_fixed=10),
    "full": Grid(rows=(250, 500, 1000), epochs=(1, 2, 3), rows_fixed=250, epochs_fixed=1),
}


def measure_point(job: str, rows: int, epochs: int, rounds: int) -> dict[str, Any]:
    """Least wall and CPU seconds over the rounds, of the first of ours and the first peer."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        row = JOBS[job](Scale(Path(name), rows=rows, epochs=epochs, held=HELD))
        pair = _pair(row.contenders)
        row = replace(row, contenders=pair, targets={})
        samples = measure(row, Path(name), rounds, say=lambda line: print(rows, epochs, line, flush=True))
    found: dict[str, Any] = {"job": job, "rows": rows, "epochs": epochs}
    for side, contender in zip(("ours", "peer"), pair, strict=True):
        found[side] = min(sample.wall for sample in samples[contender.name])
        found[f"{side}_cpu"] = min(sample.cpu for sample in samples[contender.name])
    return found


def _pair(contenders: Sequence[Contender]) -> list[Contender]:
    """The first of ours, and the first peer."""
    return [next(one for one in contenders if one.ours is ours) for ours in (True, False)]


def draw(results: Sequence[dict[str, Any]], target: Path) -> None:
    """Seconds of both sides over the size, the ratio written beside; one panel a job and axis."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    panels = [(job, axis) for job in GRIDS for axis in ("rows", "epochs")]
    figure, axes = plt.subplots(1, len(panels), figsize=(3.4 * len(panels), 3.4), layout="constrained")
    for plot, (job, axis) in zip(axes, panels, strict=True):
        other, fixed = ("epochs", GRIDS[job].epochs_fixed) if axis == "rows" else ("rows", GRIDS[job].rows_fixed)
        chosen = sorted(
            (one for one in results if one["job"] == job and one[other] == fixed), key=lambda one: int(one[axis])
        )
        sizes = [one[axis] for one in chosen]
        for key, label, colour in (("peer_cpu", "HF Trainer", "#888888"), ("ours_cpu", "nlp-transfer", "#1f77b4")):
            plot.plot(sizes, [one[key] for one in chosen], marker="o", color=colour, label=label)
        for one in chosen:
            ratio = f"{one['peer_cpu'] / one['ours_cpu']:.1f}x"
            plot.annotate(
                ratio, (one[axis], one["peer_cpu"]), (0, 5), textcoords="offset points", ha="center", fontsize=8
            )
        counted = f"{fixed:,} {other if fixed > 1 else other.removesuffix('s')}"
        plot.set_title(f"{TITLES[job]}, {counted}", fontsize=10)
        plot.set_xlabel("training rows" if axis == "rows" else "epochs")
        plot.set_xticks(sizes)
        plot.margins(x=0.12)
        plot.set_ylim(0, 1.15 * max(one["peer_cpu"] for one in chosen))
        plot.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("CPU seconds, whole process")
    axes[0].legend(frameon=False, loc="upper left", fontsize=8, bbox_to_anchor=(0, 0.9))
    figure.savefig(target, dpi=150)


def main() -> None:
    """Measure and draw; with --draw only draw again."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=Path, default=ROOT / "docs" / "benchmark_growth.json")
    parser.add_argument("--only", choices=("training", "rows"), help="measure and draw one of both pictures")
    parser.add_argument("--draw", action="store_true", help="draw what was measured before")
    wishes = parser.parse_args()
    if wishes.only != "rows":
        if not wishes.draw:
            _keep(wishes.json, _measure_training(wishes.rounds))
        draw(json.loads(wishes.json.read_text(encoding="utf-8"))["points"], wishes.json.with_suffix(".png"))
    if wishes.only != "training":
        table = wishes.json.with_name("benchmark_rows.json")
        if not wishes.draw:
            _keep(table, measure_rows())
        draw_rows(json.loads(table.read_text(encoding="utf-8"))["points"], table.with_suffix(".png"))


def _measure_training(rounds: int) -> list[dict[str, Any]]:
    return [measure_point(job, *point, rounds) for job, grid in GRIDS.items() for point in grid.points()]


def _keep(file: Path, points: Sequence[dict[str, Any]]) -> None:
    file.write_text(json.dumps({"machine": machine(), "points": points}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
