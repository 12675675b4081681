"""Draw runs side by side: a bar for the test score of each."""

import io
import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nlp_transfer.config.tasks import TaskDeclaration
from nlp_transfer.evaluation.metrics_file import BINS, Confidence
from nlp_transfer.evaluation.verdicts import SPREAD, Comparand, find_label, list_labels
from nlp_transfer.system.disk import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)
TRANSFER, SCRATCH, SIMPLE, CEILING = "#2a6f97", "#8a8a8a", "#c1666b", "#5b8e55"
COLOURS = {
    TRANSFER: "blue: transferred",
    SCRATCH: "grey: from scratch",
    SIMPLE: "red: simple methods",
    CEILING: "green: knows the answers",
}
LINE, DEVIATION = "#333333", "line: standard deviation over seeds"
FEWEST_DRAWN = 100  # answers on test
LONGEST_LABEL = 60  # characters of a label


def draw_reliability(confidence: Confidence | None, path: Path) -> bool:
    """Draw how often answers of each confidence are right, as PNG; warn if that fails, as `plot` does.

    Niculescu-Mizil & Caruana 2005, Predicting good probabilities with supervised learning.

    Returns:
        Whether it was written; of fewer than 100 answers it would show chance, and is not.
    """
    if confidence is None or not is_drawn(confidence):
        return False
    return _try_to_draw(path, lambda: _write_picture(make_reliability(confidence), path))


def is_drawn(confidence: Confidence) -> bool:
    """Tell whether there are answers enough to draw."""
    return sum(one.rows for one in confidence.bins) >= FEWEST_DRAWN


def make_reliability(confidence: Confidence) -> "Figure":
    """Make a figure with a point for each bin, its 95 % interval, and below the number of answers in it."""
    from matplotlib.figure import Figure  # takes a second to import; the object interface needs no display

    bins = confidence.bins
    said, right = [one.confidence for one in bins], [one.right for one in bins]
    reach = [_find_interval(one.right, one.rows) for one in bins]
    reaches = [[one - low for one, (low, _) in zip(right, reach, strict=True)]]
    reaches += [[high - one for one, (_, high) in zip(right, reach, strict=True)]]

    figure = Figure(figsize=(4.2, 5.2), layout="constrained")  # letters can be read at the width of a phone, too
    axes, counts = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    start = min(one.least for one in bins)
    axes.plot([start, 1], [start, 1], color=SCRATCH, linewidth=1, linestyle="--")
    axes.errorbar(said, right, yerr=reaches, color=TRANSFER, ecolor=TRANSFER, elinewidth=1, marker="o", markersize=5)
    axes.set_ylabel("share of right answers on test")
    axes.set_ylim(max(0.0, min(start, *(low for low, _ in reach)) - 0.02), 1.02)
    without = "" if confidence.temperature == 1.0 else f"\nwithout a temperature {confidence.error_before:.3f}"
    error = f"expected calibration error {confidence.error:.3f}{without}"
    axes.set_title(f"{error}\ndashed: as right as said; lines: 95 % intervals", fontsize=10, loc="left")

    width = 1 / BINS
    counts.bar([one.least + width / 2 for one in bins], [one.rows for one in bins], width * 0.9, color=TRANSFER)
    counts.set_ylabel("answers")
    counts.set_xlabel("confidence")
    counts.set_xlim(start - 0.01, 1.01)
    for one in (axes, counts):
        one.spines[["top", "right"]].set_visible(False)
    return figure


def _find_interval(share: float, rows: int) -> tuple[float, float]:
    """Find the 95 % interval of a share (Wilson 1927)."""
    z = 1.96
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    reach = z / (1 + z * z / rows) * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return min(share, middle - reach), max(share, middle + reach)


