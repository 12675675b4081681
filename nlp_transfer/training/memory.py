"""Memory: what a run will need, and giving up activations to save it."""

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
from nlp_transfer.training.parameters import freeze, list_moving, train_mode


def recompute_activations(model: nn.Module) -> None:
    """Keep only each layer's input for the backward pass and run the layer again there (Chen et al. 2016).

    Raises:
        ConfigError: nothing in the model can.
    """
    able = [one for one in model.modules() if isinstance(one, PreTrainedModel) and one.supports_gradient_checkpointing]
    for one in able:
        one.activation_checkpointing_enable({"use_reentrant": False})
    if not able:
        raise ConfigError("training.gradient_checkpointing: no layer of this model can be run again; leave it out")


@dataclass(frozen=True)
class Need:
    """Bytes that a phase asks for.

    Attributes:
        phase: its name.
        weights: all parameters and buffers.
        training: gradients and AdamW's two moments of what moves; on the CPU also the copy of the best state, which
            is always there.
        each: activations kept for the backward pass, of one unit of the greatest length.
        units: passed through the model at once.
    """

    phase: str
    weights: int
    training: int
    each: int
    units: int

    @property
    def total(self) -> int:
        """All of it at once, as at the end of a forward pass."""
        return self.weights + self.training + self.each * self.units


def estimate(plan: Plan, task: Task, units: TokenInputs, *, micro_batch: int) -> list[Need]:
    """Estimate what each phase of a run will ask for: states counted, activations measured on the longest unit.

    Of embeddings that train, the rows in use count. Phases whose frozen activations are stored need less than is said.

    Args:
        plan: its model is left with the first phase's parameters requiring gradients.
        task: gives the loss.
        units: of train, as tokens.
        micro_batch: units passed through the model at once.
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
    """Count the bytes that autograd keeps of a forward pass beside parameters and inputs."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    seen: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    train_mode(model)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = task.loss(model, batch.to(next(model.parameters()).device), smoothing=0.0)
    del loss
    model.eval()
    return sum(seen.values())


def free_memory(loaded: int) -> tuple[int, str]:
    """Count the bytes to be had on the device that trains, and name it; `loaded` is what the CPU holds already."""
    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0], torch.cuda.get_device_name()
    return psutil.virtual_memory().available + loaded, "this machine"
