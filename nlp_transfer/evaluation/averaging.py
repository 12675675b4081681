"""Several seeds of a run, or of a simple method beside it, as one row: means, spread, and what verdicts rest on.

One seed says little: its score moves with the draw of weights and the order of the rows (Reimers & Gurevych 2017,
Reporting score distributions makes a difference), and with the cut of the splits where that follows the seed
(Bouthillier et al. 2021, Accounting for variance in machine learning benchmarks).
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nlp_transfer.config.tasks import Scores
from nlp_transfer.evaluation.verdicts import SPREAD, Row


def average(rows: Sequence[Row], seeds: Sequence[int]) -> Row:
    """One row of those of several seeds.

    Scores are means, with their standard deviations (n - 1) under `standard_deviation`. The outcome of a test row is
    its mean over the seeds that tested it, so that a paired bootstrap resamples test rows, each with what all seeds
    made of it. Its interval is about other test rows and these seeds; how far the seeds are from each other is what the
    spread says. Of two runs each seed of one is so paired with the same seed of the other, also where every seed has
    test rows of its own.

    Args:
        rows: one a seed, of the same method.
        seeds: theirs, in the same order.
    """
    outcomes: dict[int, list[float]] = {}
    alike = _same_rows(rows)
    for row in rows:
        for place, outcome in zip(range(len(row.correct)) if alike else row.tested, row.correct, strict=True):
            outcomes.setdefault(place, []).append(outcome)
    timed = [row.seconds for row in rows if row.seconds is not None]
    return replace(
        rows[0],
        seconds=statistics.fmean(timed) if timed else None,
        validation=_means([row.validation for row in rows]),
        test=_means([row.test for row in rows]),
        correct=[statistics.fmean(several) for several in outcomes.values()],
        answers=[count for row in rows for count in row.answers],
        tested=rows[0].tested if alike else list(outcomes),
        counts=() if alike else [len(several) for several in outcomes.values()],
        seeds=tuple(seeds),
    )


def unmoved(rows: Sequence[Row]) -> bool:
    """Tell whether all seeds gave one and the same result on the same rows, so that there is no spread to show."""
    outcomes = [(row.validation, row.test, list(row.correct)) for row in rows]
    return _same_rows(rows) and all(one == outcomes[0] for one in outcomes)


def _same_rows(rows: Sequence[Row]) -> bool:
    """Tell whether all were tested on the same; older runs have not noted the numbers, and had no others."""
    tested = [list(row.tested) for row in rows if row.tested]
    return len(tested) < len(rows) or all(one == tested[0] for one in tested)


def figures(scores: Scores) -> dict[str, dict[str, float | None]]:
    """Score -> mean and standard deviation, as metrics.json holds them; no deviation where nothing could move it."""
    deviations = scores.get(SPREAD, {})
    numbers = {name: value for name, value in scores.items() if isinstance(value, int | float)}
    return {name: {"mean": value, SPREAD: deviations.get(name)} for name, value in numbers.items()}


def from_figures(told: Mapping[str, Mapping[str, float]]) -> Scores:
    """The scores of which `figures` has told."""
    return {name: one["mean"] for name, one in told.items()} | {SPREAD: {n: one[SPREAD] for n, one in told.items()}}


def _means(several: Sequence[Scores]) -> Scores:
    columns = {name: _numbers([one.get(name) for one in several]) for name in several[0]}
    moved = {name: values for name, values in columns.items() if len(values) == len(several)}
    return {**_mean(several), SPREAD: {name: statistics.stdev(values) for name, values in moved.items()}}


def _mean(several: Sequence[Any]) -> Any:
    """The mean of numbers, in a structure as theirs; what is no number is kept where all have the same."""
    first = several[0]
    if isinstance(first, Mapping):
        return {key: _mean([one.get(key) for one in several]) for key in first}
    if known := _numbers(several):
        return statistics.fmean(known)
    return first if all(one == first for one in several) else None


def _numbers(several: Sequence[Any]) -> list[float]:
    """Those that are; None is what was not measured with a seed."""
    return [one for one in several if isinstance(one, int | float)]
