"""Decide when and where a training is saved, and bring its whole state there and back."""

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
    """When and where a training is saved, and the checkpoint that it starts from.

    Attributes:
        folder: holds all checkpoints of the run.
        describe: gives the identity of the run (data, weights, versions) as plain values; called at the first save.
        steps: save after so many optimizer steps; None: not by steps.
        minutes: save after so many minutes; None: not by time.
        keep_last: how many checkpoints stay.
        start: the checkpoint to resume from.
        last: the newest checkpoint of this training.
    """

    folder: Path
    describe: Callable[[], Mapping[str, Any]]
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
        """Tell whether the training since the last checkpoint is worth saving.

        What follows a training may fail, and should not cost more than a minute of it.
        """
        return (self.minutes or self.steps) is not None and time.monotonic() - self._saved >= WORTH_SAVING

    def save(self, step: int, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Write a checkpoint; see `save_checkpoint`.

        Raises:
            TrainingError: a tensor is not finite.
            DiskError: the disk is full or fails.
        """
        bad = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
        if bad:
            raise TrainingError(f"{bad[0]} is not finite at step {step}; no checkpoint was written")
        values = {**values, "identity": self.describe()}
        self.last = save_checkpoint(self.folder, step, values, tensors, keep_last=self.keep_last)
        self._saved = time.monotonic()
        log.info("checkpoint: %s", self.last)


@dataclass(frozen=True)
class Saver:
    """Bring the state of a training to its checkpoints, and back.

    Attributes:
        checkpoints: when and where to save; None: never.
        accelerator: of the run.
        moving: names of the parameters that the training changes.
        accumulation: the configured number of passes of a batch, 1 for `auto`; `Stepper.pieces` is larger where memory
            ran out.
    """

    checkpoints: Checkpoints | None
    accelerator: Accelerator
    moving: frozenset[str]
    accumulation: int

    @property
    def start(self) -> TrainingState | None:
        """The checkpoint to resume from; None after `resume` has used it."""
        return self.checkpoints.start if self.checkpoints else None

    def restore(self, model: nn.Module) -> History:
        """Load the weights of the start into the model, and return its history; without a start, an empty one."""
        if self.start is None:
            return History()
        load_state(model, ungroup("model", self.start.tensors))
        history = History.restore(self.start.values["history"], ungroup("best", self.start.tensors))
        log.info("resumed at step %d from %s", history.steps, self.start.path)
        return history

    def resume_passes(self, stepper: Stepper) -> None:
        """Cut batches as at the start, where as much memory need not be free as before; call it before `resume`."""
        if self.start is None:
            return
        stepper.pieces *= self.start.values.get("halved", 1)
        if stepper.budget and self.start.values.get("budget"):
            stepper.budget = self.start.values["budget"]

    def resume(self, optimizer: torch.optim.Optimizer, trained: Mapping[str, nn.Parameter]) -> None:
        """Restore optimizer and random numbers from the start, once: later phases begin anew."""
        start = self.start
        if self.checkpoints is None or start is None:
            return
        self.checkpoints.start = None

        load_moments(optimizer, trained, ungroup("optimizer", start.tensors))
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
        """Write a checkpoint between two steps, or between two phases, when there is no optimizer.

        Every process must call this, because moments may be spread over the processes.
        """
        if self.checkpoints is None:
            return
        generators = gather_object([read_generators()])
        moments = collect_moments(optimizer, trained) if optimizer and trained else {}

        # One process writes for all; the random numbers of each process are kept by its number.
        if self.accelerator.is_main_process:
            tensors = {
                **group("model", copy_trained(model, self.moving)),
                **group("optimizer", moments),
                **group("best", history.state),
            }
            for index, state in enumerate(generators):
                tensors |= group(f"random/{index}", state)

            scaler = self.accelerator.scaler
            values = {"history": history.collect_values(), "halved": stepper.pieces // self.accumulation}
            values["budget"] = stepper.budget if optimizer else None  # each phase chooses its own
            values["scaler"] = scaler.state_dict() if scaler is not None else None
            self.checkpoints.save(history.steps, values, tensors)
        self.accelerator.wait_for_everyone()

    def is_due(self, step: int) -> bool:
        """Tell whether this process asks for a checkpoint after an optimizer step; only the main process does."""
        return self.checkpoints is not None and self.accelerator.is_main_process and self.checkpoints.is_due(step)

    def is_worth(self) -> bool:
        """Tell whether this process asks for a checkpoint at the end of the training; only the main process does."""
        return self.checkpoints is not None and self.accelerator.is_main_process and self.checkpoints.is_worth()

    def name_last(self) -> str:
        """Name the last good checkpoint, for an error message."""
        last = self.checkpoints.last if self.checkpoints else None
        return f"the last good checkpoint is {last}" if last else "there is no checkpoint yet, and nothing was saved"
