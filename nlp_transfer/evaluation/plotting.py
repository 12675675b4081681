"""Draw runs side by side: a bar for the test score of each."""

import io
import logging
from collections.abc import Sequence
from pathlib import Path

from nlp_transfer.config.tasks import TaskDeclaration
from nlp_transfer.evaluation.verdicts import SPREAD, Comparand, find_label, list_labels
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
LONGEST_LABEL = 60  # characters of a label


def plot(rows: Sequence[Comparand], baselines: Sequence[Comparand], path: Path, *, task: type[TaskDeclaration]) -> bool:
    """Write the picture as PNG; if that fails, only warn, because the picture shows nothing new.

    Returns:
        Whether it was written.
    """
    try:
        _draw(rows, baselines, path, task)
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

        picture = io.BytesIO()
        figure.savefig(picture, dpi=150, format="png", bbox_inches="tight")  # notes may reach beyond the figure
    write_whole(path, picture.getvalue())


def shorten(label: str) -> str:
    """Shorten a label in its middle, to leave room for the bars."""
    half = (LONGEST_LABEL - 3) // 2
    return label if len(label) <= LONGEST_LABEL else f"{label[:half]}...{label[-half:]}"


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
