"""Inference over a split: length-sorted batches, results in input order."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from nlp_transfer.batching import sorted_batches
from nlp_transfer.errors import TrainingError
from nlp_transfer.features import BUDGET, ReplayUnits, Units
from nlp_transfer.memory import WAYS_OUT, out_of_memory, release
from nlp_transfer.task import Task

WRITTEN = 128  # units a batch when a decoder writes: each beam of each holds a score per word
REPLAYED = 512  # units a batch when they are stored activations: there is no padding to save


@torch.inference_mode()
def infer(model: PreTrainedModel, task: Task, units: Units, *, quick: bool = False) -> list[list[Any]]:
    """Run a task's inference over all units, the `quick` way or the full one.

    Returns:
        Per example, in input order, the raw results of its units in their order.
    """
    training = model.training
    model.eval()
    results: list[Any] = [None] * len(units.encoded.inputs)
    most = WRITTEN if model.config.is_encoder_decoder else None
    for batch in _batches(units, most):
        for unit, result in zip(batch, _attempt(model, task, units, batch, quick=quick), strict=True):
            results[unit] = result
    model.train(training)
    grouped: list[list[Any]] = [[] for _ in range(units.encoded.examples)]
    for owner, result in zip(units.encoded.example, results, strict=True):
        grouped[owner].append(result)
    return grouped


def _attempt(model: PreTrainedModel, task: Task, units: Units, batch: np.ndarray, *, quick: bool) -> list[Any]:
    """Results of a batch, of its halves where memory runs out.

    Raises:
        TrainingError: there is no memory for one unit.
    """
    try:
        return task.infer(model, units.batch(batch).to(next(model.parameters()).device), quick=quick)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
    if len(batch) == 1:
        raise TrainingError(f"out of memory with one text at a time; try {WAYS_OUT}")
    release()
    halves = np.array_split(batch, 2)
    return [result for half in halves for result in _attempt(model, task, units, half, quick=quick)]


def _batches(units: Units, most: int | None) -> Sequence[np.ndarray]:
    count = len(units.encoded.inputs)
    if isinstance(units, ReplayUnits) and units.rows[0].ndim > 2:
        return np.array_split(np.arange(count), range(REPLAYED, count, REPLAYED))
    return list(sorted_batches(units.encoded.lengths, BUDGET, most=most))
