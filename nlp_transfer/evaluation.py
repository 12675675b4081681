"""Inference over a split: length-sorted batches, results in input order."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from nlp_transfer.batching import sorted_batches
from nlp_transfer.features import BUDGET, ReplayUnits, Units
from nlp_transfer.task import Task

WRITTEN = 128  # units a batch when a decoder writes: each beam of each holds a score per word
REPLAYED = 512  # units a batch when they are stored activations: there is no padding to save


@torch.inference_mode()
def infer(model: PreTrainedModel, task: Task, units: Units, *, quick: bool = False) -> list[list[Any]]:
    """Run a task's inference over all units, the `quick` way or the full one.

    Returns:
        Per example, in input order, the raw results of its units in their order.
    """
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    results: list[Any] = [None] * len(units.encoded.inputs)
    most = WRITTEN if model.config.is_encoder_decoder else None
    for batch in _batches(units, most):
        for unit, result in zip(batch, task.infer(model, units.batch(batch).to(device), quick=quick), strict=True):
            results[unit] = result
    model.train(training)
    grouped: list[list[Any]] = [[] for _ in range(units.encoded.examples)]
    for owner, result in zip(units.encoded.example, results, strict=True):
        grouped[owner].append(result)
    return grouped


def _batches(units: Units, most: int | None) -> Sequence[np.ndarray]:
    count = len(units.encoded.inputs)
    if isinstance(units, ReplayUnits) and units.rows[0].ndim > 2:
        return np.array_split(np.arange(count), range(REPLAYED, count, REPLAYED))
    return list(sorted_batches(units.encoded.lengths, BUDGET, most=most))
