"""The training loop: phases in order, each with its own optimizer, schedule and distributed wrapper."""

import contextlib
import functools
import logging
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import nn

from nlp_transfer.config.tasks import Scores
from nlp_transfer.errors import TrainingError
from nlp_transfer.inference.predictions import infer
from nlp_transfer.inference.store import Unfinished
from nlp_transfer.models.encoding.batches import Encoded, plan_batches
from nlp_transfer.models.encoding.padding import read_padding_trouble
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.encoding.units import CachedInputs, Inputs
from nlp_transfer.models.portable.pooled import PooledClassifier
from nlp_transfer.models.surgery.first_token import use_first_token
from nlp_transfer.strategies import Phase, Plan
from nlp_transfer.system.progress import make_bar
from nlp_transfer.system.stopping import make_stopped_error
from nlp_transfer.task import Task, calibrate
from nlp_transfer.training.checkpoints import Checkpoints, Saver
from nlp_transfer.training.history import History
from nlp_transfer.training.optimizer import make_optimizer, set_rates
from nlp_transfer.training.parameters import (
    check_reached,
    check_rested,
    copy_trained,
    count_writes,
    find_unreached,
    freeze,
    list_moving,
    load_state,
    train_mode,
)
from nlp_transfer.training.phase_inputs import PhaseInputs
from nlp_transfer.training.requests import Request, agree
from nlp_transfer.training.sharded import collect, make_room, shard
from nlp_transfer.training.solver import solve
from nlp_transfer.training.step import LossMonitor, Stepper

log = logging.getLogger(__name__)
SETTLED = 3  # optimizer steps after which everything that trains must have had a gradient


@dataclass(frozen=True)
class Settings:
    """What the loop needs beside the phases; see `TrainingConfig` for the meanings."""

    batch_size: int
    accumulation: int
    weight_decay: float
    clip: float
    patience: int | None
    label_smoothing: float
    seed: int
    cache: Path | None
    progress: bool = True


@dataclass
class PhaseState:
    """What the steps of one phase have in common.

    Attributes:
        phase: what moves, how fast and how long.
        train: what is learned from.
        live: holds the parameters that move.
        wrapped: runs the forward passes.
        optimizer: of what moves.
        trained: what moves, by name.
        before: fingerprints of what rests.
        monitor: sees that losses stay finite.
        save: writes a checkpoint.
        per_epoch: optimizer steps of an epoch.
        silent: names that no gradient has reached so far.
    """

    phase: Phase
    train: Inputs
    live: nn.Module
    wrapped: nn.Module
    optimizer: torch.optim.Optimizer
    trained: Mapping[str, nn.Parameter]
    before: Mapping[str, int]
    monitor: LossMonitor
    save: Callable[[], None]
    per_epoch: int
    silent: Collection[str]

    @property
    def total(self) -> int:
        """Optimizer steps of the phase."""
        return self.per_epoch * self.phase.epochs

    def check_gradients(self, step: int) -> None:
        """See in the first steps that the loss reaches all that should move."""
        if step <= SETTLED:
            self.silent = find_unreached(self.trained, self.silent)
        if step == min(SETTLED, self.total):
            check_reached(self.silent)


