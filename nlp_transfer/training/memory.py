"""Estimate the memory that a run needs, and save memory: by passes of few tokens, by computing activations twice."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import psutil
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from nlp_transfer.errors import ConfigError
from nlp_transfer.models.encoding.batches import Batch
from nlp_transfer.models.encoding.units import Inputs, TokenInputs, are_pooled
from nlp_transfer.models.surgery.embedding_rows import use_embedding_rows
from nlp_transfer.models.surgery.first_token import use_first_token
from nlp_transfer.strategies import Plan
from nlp_transfer.strategies.mixing import is_mixed
from nlp_transfer.task import Task
from nlp_transfer.training.mixture import Mixture
from nlp_transfer.training.parameters import freeze, list_moving, set_train_mode
from nlp_transfer.training.several import Tasks

# A pass on a CPU is no faster with more tokens than these. What keeps few bytes is not cut: a pass over a table of word
# vectors costs hardly more with many tokens than with few.
CPU_TOKENS, CPU_ROOM = 1024, 1 << 29
OPTIMIZED = 3  # times the bytes of what moves: its gradients and AdamW's two moments
GPU_SHARE = 0.7  # of what is free on a GPU; the backward pass needs some beside what the forward pass keeps


def recompute_activations(model: nn.Module) -> None:
    """Keep only the input of each layer, and run the layer again in the backward pass (Chen et al. 2016).

    Raises:
        ConfigError: no layer of the model supports it.
    """
    able = [one for one in model.modules() if isinstance(one, PreTrainedModel) and one.supports_gradient_checkpointing]
    for one in able:
        one.activation_checkpointing_enable({"use_reentrant": False})
    if not able:
        raise ConfigError("training.gradient_checkpointing: no layer of this model can be run again; leave it out")


@dataclass(frozen=True)
class Need:
    """The memory that a phase needs, in bytes.

    Attributes:
        phase: the name of the phase.
        weights: bytes of all parameters and buffers.
        training: bytes of gradients and of AdamW's two moments; on the CPU also of the copy of the best state, which is
            always kept there.
        each: bytes of the activations that the backward pass needs, for one unit of the greatest length.
        units: number of units that pass through the model at once.
    """

    phase: str
    weights: int
    training: int
    each: int
    units: int

    @property
    def total(self) -> int:
        """Bytes at the end of a forward pass, where all of this is held at once."""
        return self.weights + self.training + self.each * self.units


def choose_budget(model: nn.Module, task: Task | Tasks, train: Inputs, moved: int) -> int | None:
    """Choose the most padded tokens in a pass of a phase, by what the longest unit keeps for the backward pass.

    Random numbers are drawn for it and put back.

    Args:
        model: of the run, on its device, with `requires_grad` set as in the phase.
        task: computes the loss.
        train: the inputs of the phase.
        moved: bytes of the parameters that move.

    Returns:
        None for stored pooled states, which are small.
    """
    if are_pooled(train):
        return None
    longest = np.array([train.encoded.lengths.argmax()])
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        each = _measure_kept(model, _sum_losses(model, task), train.make_batch(longest))
    return _limit_tokens(each, int(train.encoded.lengths.max()), free_memory(0)[0] - OPTIMIZED * moved)


def _limit_tokens(each: int, length: int, free: int) -> int:
    """Compute how many tokens a pass may have, if a unit of `length` tokens keeps `each` bytes."""
    if torch.cuda.is_available():
        return max(1, int(GPU_SHARE * free) // max(1, each)) * length
    return max(CPU_TOKENS, CPU_ROOM // max(1, each) * length)


def estimate(
    plan: Plan,
    task: Task | Tasks,
    units: TokenInputs,
    *,
    batch_size: int,
    accumulation: int | None,
    mixture: Mixture | None = None,
) -> list[Need]:
    """Estimate the memory of each phase: count the tensors, and measure the activations of the longest unit.

    Only the embedding rows in use are counted. A phase that reads stored activations needs less than the estimate.

    Args:
        plan: the phases; afterwards its model has `requires_grad` set as in the first phase.
        task: computes the loss.
        units: the inputs of train, as tokens.
        batch_size: units of a step.
        accumulation: number of passes that they are cut in; None: as `choose_budget` decides.
        mixture: texts without labels that batches hold too, if they do; their passes come before, so the larger counts.
    """
    model = plan.model
    longest, length = np.array([units.encoded.lengths.argmax()]), int(units.encoded.lengths.max())
    weights = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    needs = []

    for phase in reversed(plan.phases):
        freeze(model, phase.rates)
        elsewhere = torch.cuda.is_available()
        best = 0 if elsewhere else sum(own.nbytes for _, own in list_moving(model, dict.fromkeys(plan.moving, 0.0)))

        solved, mixed = phase.solver == "lbfgs", mixture if is_mixed(phase) else None
        some = nullcontext() if mixed else use_embedding_rows(model, phase.rates, [units.encoded], units.pad_token_id)
        with some:
            moved = sum(parameter.nbytes for _, parameter in list_moving(model, phase.rates))
            with use_first_token(model, logits_only=task.logits_only):
                kept = 0 if solved else _measure_kept(model, _sum_losses(model, task), units.make_batch(longest))
            if mixed:
                text = mixed.texts.make_batch(np.array([mixed.texts.encoded.lengths.argmax()]))
                kept = max(kept, _measure_kept(model, mixed.compute_loss, text))

        training = best + (0 if solved else OPTIMIZED * moved)
        if accumulation:
            count = math.ceil(batch_size / accumulation)
        else:
            count = min(batch_size, _limit_tokens(kept, length, free_memory(0)[0] - weights - training) // length)
        needs.append(Need(phase.name, weights, training, kept, max(1, count)))
    return needs[::-1]


def _sum_losses(model: nn.Module, task: Task | Tasks) -> Callable[[Batch], Tensor]:
    """Make a function that sums the task's losses of a batch."""
    return lambda batch: task.loss(model, batch, smoothing=0.0)


def _measure_kept(model: nn.Module, compute: Callable[[Batch], Tensor], batch: Batch) -> int:
    """Measure the bytes that autograd keeps while a loss is computed, without those of parameters and buffers."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    seen: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # what is kept must not hold the graph that keeps it, or neither is ever freed

    set_train_mode(model)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = compute(batch.to(next(model.parameters()).device))
    del loss
    model.eval()
    return sum(seen.values())


def free_memory(loaded: int) -> tuple[int, str]:
    """Return the free bytes of the device that trains, and its name; on the CPU, add those `loaded` already."""
    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0], torch.cuda.get_device_name()
    return psutil.virtual_memory().available + loaded, "this machine"
