"""Judge a model of several tasks on the validation of each, and keep one best state for all, or one for each."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from accelerate.utils import broadcast_object_list
from torch import Tensor, nn

from nlp_transfer.config.tasks import Scores
from nlp_transfer.models.encoding.units import Inputs
from nlp_transfer.training.history import History
from nlp_transfer.training.judge import Judge, select_numbers
from nlp_transfer.training.parameters import copy_trained, load_state
from nlp_transfer.training.state import group, ungroup

Table = list[dict[str, float]]  # for each epoch that was judged, task -> its selection score


@dataclass(frozen=True)
class JudgedTask:
    """One of several tasks on its validation: the judge of it alone, its model, and the inputs."""

    judge: Judge
    model: nn.Module
    validation: Inputs

    def validate(self) -> Scores:
        """Score the model as it is now."""
        return self.judge.validate(self.model, self.validation)

    def select(self, scores: Scores) -> float:
        """Select the score that chooses the best state."""
        return float(scores[self.judge.task.selection])


@dataclass(frozen=True)
class JointJudge:
    """Judge the states of a model of several tasks.

    Attributes:
        tasks: name -> what judges it.
        keep: `shared` keeps one state, the one with the best mean rank; `each` the best state for each task.
        moving: names of the parameters that the training changes.
        record: is given the facts of each epoch.
        last: keep the last state instead of the best.
    """

    tasks: Mapping[str, JudgedTask]
    keep: Literal["shared", "each"]
    moving: frozenset[str]
    record: Callable[[dict[str, Any]], None]
    last: bool = False

    def judge(
        self,
        model: nn.Module,
        validation: Inputs,  # noqa: ARG002 - of all tasks together, for a judge of one
        history: History,
        *,
        phase: str,
        facts: dict[str, Any],
        started: float,
    ) -> None:
        """Score every task, keep what is the best so far, and record the epoch; see `Judge.judge`."""
        scores: dict[str, Scores] = broadcast_object_list([{name: one.validate() for name, one in self.tasks.items()}])[
            0
        ]
        said = {f"{name}/{key}": value for name, own in scores.items() for key, value in select_numbers(own).items()}
        record = {"phase": phase, **facts, "step": history.steps, "validation": said}
        history.epochs.append(record)

        better = self._find_better(scores, history)
        history.waited = 0 if better else history.waited + 1
        if better:
            history.kept = "last" if self.last else "best"
            history.scores = {**history.scores, **{name: scores[name] for name in better}}
            values = self._select(history.scores).values()
            history.best = sum(values) / len(values)
            self._keep_state(copy_trained(model, self.moving), better, history)

        record["seconds"] = round(time.perf_counter() - started, 3)
        self.record(record)

    def _find_better(self, scores: Mapping[str, Scores], history: History) -> list[str]:
        """Find the tasks for which the state is better than what is kept; all or none where one state is for all."""
        if self.last or not history.scores:
            return list(self.tasks)
        now, kept = self._select(scores), self._select(history.scores)
        if self.keep == "each":
            return [name for name in self.tasks if now[name] > kept[name]]
        table = [{name: self._read(record, name) for name in self.tasks} for record in history.epochs]
        return list(self.tasks) if rank_mean(now, table) < rank_mean(kept, table) else []

    def _select(self, scores: Mapping[str, Scores]) -> dict[str, float]:
        return {name: one.select(scores[name]) for name, one in self.tasks.items()}

    def _read(self, record: Mapping[str, Any], name: str) -> float:
        return float(record["validation"][f"{name}/{self.tasks[name].judge.task.selection}"])

    def _keep_state(self, state: dict[str, Tensor], better: list[str], history: History) -> None:
        if self.keep == "shared":
            history.state = state
            return
        for name in better:
            history.state = {
                **{key: tensor for key, tensor in history.state.items() if not key.startswith(f"{name}/")},
                **group(name, state),
            }

    def restore(self, model: nn.Module, history: History) -> None:
        """Load the best state into the model; where each task has its own, that of the first."""
        self.restore_for(next(iter(self.tasks)), model, history)

    def restore_for(self, name: str, model: nn.Module, history: History) -> None:
        """Load the best state for a task into the model."""
        load_state(model, history.state if self.keep == "shared" else ungroup(name, history.state))


def rank_mean(values: Mapping[str, float], table: Table) -> float:
    """Compute the mean over the tasks of the rank that a state has among all in a table; 0 is the best."""
    ranks = [sum(row[name] > value for row in table) for name, value in values.items()]
    return sum(ranks) / len(ranks)
