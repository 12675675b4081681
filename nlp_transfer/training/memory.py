"""Estimate the memory that a run needs, and save memory by computing activations twice."""

from dataclasses import dataclass

import numpy as np
import psutil
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from nlp_transfer.errors import ConfigError
from nlp_transfer.models.encoding.batches import Batch
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.models.surgery.embedding_rows import use_embedding_rows
from nlp_transfer.models.surgery.first_token import use_first_token
from nlp_transfer.strategies import Plan
from nlp_transfer.task import Task
from nlp_transfer.training.parameters import freeze, list_moving, set_train_mode


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


def estimate(plan: Plan, task: Task, units: TokenInputs, *, micro_batch: int) -> list[Need]:
    """Estimate the memory of each phase: count the tensors, and measure the activations of the longest unit.

    Only the embedding rows in use are counted. A phase that reads stored activations needs less than the estimate.

    Args:
        plan: the phases; afterwards its model has `requires_grad` set as in the first phase.
        task: computes the loss.
        units: the inputs of train, as tokens.
        micro_batch: number of units that pass through the model at once.
    """
    model = plan.model
    longest = np.array([units.encoded.lengths.argmax()])
    weights = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    needs = []

    for phase in reversed(plan.phases):
        freeze(model, phase.rates)
        elsewhere = torch.cuda.is_available()
        best = 0 if elsewhere else sum(own.nbytes for _, own in list_moving(model, dict.fromkeys(plan.moving, 0.0)))

        solved = phase.solver == "lbfgs"
        with (
            use_embedding_rows(model, phase.rates, [units.encoded], units.pad_token_id),
            use_first_token(model, logits_only=task.logits_only),
        ):
            moved = sum(parameter.nbytes for _, parameter in list_moving(model, phase.rates))
            kept = 0 if solved else _measure_kept(model, task, units.make_batch(longest))
        needs.append(Need(phase.name, weights, best + (0 if solved else 3 * moved), kept, micro_batch))
    return needs[::-1]


def _measure_kept(model: nn.Module, task: Task, batch: Batch) -> int:
    """Measure the bytes that autograd keeps during a forward pass, without those of parameters and buffers."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    seen: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    set_train_mode(model)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = task.loss(model, batch.to(next(model.parameters()).device), smoothing=0.0)
    del loss
    model.eval()
    return sum(seen.values())


def free_memory(loaded: int) -> tuple[int, str]:
    """Return the free bytes of the device that trains, and its name; on the CPU, add those `loaded` already."""
    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0], torch.cuda.get_device_name()
    return psutil.virtual_memory().available + loaded, "this machine"
