"""Infer a split in batches of similar lengths, with the results in input order."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from nlp_transfer.errors import ExhaustedError
from nlp_transfer.inference.activations import BUDGET, choose_token_budget
from nlp_transfer.models.anatomy import find_encoder
from nlp_transfer.models.encoding.batches import sort_batches
from nlp_transfer.models.encoding.padding import read_padding_trouble
from nlp_transfer.models.encoding.units import Inputs, are_pooled
from nlp_transfer.models.surgery.first_token import use_first_token
from nlp_transfer.models.surgery.packed import use_packing
from nlp_transfer.models.surgery.remembering import remember_last
from nlp_transfer.system.memory import WAYS_OUT, is_out_of_memory, release
from nlp_transfer.system.processes import gather_all, take_own_share
from nlp_transfer.task import Task

WRITTEN = 128  # units in a batch when a decoder writes; each beam of each unit holds a score for every word
REPLAYED = 512  # units in a batch of stored activations, which need no padding


@torch.inference_mode()
def infer(
    model: PreTrainedModel, task: Task, units: Inputs, *, quick: bool = False, together: bool = False
) -> list[list[Any]]:
    """Run a task's inference over all units of a split.

    Args:
        model: its mode (train or eval) is the same afterwards.
        task: infers a batch, see `Task.infer`.
        units: the inputs of the split.
        quick: infer in the cheap way that judges an epoch.
        together: share the work among all processes, all of which call this.

    Returns:
        For each example in input order, the raw results of its units.

    Raises:
        ExhaustedError: there is no memory for one unit.
    """
    training = model.training
    model.eval()

    batches = _plan_batches(model, units)
    found: dict[int, Any] = {}
    with use_packing(model), use_first_token(model, logits_only=task.logits_only):
        for batch in take_own_share(batches) if together else batches:
            found |= zip(batch.tolist(), _attempt(model, task, units, batch, quick=quick), strict=True)

    model.train(training)
    if together:
        found = gather_all(found)

    return _group_units(found, units)


@torch.inference_mode()
def infer_heads(heads: Sequence[tuple[PreTrainedModel, Task]], units: Inputs) -> list[list[list[Any]]]:
    """Run the inference of several tasks, whose models share an encoder, over the same units.

    The encoder computes each batch once.

    Args:
        heads: models in eval mode, each with its task.
        units: the inputs of all of them.

    Returns:
        What `infer` returns for each of them.
    """
    found: list[dict[int, Any]] = [{} for _ in heads]
    with remember_last(find_encoder(heads[0][0]).module):
        for batch in _plan_batches(heads[0][0], units):
            for known, (model, task) in zip(found, heads, strict=True):
                with use_packing(model), use_first_token(model, logits_only=task.logits_only):
                    results = _attempt(model, task, units, batch, quick=False)
                known.update(zip(batch.tolist(), results, strict=True))
    return [_group_units(own, units) for own in found]


def _group_units(found: Mapping[int, Any], units: Inputs) -> list[list[Any]]:
    """Group the results of units by their example."""
    grouped: list[list[Any]] = [[] for _ in range(units.encoded.examples)]
    for unit, owner in enumerate(units.encoded.example):
        grouped[owner].append(found[unit])
    return grouped


def _attempt(model: PreTrainedModel, task: Task, units: Inputs, batch: np.ndarray, *, quick: bool) -> list[Any]:
    """Infer a batch, or its halves if memory runs out.

    Raises:
        ExhaustedError: there is no memory for one unit.
    """
    try:
        return task.infer(model, units.make_batch(batch).to(next(model.parameters()).device), quick=quick)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise

    if len(batch) == 1:
        raise ExhaustedError(f"out of memory with one text at a time; try {WAYS_OUT}")
    release()
    halves = np.array_split(batch, 2)
    return [result for half in halves for result in _attempt(model, task, units, half, quick=quick)]


def _plan_batches(model: PreTrainedModel, units: Inputs) -> Sequence[np.ndarray]:
    count = len(units.encoded.inputs)
    if are_pooled(units):
        return np.array_split(np.arange(count), range(REPLAYED, count, REPLAYED))
    alike = read_padding_trouble(model) is not None
    if model.config.is_encoder_decoder:
        return list(sort_batches(units.encoded.lengths, BUDGET, most=WRITTEN, alike=alike))
    return list(sort_batches(units.encoded.lengths, choose_token_budget(model), alike=alike))
