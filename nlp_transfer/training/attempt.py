"""Hold what all phases of a training share, and do what is asked for between two steps: save, or save and stop."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from nlp_transfer.strategies import Plan
from nlp_transfer.system.stopping import make_stopped_error
from nlp_transfer.training.checkpoints import Saver
from nlp_transfer.training.history import History
from nlp_transfer.training.requests import Request, agree
from nlp_transfer.training.step import Stepper


@dataclass(frozen=True)
class Settings:
    """What a training needs beside its plan; see `TrainingConfig` for the meanings. None is `auto` or `unset` there.

    `last` takes the last state of all that were judged, where validation is too small to choose one. `learn_all` solves
    a head again after validation has judged it, on the rows of validation too.
    """

    batch_size: int
    accumulation: int | None
    weight_decay: float
    clip: float
    patience: int | None
    label_smoothing: float
    seed: int
    cache: Path | None
    progress: bool = True
    graphs: bool = True
    sampling: float = 1.0
    last: bool = False
    learn_all: bool = False


@dataclass(frozen=True)
class Attempt:
    """One attempt at a training. It begins anew or at a checkpoint, and ends with the last phase or at a signal.

    Attributes:
        plan: the phases.
        settings: the same in all phases.
        accelerator: of the run.
        stepper: computes the gradients of a step.
        saver: writes checkpoints.
        history: what has happened so far, in earlier attempts too.
        signals: the signals that have come so far, such as SIGTERM.
    """

    plan: Plan
    settings: Settings
    accelerator: Accelerator
    stepper: Stepper
    saver: Saver
    history: History
    signals: Sequence[int]

    def agree(self, loss: Tensor, *, save: bool) -> tuple[Tensor, Request]:
        """Sum the loss over all processes, and agree on what to do next; see `requests.agree`.

        Args:
            loss: () the share of this process.
            save: whether this process wants a checkpoint; a signal that came asks for one anyway.
        """
        own = Request.stop(self.signals[0]) if self.signals else Request(save=save)
        return agree(self.accelerator, loss, own)

    def obey(self, request: Request, save: Callable[[], None]) -> None:
        """Call `save` where a checkpoint is asked for, and stop where a signal asks for that.

        Raises:
            StoppedError: naming the signal.
        """
        if request.save:
            save()
        if request.signal is not None:
            raise make_stopped_error(request.signal, self.history.steps)

    def heed(self, save: Callable[[], None], *, done: bool = False) -> None:
        """Save and stop if a signal came since the last step; after a long training (`done`), save and go on.

        Raises:
            StoppedError: naming the signal.
        """
        _, request = self.agree(torch.zeros(()), save=done and self.saver.is_worth())
        self.obey(request, save)
