"""The picture of runs side by side: the test score of each as a bar."""

import io
import logging
from collections.abc import Sequence
from pathlib import Path

from nlp_transfer.config.tasks import TaskDeclaration
from nlp_transfer.evaluation.verdicts import SPREAD, Row, label_in, labels_of
from nlp_transfer.system.disk import write_whole

log = logging.getLogger(__name__)
TRANSFER, SCRATCH, SIMPLE, CEILING = "#2a6f97", "#8a8a8a", "#c1666b", "#5b8e55"
COLOURS = {
    TRANSFER: "blue: transferred",
    SCRATCH: "grey: from scratch",
    SIMPLE: "red: simple methods",
    CEILING: "green: knows the answers",
}
LINE, DEVIATION = "#333333", "line: standard deviation over seeds"
LONGEST = 60  # characters of a label


def plot(rows: Sequence[Row], baselines: Sequence[Row], path: Path, *, task: type[TaskDeclaration]) -> bool:
    """Write the picture as PNG; one that cannot be drawn or written is a warning, for it shows nothing new.

    Returns:
        Whether it is there.
    """
    try:
        _draw(rows, baselines, path, task)
    except Exception as error:  # noqa: BLE001 - fonts, layout, disk: what was measured is worth more than its picture
        log.warning("%s could not be drawn: %s: %s", path, type(error).__name__, error)
        path.unlink(missing_ok=True)
    return path.exists()


def _draw(rows: Sequence[Row], baselines: Sequence[Row], path: Path, task: type[TaskDeclaration]) -> None:
    """Draw a bar for every method, best first, with the spread over seeds and the share of parameters trained."""
    from matplotlib import rc_context  # a second to import
    from matplotlib.figure import Figure  # the object interface needs no display

    metric, labels = task.selection, labels_of(rows)
    ordered = sorted([*rows, *baselines], key=lambda row: float(row.test[metric]))
    scores = [float(row.test[metric]) for row in ordered]
    spread = [row.test.get(SPREAD, {}).get(metric, 0.0) for row in ordered]
    colours = [_colour(row, task) for row in ordered]
    ends = [max(0.0, score + deviation) for score, deviation in zip(scores, spread, strict=True)]
    least, most = min(0.0, *scores), max(ends)  # a correlation may be negative
    said = [meaning for colour, meaning in COLOURS.items() if colour in colours]

    with rc_context({"text.parse_math": False, "text.usetex": False}):  # `$` and `\` in a name are letters
        figure = Figure(figsize=(9, 1.2 + 0.35 * len(ordered)), layout="constrained")
        axes = figure.add_subplot()
        error = spread if any(spread) else None
        axes.barh(range(len(ordered)), scores, color=colours, height=0.7, xerr=error, ecolor=LINE)
        axes.set_yticks(range(len(ordered)), [_shortened(label_in(labels, row)) for row in ordered])
        for place, (row, end) in enumerate(zip(ordered, ends, strict=True)):
            note = f"{row.shown('test', metric, points=task.points)}{_share(row)}"
            axes.annotate(note, (end, place), (4, 0), textcoords="offset points", va="center", fontsize=9)
        axes.margins(y=0.02)
        axes.set_xlim(least, most + (0.35 * (most - least) or 1.0))
        axes.set_xticks([tick for tick in axes.get_xticks() if least <= tick <= most])
        axes.set_xlabel(f"test {metric.replace('_', ' ')}")
        axes.set_title(", ".join([*said, *([DEVIATION] if any(spread) else [])]), fontsize=9, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
        picture = io.BytesIO()
        figure.savefig(picture, dpi=150, format="png", bbox_inches="tight")  # notes may reach beyond the figure
    write_whole(path, picture.getvalue())


def _shortened(label: str) -> str:
    """A label without its middle where it would leave no room for the bars."""
    half = (LONGEST - 3) // 2
    return label if len(label) <= LONGEST else f"{label[:half]}...{label[-half:]}"


def _colour(row: Row, task: type[TaskDeclaration]) -> str:
    if row.name in task.ceilings:
        return CEILING
    if row.scratch:
        return SCRATCH
    return TRANSFER if row.source else SIMPLE


def _share(row: Row) -> str:
    """Trained share of the parameters, two digits where it is small; nothing where there are none."""
    if not row.total:
        return ""
    share = row.trainable / row.total
    return f"  ({share:.0%} of parameters)" if share >= 0.1 else f"  ({100 * share:.2g}% of parameters)"
