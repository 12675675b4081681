"""Time answers to texts, one at a time and in a batch."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

SINGLES = 20  # texts that are answered one at a time
BATCH = 256  # texts that are answered at once, as `predict` does


class Times(NamedTuple):
    """Milliseconds a text, one at a time and in a batch of `batch` texts."""

    alone: float
    together: float
    batch: int


def time_answers(answer: Callable[[list[Any]], Any], inputs: Sequence[Any], *, budget: float) -> Times:
    """Answer some inputs one at a time, then as many at once as `predict` takes.

    One input and one batch are answered in any case, by a model that is slower than that.

    Args:
        answer: answers a list of inputs; it has answered before, for the first answer takes longer than others.
        inputs: what to answer; they are repeated to fill a batch.
        budget: seconds for each of the two, about.
    """

    def take(count: int, start: int = 0) -> float:
        chosen = [inputs[(start + number) % len(inputs)] for number in range(count)]
        begun = time.perf_counter()
        answer(chosen)
        return time.perf_counter() - begun

    alone: list[float] = []
    begun = time.perf_counter()
    while not alone or (len(alone) < SINGLES and time.perf_counter() - begun < budget):
        alone.append(take(1, len(alone)))
    each = statistics.median(alone)

    count = max(1, min(BATCH, int(budget / each)))
    return Times(round(1000 * each, 3), round(1000 * take(count) / count, 3), count)
