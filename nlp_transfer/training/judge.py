"""Score a model on validation as it trains, and keep the best state."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import nn

from nlp_transfer.config.tasks import Scores
from nlp_transfer.inference.predictions import infer
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.encoding.units import Inputs
from nlp_transfer.task import Task, apply_calibration
from nlp_transfer.training.history import History
from nlp_transfer.training.mixture import Mixture
from nlp_transfer.training.parameters import copy_trained, load_state


@dataclass(frozen=True)
class Judge:
    """Judge the states of a model by their scores on validation.

    Attributes:
        task: decodes and scores.
        rows: the rows of validation.
        tokenizers: of the model.
        accelerator: of the run.
        moving: names of the parameters that the training changes.
        record: is given the facts of each epoch.
        last: keep the last state instead of the best.
        mixture: batches are mixed, and the mixed loss of what is held out chooses the best state; None: a score does.
        mixed: names of the phases in which they are.
    """

    task: Task
    rows: Any
    tokenizers: Tokenizers
    accelerator: Accelerator
    moving: frozenset[str]
    record: Callable[[dict[str, Any]], None]
    last: bool = False
    mixture: Mixture | None = None
    mixed: Collection[str] = ()

    def validate(self, model: nn.Module, validation: Inputs) -> Scores:
        """Score a model on validation."""
        with self.accelerator.autocast():
            results = infer(model, self.task, validation, quick=True, together=True)  # type: ignore[arg-type]
        task = apply_calibration(self.task, results, self.rows)
        return task.score(task.decode(results, self.rows, self.tokenizers), self.rows)

    def judge(
        self,
        model: nn.Module,
        validation: Inputs,
        history: History,
        *,
        phase: str,
        facts: dict[str, Any],
        started: float,
    ) -> None:
        """Score a model, keep its state if it is the best so far, or the last one, and record the epoch.

        Args:
            model: after the epoch.
            validation: the inputs of validation.
            history: takes up the state and the record.
            phase: the name of the phase. Where others mix batches and this one does not, its states are not chosen.
            facts: of the epoch, such as its loss.
            started: when it began, by `time.perf_counter`.
        """
        # The main process judges for all: a difference in the last digit must not part them.
        scores: Scores = broadcast_object_list([self.validate(model, validation)])[0]
        value, losses = float(scores[self.task.selection]), {}
        if self.mixture and phase in self.mixed:
            losses = self.mixture.measure(model, self.task, validation)
            value = -losses["mixed_loss"]

        if self.mixture and not losses:
            pass
        elif self.last or value > history.best:
            history.best, history.scores, history.waited = value, scores, 0
            history.kept = "last" if self.last else "best"
            history.state = copy_trained(model, self.moving)
        else:
            history.waited += 1

        record = {"phase": phase, **facts, **losses, "step": history.steps, "validation": select_numbers(scores)}
        record["seconds"] = round(time.perf_counter() - started, 3)
        history.epochs.append(record)
        self.record(record)

    def restore(self, model: nn.Module, history: History) -> None:
        """Load the kept state into the model."""
        load_state(model, history.state)


def select_numbers(scores: Scores) -> dict[str, float]:
    """Select the single numbers among scores, and leave out lists and tables."""
    return {name: value for name, value in scores.items() if isinstance(value, int | float)}
