"""Compute the losses of several tasks that share a model, and look at how far their gradients point the same way."""

import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nlp_transfer.models.encoding.batches import Batch
from nlp_transfer.models.sharing import SharedModel
from nlp_transfer.task import Task
from nlp_transfer.training.sharded import gather

log = logging.getLogger(__name__)
LOOK_EVERY = 100  # steps between two looks at the gradients
EMPTY = 1e-12  # norm of a gradient that points nowhere


@dataclass(frozen=True)
class Tasks:
    """The tasks of a shared model. A batch has the loss of the task that it belongs to.

    Attributes:
        tasks: name -> task, in the order of the model's members.
        owner: (units,) the number of the task that each unit of train belongs to.
    """

    tasks: Mapping[str, Task]
    owner: np.ndarray

    logits_only = False  # each member spares what its own task does not read
    solved_as = None

    def find_owner(self, units: np.ndarray) -> int:
        """Find the number of the task that a batch belongs to."""
        return int(self.owner[units[0]])

    def loss(self, model: nn.Module, batch: Batch, *, smoothing: float) -> Tensor:
        """Compute the weighted sum of the losses of a batch's units, (); see `Task.loss`."""
        number = self.find_owner(batch.units)
        task = list(self.tasks.values())[number]
        return task.loss(_Member(model, number), batch, smoothing=smoothing)


class _Member(nn.Module):
    """Stand for one member of a shared model, and run it through the wrapper for several processes."""

    def __init__(self, whole: nn.Module, number: int) -> None:
        super().__init__()
        shared = next(one for one in whole.modules() if isinstance(one, SharedModel))
        self.member = shared.members[number]
        self.__dict__["whole"] = whole  # not registered: its other members are none of this one's modules
        self._number = number

    def forward(self, **inputs: Any) -> Any:
        return self.__dict__["whole"](self._number, inputs)


@dataclass
class Cosines:
    """Measure the cosine between the gradients of tasks, every so many steps of an epoch. It is shown, and not used.

    The gradients are those of a batch of each task, a few steps apart. A cosine below 0 says that what helps one task
    at this point hurts the other.

    Attributes:
        tasks: the tasks of the training.
        shared: the parameters that all of them move.
    """

    tasks: Tasks
    shared: Sequence[nn.Parameter]
    _seen: dict[int, Tensor] | None = None
    _found: dict[str, list[float]] = field(default_factory=dict)

    def note(self, units: np.ndarray, step: int) -> None:
        """Note the gradients that a batch has left, if it is time to look; `step` counts those of the epoch."""
        if step % LOOK_EVERY == 0 and len(self.tasks.tasks) > 1:
            self._seen = {}
        number = self.tasks.find_owner(units)
        if self._seen is None or number in self._seen:
            return
        parts = [gather(torch.zeros_like(one) if one.grad is None else one.grad) for one in self.shared]
        self._seen[number] = torch.cat([part.detach().flatten() for part in parts])
        if len(self._seen) == len(self.tasks.tasks):
            self._measure(step)

    def _measure(self, step: int) -> None:
        names = list(self.tasks.tasks)
        gradients, self._seen = dict(sorted((self._seen or {}).items())), None
        said = []
        for (one, first), (other, second) in itertools.combinations(gradients.items(), 2):
            size = first.norm() * second.norm()
            cosine = float(first @ second / size) if size > EMPTY else 0.0
            pair = f"{names[one]}, {names[other]}"
            self._found.setdefault(pair, []).append(cosine)
            said.append(f"{pair} {cosine:+.3f}")
        log.info("cosine between the gradients of tasks at step %d of the epoch: %s", step, "; ".join(said))

    def collect(self) -> dict[str, float]:
        """Collect the mean cosine of each pair since the last call."""
        found, self._found = self._found, {}
        return {pair: round(float(np.mean(values)), 4) for pair, values in found.items()}
