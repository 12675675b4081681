"""Average the seeds of a run, or of a simple method: means, spread, and outcomes for the verdicts.

One seed says little. Its score changes with the initial weights and the order of the rows (Reimers & Gurevych 2017,
Reporting score distributions makes a difference), and with the splits if they are cut with the seed
(Bouthillier et al. 2021, Accounting for variance in machine learning benchmarks).
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nlp_transfer.config.tasks import Scores
from nlp_transfer.evaluation.metrics_file import Cost, Method, Seeds, Spread
from nlp_transfer.evaluation.verdicts import SPREAD, Comparand


def average(rows: Sequence[Comparand], seeds: Sequence[int]) -> Comparand:
    """Average the results of several seeds into one.

    Scores become means, with their standard deviations (n - 1) under `standard_deviation`. The outcome of a test row
    becomes its mean over the seeds that tested it, so that a paired bootstrap resamples test rows. Its interval answers
    how the result would vary on other test rows, with these seeds; the spread says how the seeds differ. In a
    comparison of two runs, each seed of one is paired with the same seed of the other, even if every seed has test rows
    of its own.

    Args:
        rows: results of one method, one for each seed.
        seeds: the seeds, in the same order.
    """
    outcomes: dict[int, list[float]] = {}
    alike = _are_same_rows(rows)
    for row in rows:
        for place, outcome in zip(range(len(row.correct)) if alike else row.tested, row.correct, strict=True):
            outcomes.setdefault(place, []).append(outcome)

    costs = [row.cost for row in rows if row.cost is not None]
    timed = [row.seconds for row in rows if row.seconds is not None]
    return replace(
        rows[0],
        seconds=statistics.fmean(timed) if timed else None,
        cost=_average_costs(costs) if costs else None,
        validation=_average_scores([row.validation for row in rows]),
        test=_average_scores([row.test for row in rows]),
        correct=[statistics.fmean(several) for several in outcomes.values()],
        answers=[count for row in rows for count in row.answers],
        tested=rows[0].tested if alike else list(outcomes),
        counts=() if alike else [len(several) for several in outcomes.values()],
        seeds=tuple(seeds),
    )


def _average_costs(costs: Sequence[Cost]) -> Cost:
    means = {name: statistics.fmean(getattr(one, name) for one in costs) for name in ("alone", "together", "megabytes")}
    return Cost(**means, batch=min(one.batch for one in costs))


def is_unmoved(rows: Sequence[Comparand]) -> bool:
    """Tell whether all seeds gave the same result on the same rows, so that there is no spread to show."""
    outcomes = [(row.validation, row.test, list(row.correct)) for row in rows]
    return _are_same_rows(rows) and all(one == outcomes[0] for one in outcomes)


def _are_same_rows(rows: Sequence[Comparand]) -> bool:
    """Tell whether all seeds were tested on the same rows, as in older runs, which have noted no numbers."""
    tested = [list(row.tested) for row in rows if row.tested]
    return len(tested) < len(rows) or all(one == tested[0] for one in tested)


def collect_figures(scores: Scores) -> dict[str, dict[str, float | None]]:
    """Collect each score's mean and standard deviation for metrics.json; the deviation is None if nothing varies."""
    deviations = scores.get(SPREAD, {})
    numbers = {name: value for name, value in scores.items() if isinstance(value, int | float)}
    return {name: {"mean": value, SPREAD: deviations.get(name)} for name, value in numbers.items()}


def read_figures(told: Mapping[str, Mapping[str, float | None]]) -> Scores:
    """Read scores back from what `collect_figures` has made of them."""
    return {name: one["mean"] for name, one in told.items()} | {SPREAD: {n: one[SPREAD] for n, one in told.items()}}


def mean_scores(spread: Spread | Seeds) -> Method:
    """Read the means, and with them the deviations, as the scores of a method."""
    return Method(validation=read_figures(spread.validation), test=read_figures(spread.test))


def _average_scores(several: Sequence[Scores]) -> Scores:
    columns = {name: _select_numbers([one.get(name) for one in several]) for name in several[0]}
    moved = {name: values for name, values in columns.items() if len(values) == len(several)}
    return {**_average_values(several), SPREAD: {name: statistics.stdev(values) for name, values in moved.items()}}


def _average_values(several: Sequence[Any]) -> Any:
    """Average numbers inside any structure; a value that is no number is kept if all have the same."""
    first = several[0]
    if isinstance(first, Mapping):
        return {key: _average_values([one.get(key) for one in several]) for key in first}
    if known := _select_numbers(several):
        return statistics.fmean(known)
    return first if all(one == first for one in several) else None


def _select_numbers(several: Sequence[Any]) -> list[float]:
    """Select the numbers; a seed for which a score was not measured has None."""
    return [one for one in several if isinstance(one, int | float)]
