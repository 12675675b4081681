"""Measure once what the answers of a trained model cost: time a text, alone and in batches, and room on the disk."""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nlp_transfer.evaluation.metrics_file import Cost
from nlp_transfer.runs.predictor import READ_AHEAD, Predictor

BUDGET = 1.0  # seconds for each of the two, about
SINGLES = 20  # texts that are answered one at a time


def measure_cost(predictor: Predictor, inputs: Sequence[Any], folder: Path) -> Cost:
    """Answer some texts one at a time, then as many at once as `predict` takes, for about two seconds in all.

    One text and one batch are answered in any case, of a model that is slower than that.

    Args:
        predictor: of the saved model; it has answered before, for the first answer takes longer than others.
        inputs: texts to answer; they are repeated to fill a batch.
        folder: of the saved model.
    """
    alone: list[float] = []
    begun = time.perf_counter()
    while not alone or (len(alone) < SINGLES and time.perf_counter() - begun < BUDGET):
        alone.append(_time(predictor, [inputs[len(alone) % len(inputs)]]))
    each = statistics.median(alone)

    count = max(1, min(READ_AHEAD, int(BUDGET / each)))
    together = _time(predictor, [inputs[number % len(inputs)] for number in range(count)])
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return Cost(
        alone=round(1000 * each, 3),
        together=round(1000 * together / count, 3),
        batch=count,
        megabytes=round(sum(sizes) / 1e6, 1),
    )


def _time(predictor: Predictor, inputs: Sequence[Any]) -> float:
    """Time the answers to some inputs, in seconds."""
    begun = time.perf_counter()
    predictor.predict(inputs)
    return time.perf_counter() - begun
