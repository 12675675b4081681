"""When a training is saved and where, and how its whole state gets there and back."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from nlp_transfer.errors import TrainingError
from nlp_transfer.training.checkpoint_files import TrainingState, save_checkpoint
from nlp_transfer.training.history import History
from nlp_transfer.training.parameters import copy_trained, load_state
from nlp_transfer.training.state import (
    collect_moments,
    group,
    load_moments,
    read_generators,
    set_generators,
    ungroup,
)
from nlp_transfer.training.step import Stepper

log = logging.getLogger(__name__)
WORTH_SAVING = 60.0  # seconds of training


@dataclass
class Checkpoints:
    """When and where a training is saved, and what it starts from.

    Attributes:
        folder: of all checkpoints of the run.
        identity: gives data, weights and versions, as plain values; asked when first needed.
        steps: optimizer steps between two checkpoints; None: not counted.
        minutes: the same in time.
        keep_last: how many stay.
        start: what to resume from.
        last: the newest one of this training.
    """

    folder: Path
    identity: Callable[[], Mapping[str, Any]]
    steps: int | None = None
    minutes: float | None = None
    keep_last: int = 2
    start: TrainingState | None = None
    last: Path | None = None
    _saved: float = field(default_factory=time.monotonic)

    def is_due(self, step: int) -> bool:
        """Tell whether to save after this optimizer step of the run."""
        late = self.minutes is not None and time.monotonic() - self._saved >= 60 * self.minutes
        return late or (self.steps is not None and step % self.steps == 0)

    def is_worth(self) -> bool:
        """Tell whether more has been trained since the last one than should be lost to what follows a training."""
        return (self.minutes or self.steps) is not None and time.monotonic() - self._saved >= WORTH_SAVING

    def save(self, step: int, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Write one; see `save_checkpoint`."""
        bad = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
        if bad:
            raise TrainingError(f"{bad[0]} is not finite at step {step}; no checkpoint was written")
        values = {**values, "identity": self.identity()}
        self.last = save_checkpoint(self.folder, step, values, tensors, keep_last=self.keep_last)
        self._saved = time.monotonic()
        log.info("checkpoint: %s", self.last)


@dataclass(frozen=True)
class Saver:
    """Bring the state of a training to its checkpoints, and back.

    Attributes:
        checkpoints: when and where; None: the training is not saved.
        accelerator: of the run.
        moving: names of the parameters that the training changes.
        accumulation: passes that a batch is cut in as configured; a lack of memory may have asked for more.
    """

    checkpoints: Checkpoints | None
    accelerator: Accelerator
    moving: frozenset[str]
    accumulation: int

    @property
    def start(self) -> TrainingState | None:
        """What the training goes on from, until `resume` has taken it up."""
        return self.checkpoints.start if self.checkpoints else None

    def restore(self, model: nn.Module) -> History:
        """Give the model the weights of the start, and say where the training stands; without a start at its begin."""
        if self.start is None:
            return History()
        load_state(model, ungroup("model", self.start.tensors))
        history = History.restored(self.start.values["history"], ungroup("best", self.start.tensors))
        log.info("resumed at step %d from %s", history.steps, self.start.path)
        return history

    def resume(self, optimizer: torch.optim.Optimizer, trained: Mapping[str, nn.Parameter], stepper: Stepper) -> None:
        """Give optimizer, generators and stepper back what they held; once, for later phases begin anew."""
        start = self.start
        if self.checkpoints is None or start is None:
            return
        self.checkpoints.start = None

        load_moments(optimizer, trained, ungroup("optimizer", start.tensors))
        stepper.pieces *= start.values.get("halved", 1)
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(start.values["scaler"])
        if state := ungroup(f"random/{self.accelerator.process_index}", start.tensors):
            set_generators(state)

    def save(
        self,
        model: nn.Module,
        history: History,
        stepper: Stepper,
        optimizer: torch.optim.Optimizer | None = None,
        trained: Mapping[str, nn.Parameter] | None = None,
    ) -> None:
        """Write a checkpoint of the state between two steps, or between two phases, where nothing has moments.

        Every process must ask.
        """
        if self.checkpoints is None:
            return
        generators = gather_object([read_generators()])
        moments = collect_moments(optimizer, trained) if optimizer and trained else {}

        if self.accelerator.is_main_process:
            tensors = {
                **group("model", copy_trained(model, self.moving)),
                **group("optimizer", moments),
                **group("best", history.state),
            }
            for index, state in enumerate(generators):
                tensors |= group(f"random/{index}", state)
            scaler = self.accelerator.scaler
            values = {"history": history.values(), "halved": stepper.pieces // self.accumulation}
            values["scaler"] = scaler.state_dict() if scaler is not None else None
            self.checkpoints.save(history.steps, values, tensors)
        self.accelerator.wait_for_everyone()

    def is_due(self, step: int) -> bool:
        """Tell whether this process is to ask for a checkpoint after this optimizer step."""
        return self.checkpoints is not None and self.accelerator.is_main_process and self.checkpoints.is_due(step)

    def is_worth(self) -> bool:
        """Tell whether this process is to ask for one before what follows the training."""
        return self.checkpoints is not None and self.accelerator.is_main_process and self.checkpoints.is_worth()

    def name_last(self) -> str:
        """Say which checkpoint is the last good one."""
        last = self.checkpoints.last if self.checkpoints else None
        return f"the last good checkpoint is {last}" if last else "there is no checkpoint yet, and nothing was saved"
