"""Find the 95 % interval of a mean score, and of the difference of two that were measured on different rows."""

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nlp_transfer.config.metrics import measure, pair_answers
from nlp_transfer.config.tasks import TaskDeclaration
from nlp_transfer.errors import ConfigError
from nlp_transfer.evaluation.metrics import Interval, bootstrap_difference

log = logging.getLogger(__name__)
DRAWS = 1000  # of the rows, for a function that looks at all of them together
FEWEST_DRAWS = 200  # of many rows
MOST_ROWS = 10_000_000  # in all draws together: such a function takes a minute for them
Z = 1.959964  # of the standard normal distribution, for 95 %


def measure_mean(hits: Sequence[float]) -> Interval:
    """Find the mean score of some rows, with its interval.

    Where each row is right or wrong it is the score interval of Wilson 1927 (Probable inference, the law of succession,
    and statistical inference). A bootstrap would claim that a model which is right on ten rows of ten is never wrong.
    Other scores are resampled.

    Args:
        hits: the score of each row.
    """
    if not {0.0, 1.0}.issuperset(hits):
        return bootstrap_difference(hits, [0.0] * len(hits))

    count, share = len(hits), sum(hits) / len(hits)
    middle = (share + Z**2 / (2 * count)) / (1 + Z**2 / count)
    reach = Z * math.sqrt(share * (1 - share) / count + (Z / (2 * count)) ** 2) / (1 + Z**2 / count)
    return Interval(share, max(0.0, middle - reach), min(1.0, middle + reach))


def resample_metrics(task: TaskDeclaration, predictions: Sequence[Any], rows: Any) -> dict[str, tuple[float, float]]:
    """Find the 95 % interval of each score of `task.metrics` by a bootstrap of the rows: name -> low and high.

    Of more than 10,000 rows there are fewer draws than 1,000, but at least 200. A function that fails on some of the
    draws, as one that needs all classes, has none.
    """
    found = {}
    right, said = pair_answers(task, predictions, rows) if task.functions else ([], [])
    for metric, function in task.functions.items():
        random, size = np.random.default_rng(0), len(right)
        count = max(FEWEST_DRAWS, min(DRAWS, MOST_ROWS // size))
        draws = (random.integers(0, size, size) for _ in range(count))  # one at a time: together they fill memory
        try:
            scores = [measure(metric, function, [right[i] for i in one], [said[i] for i in one]) for one in draws]
        except ConfigError as error:
            log.warning("no interval of %s: %s", metric.name, error)
            continue
        low, high = np.percentile(scores, [2.5, 97.5])
        found[metric.name] = (float(low), float(high))
    return found


def subtract(one: Interval, other: Interval) -> Interval:
    """Subtract a score that was measured on other rows; the interval follows from those of both.

    From Newcombe 1998 (Interval estimation for the difference between independent proportions, method 10), which holds
    for other estimates too (Zou & Donner 2008, Construction of confidence limits about effect measures).
    """
    difference = one.difference - other.difference
    below = math.hypot(one.difference - one.low, other.high - other.difference)
    above = math.hypot(one.high - one.difference, other.difference - other.low)
    return Interval(difference, difference - below, difference + above)
