"""Does a run hold on other labelled data, and what do 50 labels say of it? Each set is asked by the verb `shift`.

python -m benchmarks.shift runs/imdb --output runs/imdb-elsewhere --figure docs/results-shift.png \
    --data imdb=bundled:imdb rotten-tomatoes=bundled:rotten-tomatoes tweets=tweets.csv

Sets have columns text and label; a set without labels is only looked at. One that is done is not repeated.
"""

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import nlp_transfer
from nlp_transfer.errors import DataError
from nlp_transfer.evaluation.intervals import measure_mean
from nlp_transfer.system.layout import SHIFT

ROWS = 1000  # labelled rows that count as the truth
FEW = 50  # labels that a user might give
OWN, THERE, ASKED = "#8a8a8a", "#2a6f97", "#c1666b"


class Asked(NamedTuple):
    """What `FEW` labels of rows would say, over all ways to draw them: how often the interval holds the truth."""

    covered: float
    low: float  # of the middle interval
    high: float


def ask(right: int, count: int) -> Asked:
    from scipy.stats import hypergeom

    drawn = hypergeom(count, right, FEW)
    intervals = [measure_mean([1.0] * k + [0.0] * (FEW - k)) for k in range(FEW + 1)]
    covered = sum(drawn.pmf(k) for k, one in enumerate(intervals) if one.low <= right / count <= one.high)
    middle = intervals[int(drawn.median())]
    return Asked(float(covered), middle.low, middle.high)


def measure(predictor: Any, folder: Path, place: str) -> dict[str, Any]:
    """The figures of one set; labels that it has stand in the table to fill in, which is read back as it is."""
    if not (folder / SHIFT).exists():
        found = nlp_transfer.shift(predictor, place, sample=ROWS, output=folder)
        try:
            nlp_transfer.shift(predictor, place, labelled=found.to_label, on_unknown_label="drop", output=folder)
        except DataError:
            print(f"{place}: has no labels that the run knows")
    return dict(json.loads((folder / SHIFT).read_text(encoding="utf-8")))


def write_table(found: dict[str, dict[str, Any]]) -> str:
    titles = ["texts", "", "told apart", "words", "words that train lacks", "cut", "confident", "accuracy there"]
    titles += ["fall in points", f"{FEW} labels say", "and hold the truth"]
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    own = next(iter(found.values()))["own_test"]
    for name, one in {"the run's own test": {"there": own}, **found}.items():
        there, labelled = one["there"], one.get("labelled")
        cells = [name, one.get("distance") or "-", f"{one['told_apart']:.3f}" if "told_apart" in one else "-"]
        cells += [f"{there['texts']['words']:.0f}", f"{there['texts']['new_words']:.1%}", f"{there['cut']:.0%}"]
        cells.append(f"{there['confident']:.0%}")
        if labelled is None:
            cells += ["-"] * 4
        else:
            score, fall = labelled["there"], labelled["fall"]
            asked = ask(round(score["difference"] * labelled["rows"]), labelled["rows"])
            cells.append(f"{score['difference']:.3f} ({score['low']:.3f} to {score['high']:.3f})")
            cells.append(" to ".join(f"{100 * fall[key]:.1f}" for key in ("low", "high")))
            cells += [f"{asked.low:.2f} to {asked.high:.2f}", f"{asked.covered:.0%}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(found: dict[str, dict[str, Any]], path: Path) -> None:
    """For each set the accuracy there beside that of the run's own test, and what a few labels would say."""
    from matplotlib.figure import Figure

    sets = {name: one["labelled"] for name, one in found.items() if one["labelled"]}
    figure = Figure(figsize=(8, 1.3 + 0.6 * len(sets)), layout="constrained")
    axes = figure.add_subplot()
    own = next(iter(sets.values()))["own"]
    axes.axvspan(own["low"], own["high"], color=OWN, alpha=0.25, linewidth=0)
    axes.axvline(own["difference"], color=OWN)
    axes.annotate("the run's own test ", (own["low"], -0.7), color=OWN, fontsize=9, va="center", ha="right")
    lowest = min(sets.values(), key=lambda labelled: float(labelled["there"]["high"]))

    for place, labelled in enumerate(sets.values()):
        score = labelled["there"]
        asked = ask(round(score["difference"] * labelled["rows"]), labelled["rows"])
        axes.plot([asked.low, asked.high], [place + 0.18] * 2, color=ASKED, linewidth=2)
        axes.plot([score["low"], score["high"]], [place - 0.05] * 2, color=THERE, linewidth=2)
        axes.plot([score["difference"]], [place - 0.05], "o", color=THERE)
        if labelled is lowest:  # where nothing else stands beside it
            axes.annotate(f" {labelled['rows']:,} labels", (score["high"], place - 0.05), color=THERE, va="center")
            axes.annotate(f" {FEW} labels", (asked.high, place + 0.18), color=ASKED, va="center")

    axes.set_yticks(np.arange(len(sets)), [f"{name} ({found[name]['distance']})" for name in sets])
    axes.set_ylim(len(sets) - 0.5, -1)
    axes.set_xlabel("accuracy, with its 95 % interval")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--data", nargs="+", required=True, metavar="NAME=PLACE")
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()

    predictor = nlp_transfer.load(arguments.run)
    found = {}
    for one in arguments.data:
        name, _, place = one.partition("=")
        found[name] = measure(predictor, arguments.output / name.replace(" ", "-"), place)
    print(write_table(found))
    if arguments.figure:
        draw(found, arguments.figure)


if __name__ == "__main__":
    main()
