"""Put learning curves into words: a table, and sentences that claim no more than was measured."""

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nlp_transfer.evaluation.convergence import describe_convergence
from nlp_transfer.evaluation.curves.findings import MethodCurve
from nlp_transfer.evaluation.curves.learning_curves import Point, Worth
from nlp_transfer.evaluation.metrics import Interval
from nlp_transfer.evaluation.verdicts import FEWEST_TESTED

if TYPE_CHECKING:
    from rich.table import Table


def list_curves(methods: Sequence[MethodCurve], simple: Sequence[MethodCurve]) -> list[MethodCurve]:
    """List the runs, then each of their controls once, then the simple methods."""
    controls = {one.scratch.name: one.scratch for one in methods if one.scratch}
    return [*methods, *controls.values(), *simple]


def write_sentences(
    methods: Sequence[MethodCurve], *, simple: str, points: float, tested: int, validated: int
) -> list[str]:
    """Say what pretraining is worth, what more labels would bring, and where each method leads or hurts.

    Args:
        methods: the runs.
        simple: the name of the simple method that does best; empty if there is none.
        points: the factor from score to points.
        tested: the number of rows of test.
        validated: the number of rows of validation.
    """
    if tested < FEWEST_TESTED:
        return [f"Nothing is said about curves on {tested} test rows: these are too few."]

    said = []
    for one in methods:
        said += _describe_worth(one, points)
        if simple:
            said.append(_describe_lead(one, simple, points))
        said += _describe_outlook(one, points)
    said.append(
        f"At every size the state was chosen on all {validated:,} rows of validation, which have labels too; "
        "data.validation_share makes them fewer."
    )
    if len(methods[0].points[0].scores) == 1:
        said.append("With one seed the intervals are over test rows alone: draw the curve with more, by --seeds.")
    return said


def describe_timing(methods: Sequence[MethodCurve]) -> list[str]:
    """Say how soon each run gets to where its control ends, and how long trainings take, both with the most rows."""
    curves = list_curves(methods, [])
    took = ", ".join(f"{one.label} {statistics.fmean(one.points[-1].seconds):.1f} s" for one in curves)
    said = [
        f"With {one.sizes[-1]:,} rows {describe_convergence(found, one.label, one.scratch.label)}"
        for one in methods
        if one.scratch and (found := one.convergence[-1])
    ]
    return [*said, f"Training on {curves[0].sizes[-1]:,} rows takes: {took}."]


def format_worth(worth: Worth, largest: int) -> str:
    """Format what pretraining is worth, as `240 (96 to more than 960)`."""
    if worth.rows is None:
        low = f"; the interval begins at {worth.low:,}" if worth.low is not None else ""
        return f"more than {largest - worth.size:,} (not reached{low})"
    if worth.most:
        fewer = f" (it would do with {-worth.rows:,} fewer)" if worth.rows < 0 else ""
        return f"{worth.rows:,} or less" if worth.rows > 0 else f"nothing{fewer}"
    low = f"{worth.low:,}" if worth.low is not None else f"more than {largest - worth.size:,}"
    high = f"{worth.high:,}" if worth.high is not None else f"more than {largest - worth.size:,}"
    return f"{worth.rows:,} ({low} to {high})"


def _describe_worth(one: MethodCurve, points: float) -> list[str]:
    """Say how many labels the control needs more, and where it is better."""
    if one.scratch is None:
        return []
    largest = one.sizes[-1]
    listed = "; ".join(f"at {worth.size:,} rows {format_worth(worth, largest)}" for worth in one.worth)
    said = [f"What pretraining is worth to {one.label}, in labels beside {one.scratch.label}: {listed}."]

    found = dict(zip(one.sizes, one.over_scratch, strict=True))
    if one.hurt_at:
        worse = ", ".join(f"{format_points(found[size], points)} at {size:,} rows" for size in one.hurt_at)
        said.append(f"Transfer hurts {one.label}: {worse}.")
    return said


def _describe_lead(one: MethodCurve, simple: str, points: float) -> str:
    largest, last = one.sizes[-1], format_points(one.over_simple[-1], points)
    if one.over_simple[-1].high < 0:
        return f"{one.label} is worse than {simple} at {largest:,} rows ({last})."
    if one.leads_from is None:
        return f"{one.label} does not beat {simple} by more than chance at {largest:,} rows ({last})."
    where = f"from {one.leads_from:,} rows on" if one.leads_from < largest else f"at {largest:,} rows only"
    return f"{one.label} beats {simple} {where}: {last} at {largest:,} rows."


def _describe_outlook(one: MethodCurve, points: float) -> list[str]:
    if one.outlook is None:
        return []
    more, found = next(iter(one.outlook.gains.items()))
    gain, low, high = (f"{points * value:.1f}" for value in (found.difference, found.low, found.high))
    return [
        f"{more:,} more labels would bring {one.label} about {gain} points ({low} to {high}), by a power law that "
        f"misses no score by more than {points * one.outlook.residual:.1f} points."
    ]


def format_points(found: Interval, points: float) -> str:
    """Format a difference of two scores with its interval, in points."""
    gain, low, high = (f"{points * value:+z.1f}" for value in (found.difference, found.low, found.high))
    return f"{gain} points ({low} to {high})"


def format_point(point: Point, points: float) -> str:
    """Format a score and its deviation between seeds: with four digits if it is a share, else with two."""
    digits = 4 if points == 100 else 2
    score = f"{point.mean.difference:.{digits}f}"
    return score if point.deviation is None else f"{score} ± {point.deviation:.{digits}f}"


def list_cells(
    methods: Sequence[MethodCurve], simple: Sequence[MethodCurve], *, points: float
) -> tuple[list[str], list[list[str]]]:
    """List the titles and rows of the table: a row for each method, and what pretraining is worth below it."""
    curves = list_curves(methods, simple)
    rows = []
    for one in curves:
        rows.append([one.label, *(format_point(point, points) for point in one.points)])
        if one.worth:
            largest = one.sizes[-1]
            rows.append(["  worth, in labels", *(_shorten_worth(worth, largest) for worth in one.worth)])
    return ["rows of train", *(f"{size:,}" for size in curves[0].sizes)], rows


def _shorten_worth(worth: Worth, largest: int) -> str:
    if worth.rows is None:
        return f"> {largest - worth.size:,}"
    return f"{'≤ ' if worth.most else ''}{worth.rows:,}"


def render_curves(
    methods: Sequence[MethodCurve], simple: Sequence[MethodCurve], *, score: str, points: float
) -> "Table":
    """Make a table of the scores for a console."""
    from rich.table import Table
    from rich.text import Text

    titles, rows = list_cells(methods, simple, points=points)
    spread = ": mean ± standard deviation over the seeds" if len(methods[0].points[0].scores) > 1 else ", one seed"
    table = Table(caption=f"test {score}{spread}")
    for place, title in enumerate(titles):
        table.add_column(Text(title), justify="right" if place else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def write_page(
    methods: Sequence[MethodCurve], simple: Sequence[MethodCurve], said: Sequence[str], *, score: str, points: float
) -> str:
    """Write the table and the sentences in Markdown, below the figure."""
    titles, rows = list_cells(methods, simple, points=points)
    lines = [titles, ["---", *["---:"] * (len(titles) - 1)], *rows]
    table = "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
    sentences = "\n".join(f"- {sentence}" for sentence in said)
    return f"# Test {score} by rows of train\n\n![learning curves](curve.png)\n\n{table}\n\n{sentences}\n"
