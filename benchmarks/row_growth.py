"""How time and memory grow with the rows of a table, up to a million; drawn by `python -m benchmarks.growth`."""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring import run_process
from benchmarks.table_job import prepare

SIZES = (10_000, 100_000, 1_000_000)
STEPS = {"read": "read, name labels, cut", "encode": "encode (GloVe)", "features": "pool vectors"}
COLOURS = ("#1f77b4", "#e08214", "#5aae61")


def measure_rows(sizes: Sequence[int] = SIZES) -> list[dict[str, Any]]:
    """CPU seconds and peak memory of each step, in a fresh process for each size."""
    points = []
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        table, found = Path(name) / "rows.csv", Path(name) / "found.json"
        for rows in sizes:
            prepare(table, rows)
            run_process([sys.executable, "-m", "benchmarks.row_job", str(table), str(found)], Path(name) / "log.txt")
            points.append({"rows": rows, "table_bytes": table.stat().st_size, **json.loads(found.read_text())})
            print(points[-1], flush=True)
    return points


def draw_rows(points: Sequence[dict[str, Any]], target: Path) -> None:
    """Microseconds a row of each step, and the growth of the peak memory over the rows."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    sizes = [point["rows"] for point in points]
    figure, (times, memory) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
    for (step, label), colour in zip(STEPS.items(), COLOURS, strict=True):
        each = [1e6 * point[step] / point["rows"] for point in points]
        times.plot(sizes, each, marker="o", color=colour, label=label)
        peaks = [max(1.0, point[f"{step}_peak"] - point["start_peak"]) for point in points]
        memory.plot(sizes, peaks, marker="o", color=colour, label=f"after: {label}")

    times.set_ylabel("CPU microseconds a row")
    times.set_ylim(0)
    memory.set_ylabel("MB above the start, at the peak")
    memory.set_yscale("log")
    for plot in (times, memory):
        plot.set_xscale("log")
        plot.set_xlabel("rows of the table")
        plot.set_xticks(sizes, [f"{size:,}" for size in sizes])
        plot.spines[["top", "right"]].set_visible(False)
        plot.legend(frameon=False, fontsize=8)
    figure.savefig(target, dpi=150)