def plot(rows: Sequence[Comparand], baselines: Sequence[Comparand], path: Path, *, task: type[TaskDeclaration]) -> bool:
    """Write the picture as PNG; if that fails, only warn, because the picture shows nothing new.

    Returns:
        Whether it was written.
    """
    return _try_to_draw(path, lambda: _draw(rows, baselines, path, task))


def _try_to_draw(path: Path, draw: Callable[[], None]) -> bool:
    try:
        draw()
    except Exception as error:  # noqa: BLE001 - fonts, layout, disk: no picture is worth losing what was measured
        log.warning("%s could not be drawn: %s: %s", path, type(error).__name__, error)
        path.unlink(missing_ok=True)
    return path.exists()


def _draw(rows: Sequence[Comparand], baselines: Sequence[Comparand], path: Path, task: type[TaskDeclaration]) -> None:
    """Draw a bar for every method, the best on top, with the spread over seeds and the share of trained parameters."""
    from matplotlib import rc_context  # takes a second to import
    from matplotlib.figure import Figure  # the object interface needs no display

    metric, labels = task.selection, list_labels(rows)
    ordered = sorted([*rows, *baselines], key=lambda row: float(row.test[metric]))
    scores = [float(row.test[metric]) for row in ordered]
    spread = [row.test.get(SPREAD, {}).get(metric, 0.0) for row in ordered]
    colours = [_choose_colour(row, task) for row in ordered]
    ends = [max(0.0, score + deviation) for score, deviation in zip(scores, spread, strict=True)]
    least, most = min(0.0, *scores), max(ends)  # a correlation can be negative
    said = [meaning for colour, meaning in COLOURS.items() if colour in colours]

    with rc_context({"text.parse_math": False, "text.usetex": False}):  # show `$` and `\` in a name as they are
        figure = Figure(figsize=(9, 1.2 + 0.35 * len(ordered)), layout="constrained")
        axes = figure.add_subplot()
        error = spread if any(spread) else None
        axes.barh(range(len(ordered)), scores, color=colours, height=0.7, xerr=error, ecolor=LINE)
        axes.set_yticks(range(len(ordered)), [shorten(find_label(labels, row)) for row in ordered])

        for place, (row, end) in enumerate(zip(ordered, ends, strict=True)):
            note = f"{row.format_score('test', metric, points=task.points)}{_format_share(row)}"
            axes.annotate(note, (end, place), (4, 0), textcoords="offset points", va="center", fontsize=9)

        axes.margins(y=0.02)
        axes.set_xlim(least, most + (0.35 * (most - least) or 1.0))
        axes.set_xticks([tick for tick in axes.get_xticks() if least <= tick <= most])
        axes.set_xlabel(f"test {metric.replace('_', ' ')}")
        axes.set_title(", ".join([*said, *([DEVIATION] if any(spread) else [])]), fontsize=9, loc="left")
        axes.spines[["top", "right"]].set_visible(False)

        _write_picture(figure, path)


def _write_picture(figure: "Figure", path: Path) -> None:
    picture = io.BytesIO()
    figure.savefig(picture, dpi=150, format="png", bbox_inches="tight")  # notes may reach beyond the figure
    write_whole(path, picture.getvalue())


def shorten(label: str, most: int = LONGEST_LABEL) -> str:
    """Shorten a label in its middle, to leave room for what is drawn."""
    half = (most - 3) // 2
    return label if len(label) <= most else f"{label[:half]}...{label[-half:]}"


def _choose_colour(row: Comparand, task: type[TaskDeclaration]) -> str:
    if row.name in task.ceilings:
        return CEILING
    if row.scratch:
        return SCRATCH
    return TRANSFER if row.source else SIMPLE


def _format_share(row: Comparand) -> str:
    """Format the share of trained parameters, with two digits if it is small; empty if there are no parameters."""
    if not row.total:
        return ""
    share = row.trainable / row.total
    return f"  ({share:.0%} of parameters)" if share >= 0.1 else f"  ({100 * share:.2g}% of parameters)"