@dataclass(frozen=True)
class Trainer:
    """The parts that stay the same through all phases of one run."""

    plan: Plan
    task: Task
    train: Encoded
    validation: Encoded
    validation_rows: Any
    tokenizers: Tokenizers
    accelerator: Accelerator
    settings: Settings
    record: Callable[[dict[str, Any]], None]
    checkpoints: Checkpoints | None = None
    signals: Sequence[int] = ()  # those that came so far

    @functools.cached_property
    def _saver(self) -> Saver:
        return Saver(self.checkpoints, self.accelerator, self.plan.moving, self.settings.accumulation)

    @functools.cached_property
    def _inputs(self) -> PhaseInputs:
        return PhaseInputs(
            plan=self.plan,
            train=self.train,
            validation=self.validation,
            pad=self.tokenizers.source.pad_token_id,
            accelerator=self.accelerator,
            cache=self.settings.cache,
            seed=self.settings.seed,
            progress=self.settings.progress,
            signals=self.signals,
        )

    def fit(self) -> History:
        """Run all phases, or those left, then put the best state on validation back into the model.

        Raises:
            TrainingError: the loss or a gradient is not finite, or a parameter moved or rested against the plan.
            StoppedError: a signal ended the training; a checkpoint was written.
        """
        model = self.plan.model.to(self.accelerator.device)
        stepper = self._make_stepper(model)
        history = self._saver.restore(model)

        for phase in self.plan.phases[history.phase :]:
            if history.steps:
                self.accelerator.free_memory()  # an earlier phase's optimizer and wrapper
            freeze(model, phase.rates)
            save: Callable[[], None] = functools.partial(self._saver.save, model, history, stepper)
            try:
                self._phase(model, phase, history, stepper)
                history.phase, history.epoch, history.waited = history.phase + 1, 1, 0
            except Unfinished:
                if self._saver.start:  # still to be taken up: it stays what to go on from
                    save = _do_nothing
            self._heed(save, history, done=history.phase == len(self.plan.phases))

        load_state(model, history.state)
        return history

    def _make_stepper(self, model: nn.Module) -> Stepper:
        settings, alike = self.settings, read_padding_trouble(model) is not None
        return Stepper(self.accelerator, self.task, settings.accumulation, settings.label_smoothing, alike=alike)

    def _phase(self, model: nn.Module, phase: Phase, history: History, stepper: Stepper) -> None:
        with contextlib.ExitStack() as stack:
            train, validation = stack.enter_context(self._inputs.open(model, phase))
            if not history.epochs and not history.steps:
                self._inputs.scale_head(model, phase, train)
            if phase.solver == "lbfgs":
                self._solve(model, train, validation, phase, history)
                return
            stack.enter_context(self._inputs.use_rows(model, phase, train))
            stack.enter_context(use_first_token(model, logits_only=self.task.logits_only))
            self._epochs(model, phase, train, validation, history, stepper)

    def _solve(self, model: nn.Module, train: Inputs, validation: Inputs, phase: Phase, history: History) -> None:
        if not isinstance(model, PooledClassifier) or not isinstance(train, CachedInputs):
            raise TrainingError(
                f"phase '{phase.name}': the features do not fit in memory, and a head is solved on all of them; use "
                "fewer rows (data.limit), or for strategy.kind=frozen strategy.solver=gradient"
            )

        assert isinstance(validation, CachedInputs)  # noqa: S101 - both or neither
        started = time.perf_counter()
        assert self.task.solved_as is not None  # noqa: S101 - or there would be no such phase

        strength = solve(
            model.cpu(),
            train,
            validation,
            solved_as=self.task.solved_as,
            smoothing=self.settings.label_smoothing,
            selection=self.task.selection,
        )

        model.to(self.accelerator.device)
        facts = {"epoch": 1, "solver": {"inverse_penalty": strength}}
        self._judge(model, phase, validation, history, facts, started)

    def _epochs(
        self, model: nn.Module, phase: Phase, train: Inputs, validation: Inputs, history: History, stepper: Stepper
    ) -> None:
        """Train the epochs of a phase that are left, and choose the best state on validation after each."""
        state = self._begin(model, phase, train, history, stepper)

        while history.epoch <= phase.epochs:
            self._heed(state.save, history)
            started = time.perf_counter()
            make_room(state.live, model)
            facts = self._epoch(state, history, stepper)
            collect(state.live, model.to(self.accelerator.device), phase.rates)
            self._judge(model, phase, validation, history, facts, started)
            history.epoch += 1
            if self.settings.patience and history.waited >= self.settings.patience:
                log.info("no better validation for %d epochs: stopping phase '%s'", history.waited, phase.name)
                break

        check_rested(state.live, state.before)
        self.accelerator.unwrap_model(state.wrapped, keep_fp32_wrapper=False)

    def _begin(self, model: nn.Module, phase: Phase, train: Inputs, history: History, stepper: Stepper) -> PhaseState:
        """Make what the steps of a phase work with, after a resume as it was left."""
        live, wrapped = self._distribute(model)
        optimizer = make_optimizer(live, phase.rates, self.settings.weight_decay, head=self.plan.fresh(phase))
        prepared = self.accelerator.prepare_optimizer(optimizer)
        trained = dict(list_moving(live, phase.rates))
        before = count_writes(live, phase.rates)  # only now: the distributed wrapper copies all parameters once
        self._saver.resume(optimizer, trained, stepper)

        def save() -> None:
            self._saver.save(collect(live, model, phase.rates), history, stepper, optimizer, trained)

        return PhaseState(
            phase=phase,
            train=train,
            live=live,
            wrapped=wrapped,
            # Without a scaler the wrapper adds nothing but a search for another package, at every step.
            optimizer=prepared if self.accelerator.scaler else optimizer,
            trained=trained,
            before=before,
            monitor=LossMonitor(self.accelerator, phase.name),
            save=save,
            per_epoch=math.ceil(len(train.encoded.inputs) / self.settings.batch_size),
            silent=set(trained),
        )

    def _distribute(self, model: nn.Module) -> tuple[nn.Module, nn.Module]:
        """Give what holds the parameters that move, the model or a sharded twin of it, and what runs its steps."""
        if not self.accelerator.is_fsdp2:
            return model, self.accelerator.prepare_model(model)
        twin = shard(model, reshard_after_forward=self.accelerator.state.fsdp_plugin.reshard_after_forward)
        return twin, twin

    def _epoch(self, state: PhaseState, history: History, stepper: Stepper) -> dict[str, Any]:
        """Make the steps that are left of an epoch; returns its number, mean loss and last learning rate."""
        done = state.per_epoch * (history.epoch - 1)
        train_mode(state.live)

        for step, units in enumerate(self._batches_left(state, history), done + len(history.losses)):
            self._step(state, units, step, history, stepper)
        self._look(state, history)

        rate = set_rates(state.optimizer, done + state.per_epoch - 1, state.total, self.plan.schedule)
        facts = {"epoch": history.epoch, "loss": float(np.mean(history.losses)), "learning_rate": rate}
        history.losses = []
        return facts

    def _step(self, state: PhaseState, units: np.ndarray, step: int, history: History, stepper: Stepper) -> None:
        """Make one optimizer step, the `step`-th of its phase from 0; then do what is asked for meanwhile."""
        rate = set_rates(state.optimizer, step, state.total, self.plan.schedule)
        loss = stepper.gradients(state.wrapped, state.train, units)
        norm = self.accelerator.clip_grad_norm_(list(state.trained.values()), self.settings.clip)

        loss, request = agree(self.accelerator, loss, self._asked(history.steps + 1))
        if state.monitor.add(loss, norm, history.steps + 1, rate):
            self._look(state, history)

        state.optimizer.step()
        state.check_gradients(step + 1)
        state.optimizer.zero_grad()
        history.steps += 1

        if request.save:
            self._look(state, history)
        _obey(request, state.save, history)

    def _batches_left(self, state: PhaseState, history: History) -> Iterator[np.ndarray]:
        """Plan the batches of an epoch, and give those that an earlier attempt has not trained on, under a bar."""
        settings, epoch = self.settings, len(history.epochs)
        batches = plan_batches(self.train.lengths, settings.batch_size, seed=settings.seed, epoch=epoch)
        left, label = batches[len(history.losses) :], f"{state.phase.name} {history.epoch}/{state.phase.epochs}"
        with make_bar(len(left), label, "batch", shown=settings.progress, leave=False) as shown:
            for batch in left:
                yield batch
                shown.update()

    def _look(self, state: PhaseState, history: History) -> None:
        """Keep the losses since the last look, all of which must be finite."""
        history.losses += state.monitor.look(self._saver.name_last())

    def _heed(self, save: Callable[[], None], history: History, *, done: bool = False) -> None:
        """Save and stop where a signal came since the last step; only save where a long training is done."""
        own = Request.stop(self.signals[0]) if self.signals else Request(save=done and self._saver.is_worth())
        _, request = agree(self.accelerator, torch.zeros(()), own)
        _obey(request, save, history)

    def _asked(self, step: int) -> Request:
        """Tell what is asked of this process after a step: to stop where a signal came, to save where that is due."""
        return Request.stop(self.signals[0]) if self.signals else Request(save=self._saver.is_due(step))

    def _judge(
        self,
        model: nn.Module,
        phase: Phase,
        validation: Inputs,
        history: History,
        facts: dict[str, Any],
        started: float,
    ) -> None:
        """Score on validation, remember the best state, write the record."""
        # Judged by the main process for all: a difference in the last digit must not part them.
        scores: Scores = broadcast_object_list([self.validate(model, validation)])[0]
        value = float(scores[self.task.selection])
        if value > history.best:
            history.best, history.scores, history.waited = value, scores, 0
            history.state = copy_trained(model, self.plan.moving)
        else:
            history.waited += 1

        record = {"phase": phase.name, **facts, "step": history.steps, "validation": select_numbers(scores)}
        record["seconds"] = round(time.perf_counter() - started, 3)
        history.epochs.append(record)
        self.record(record)

    def validate(self, model: nn.Module, validation: Inputs) -> Scores:
        """Score the validation split."""
        with self.accelerator.autocast():
            results = infer(model, self.task, validation, quick=True, together=True)  # type: ignore[arg-type]
        task = calibrate(self.task, results, self.validation_rows)
        return task.score(task.decode(results, self.validation_rows, self.tokenizers), self.validation_rows)


def _obey(request: Request, save: Callable[[], None], history: History) -> None:
    """Save, and stop, as it is asked for."""
    if request.save:
        save()
    if request.signal is not None:
        raise make_stopped_error(request.signal, history.steps)


def _do_nothing() -> None:
    """Leave everything as it is."""


def select_numbers(scores: Scores) -> dict[str, float]:
    """Select the single numbers among scores."""
    return {name: value for name, value in scores.items() if isinstance(value, int | float)}
