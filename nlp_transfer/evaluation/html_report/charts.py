"""Draw charts as SVG that stands inside a page and takes its colours from there, so that they follow light and dark."""

import io
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nlp_transfer.evaluation.curves.findings import MethodCurve
from nlp_transfer.evaluation.curves.plot import make_narrow
from nlp_transfer.evaluation.html_report.parts import Picture
from nlp_transfer.evaluation.metrics_file import Confidence
from nlp_transfer.evaluation.plotting import CEILING, SCRATCH, SIMPLE, TRANSFER, is_drawn, make_reliability

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {  # as they are drawn -> as the page calls them
    **{TRANSFER: "--transfer", SCRATCH: "--scratch", SIMPLE: "--simple", CEILING: "--ceiling"},
    **{"#000000": "--ink", "#333333": "--ink", "#444444": "--ink", "#e6e6e6": "--line"},
    **{"#0072b2": "--blue", "#d55e00": "--vermilion", "#009e73": "--green"},
    **{"#cc79a7": "--purple", "#e69f00": "--orange", "#56b4e9": "--sky"},
}
PAPER = "#ffffff"  # the background, which the page has already
NAMED = re.compile(r' id="(?:figure|axes|patch|line2d|text|matplotlib\.axis|xtick|ytick|legend|\w+Collection)_\d+"')


def draw_reliability(confidence: Confidence | None) -> Picture | None:
    """Draw how often answers of each confidence are right; None where they are too few to show it."""
    if confidence is None or not is_drawn(confidence):
        return None
    return Picture(
        _write_svg(make_reliability(confidence), "reliability"),
        "Share of right answers by confidence, with 95 % intervals, over the number of answers.",
    )


def draw_history(history: Sequence[Mapping[str, Any]], metric: str) -> Picture | None:
    """Draw the loss on train and the score on validation over the steps; None where they were looked at only once."""
    judged = [one for one in history if isinstance(one["validation"].get(metric), int | float)]
    if len(judged) < 2:
        return None

    from matplotlib.figure import Figure  # takes a second to import; the object interface needs no display

    losses = [(place, one["loss"]) for place, one in enumerate(judged, 1) if one.get("loss") is not None]
    height = 3.6 if losses else 2.4
    figure = Figure(figsize=(4.2, height))
    figure.subplots_adjust(0.21, 0.5 / height, 0.97, 1 - 0.25 / height)  # a layout would take twice the time
    above, *below = figure.subplots(2 if losses else 1, 1, sharex=True, squeeze=False)[:, 0]

    _draw_line(above, [(place, one["validation"][metric]) for place, one in enumerate(judged, 1)], TRANSFER)
    above.set_ylabel(f"validation {metric.replace('_', ' ')}")
    for axes in below:
        _draw_line(axes, losses, SIMPLE)
        axes.set_ylabel("loss on train")
    _mark_phases(above, [str(one["phase"]) for one in judged])
    (below or [above])[-1].set_xlabel("look at validation")
    return Picture(_write_svg(figure, "history"), f"Validation {metric} at each look, over the loss on train.")


def draw_curves(wide: str, curves: Sequence[MethodCurve], *, score: str) -> Picture:
    """Take in the SVG of learning curves that this package has drawn, and draw them again for a narrow page."""
    narrow = _write_svg(make_narrow(curves, score=score), "narrow curve")
    label = f"Test {score} of each method by the rows of train, as in the table."
    return Picture(_take_colours(wide), label, narrow)


def _draw_line(axes: "Axes", points: Sequence[tuple[int, float]], colour: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.plot(*zip(*points, strict=True), color=colour, marker="o" if len(points) < 40 else "", markersize=4)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)


def _mark_phases(axes: "Axes", phases: Sequence[str]) -> None:
    """Mark where a phase of the strategy begins, if there are several."""
    starts = [place for place in range(1, len(phases)) if phases[place] != phases[place - 1]]
    for place in [0, *starts] if starts else ():
        axes.axvline(place + 0.5, color=SCRATCH, linewidth=0.8, linestyle=":")
        axes.annotate(
            phases[place], (place + 0.5, 1.0), (3, 2), xycoords=("data", "axes fraction"),
            textcoords="offset points",
        )  # fmt: skip


def _write_svg(figure: "Figure", name: str) -> str:
    """Write a figure; the name keeps what it refers to apart from that of other figures on the page."""
    from matplotlib import rc_context

    text = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "text.parse_math": False, "text.usetex": False}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return _take_colours(text.getvalue())


def _take_colours(text: str) -> str:
    """Leave out what a page has no use for, and name colours instead of giving them."""
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = text.replace("<svg ", '<svg aria-hidden="true" ', 1)  # what stands around it has a label
    text = re.sub(r"<style.*?</style>", "", NAMED.sub("", text), flags=re.DOTALL)
    text = re.sub(r" font-family: [^;\"]+;?", "", text)  # that of the page
    return re.sub(r"#[0-9a-fA-F]{6}\b", lambda one: _name_colour(one[0]), text)


def _name_colour(given: str) -> str:
    name = COLOURS.get(given.lower())
    return "none" if given == PAPER else f"var({name})" if name else given
