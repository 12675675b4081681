"""Draw learning curves: a line for each method over a logarithmic axis, labelled where it ends, or below on a phone."""

import io
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlp_transfer.evaluation.curves.findings import MethodCurve
from nlp_transfer.evaluation.plotting import shorten
from nlp_transfer.system.disk import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)
# Okabe & Ito 2008, Color universal design: told apart by all kinds of colour vision. Markers say the same again.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "osD^vP"
CONTROLS, SIMPLE = "#444444", "#8a8a8a"
ENDINGS = ("png", "svg", "pdf")
STYLE: Any = {
    **{"text.parse_math": False, "text.usetex": False},  # show `$` and `\` in a name as they are
    **{"pdf.fonttype": 42, "svg.hashsalt": "nlp-transfer"},  # letters that publishers take; the same file each time
}
GAP = 12.0  # points between two labels
NARROW = 4.2  # inches: where a phone shows that on 350 pixels, letters of 10 points are more than 11 pixels high
LONGEST_NARROW = 40  # characters of a label there
MOST_TICKS = 5  # there


def plot_curves(curves: Sequence[MethodCurve], folder: Path, *, score: str) -> bool:
    """Write the figure as curve.png, curve.svg and curve.pdf; if that fails, only warn: it shows nothing new.

    Returns:
        Whether it was written.
    """
    try:
        _draw(curves, folder, score)
    except Exception as error:  # noqa: BLE001 - fonts, layout, disk: no picture is worth losing what was measured
        log.warning("%s could not be drawn: %s: %s", folder / "curve.png", type(error).__name__, error)
        return False
    return True


def make_narrow(curves: Sequence[MethodCurve], *, score: str) -> "Figure":
    """Make the figure for the page of a phone, where the names have room below only."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(NARROW, 3.2 + 0.22 * len(curves)), layout="constrained")
        axes = figure.add_subplot()
        for one in curves:
            _draw_curve(axes, one, curves)
        _set_axes(axes, curves[0], score, most=MOST_TICKS)
        names = [shorten(one.label, LONGEST_NARROW) for one in curves]
        figure.legend(axes.lines, names, loc="outside lower left", frameon=False)
    return figure


def _draw(curves: Sequence[MethodCurve], folder: Path, score: str) -> None:
    from matplotlib import rc_context  # takes a second to import
    from matplotlib.figure import Figure  # the object interface needs no display

    with rc_context(STYLE):
        figure = Figure(figsize=(7.2, 4.2), layout="constrained")
        axes = figure.add_subplot()
        colours = [_draw_curve(axes, one, curves) for one in curves]
        _set_axes(axes, curves[0], score)

        figure.draw_without_rendering()  # so that the limits of the axis are known
        ends = [
            (one.label, colour, one.points[-1].mean.difference) for one, colour in zip(curves, colours, strict=True)
        ]
        _label_ends(axes, ends)

        for ending in ENDINGS:
            picture = io.BytesIO()
            dated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(ending)
            figure.savefig(picture, format=ending, dpi=200, bbox_inches="tight", metadata=dated)
            write_whole(folder / f"curve.{ending}", picture.getvalue())


def _set_axes(axes: "Axes", curve: MethodCurve, score: str, *, most: int | None = None) -> None:
    """Set the axes by any of the curves, which share their sizes and seeds; `most` sizes are written."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    sizes, seeds = curve.sizes, len(curve.points[0].scores)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sizes, most))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: f"{round(size):,}"))
    axes.set_xlim(sizes[0] / 1.1, sizes[-1] * 1.1)

    axes.set_xlabel("labelled rows of train (logarithmic)")
    axes.set_ylabel(f"test {score.replace('_', ' ')}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.6)
    if seeds > 1:
        axes.set_title(f"bands: standard deviation over {seeds} seeds", fontsize=10, loc="left")


def _draw_curve(axes: "Axes", one: MethodCurve, curves: Sequence[MethodCurve]) -> str:
    """Draw the line of a method and its band; return its colour."""
    place = [other.name for other in curves if other.role == one.role].index(one.name)
    colour = {"scratch": CONTROLS, "simple": SIMPLE}.get(one.role, COLOURS[place % len(COLOURS)])
    line = {"scratch": "--", "simple": ":"}.get(one.role, "-")
    marker = MARKERS[place % len(MARKERS)]

    means = np.array([point.mean.difference for point in one.points])
    spread = np.array([point.deviation or 0.0 for point in one.points])
    lowest = 0.0 if min(min(point.scores) for point in one.points) >= 0 else -np.inf  # a deviation may reach below
    hollow = "none" if one.role == "scratch" else colour
    axes.plot(
        one.sizes, means, line, color=colour, marker=marker, markersize=4.5, markerfacecolor=hollow, linewidth=1.6
    )
    strength = 0.15 if one.role == "run" else 0.08
    low = np.maximum(means - spread, lowest)
    axes.fill_between(one.sizes, low, means + spread, color=colour, alpha=strength, linewidth=0)
    return colour


def _label_ends(axes: "Axes", ends: Sequence[tuple[str, str, float]]) -> None:
    """Write each name beside the end of its line, moved up where two would overlap."""
    bottom, top = axes.get_ylim()
    height = axes.get_window_extent().height * 72 / axes.figure.dpi
    unit = (top - bottom) / height  # of the axis in a point

    placed: list[float] = []
    for label, colour, end in sorted(ends, key=lambda one: one[2]):
        at = max(end, placed[-1] + GAP * unit) if placed else end
        placed.append(at)
        axes.annotate(
            shorten(label),
            (1.0, end),
            ((14.0), (at - end) / unit),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=colour,
            annotation_clip=False,
            # The line meets its label at the left, or it would cross the one below.
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.6,
                "shrinkA": 0,
                "shrinkB": 0,
                "relpos": (0, 0.5),
            },
        )
