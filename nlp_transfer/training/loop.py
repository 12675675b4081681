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
from accelerate.utils import broadcast_object_list, gather_object
from torch import nn
from transformers import PreTrainedModel

from nlp_transfer.config.tasks import Scores
from nlp_transfer.errors import TrainingError
from nlp_transfer.inference.activations import WHOLE, PooledModel, compute, find_boundary, open_store, replay
from nlp_transfer.inference.predictions import infer
from nlp_transfer.inference.store import Unfinished
from nlp_transfer.models.anatomy import unwrapped
from nlp_transfer.models.encoding.batches import Encoded, plan_batches
from nlp_transfer.models.encoding.padding import read_padding_trouble
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.encoding.units import Boundary, CachedInputs, Inputs, TokenInputs
from nlp_transfer.models.portable.pooled import PooledClassifier
from nlp_transfer.models.surgery.embedding_rows import use_embedding_rows
from nlp_transfer.models.surgery.entry import enter_at_layer
from nlp_transfer.models.surgery.first_token import use_first_token
from nlp_transfer.strategies import Phase, Plan
from nlp_transfer.system.progress import make_bar
from nlp_transfer.system.stopping import make_stopped_error
from nlp_transfer.task import Task, calibrate
from nlp_transfer.training.checkpoints import (
    Checkpoints,
    group,
    load_optimizer_state,
    load_random_state,
    optimizer_state,
    random_state,
    ungroup,
)
from nlp_transfer.training.history import History
from nlp_transfer.training.optimizer import make_optimizer, set_rates
from nlp_transfer.training.parameters import (
    check_reached,
    check_rested,
    fingerprints,
    freeze,
    load_state,
    moving,
    train_mode,
    trained_state,
    without_gradient,
)
from nlp_transfer.training.requests import Request, agree
from nlp_transfer.training.sharded import collect, make_room, shard
from nlp_transfer.training.solver import solve, standardise
from nlp_transfer.training.step import Stepper, Watch

log = logging.getLogger(__name__)
SETTLED = 3  # optimizer steps after which everything that trains must have had a gradient
STANDARDISED_ON = 1000  # units that give a head's inputs their mean and deviation, where not all are stored
STORED_WORTH = 2  # epochs from which stored activations pay


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
class _Course:
    """What the steps of one phase have in common.

    Attributes:
        phase: what moves, how fast and how long.
        train: what is learned from.
        live: holds the parameters that move.
        wrapped: runs the forward passes.
        optimizer: of what moves.
        trained: what moves, by name.
        watch: sees that losses stay finite.
        save: writes a checkpoint.
        silent: names that no gradient has reached so far.
    """

    phase: Phase
    train: Inputs
    live: nn.Module
    wrapped: nn.Module
    optimizer: torch.optim.Optimizer
    trained: Mapping[str, nn.Parameter]
    watch: Watch
    save: Callable[[], None]
    silent: Collection[str]

    def look_for_silence(self, step: int, total: int) -> None:
        """See in the first steps that the loss reaches all that should move."""
        if step <= SETTLED:
            self.silent = without_gradient(self.trained, self.silent)
        if step == min(SETTLED, total):
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

    def fit(self) -> History:
        """Run all phases, or those left, then put the best state on validation back into the model.

        Raises:
            TrainingError: the loss or a gradient is not finite, or a parameter moved or rested against the plan.
            StoppedError: a signal ended the training; a checkpoint was written.
        """
        model = self.plan.model.to(self.accelerator.device)
        settings, alike = self.settings, read_padding_trouble(model) is not None
        stepper = Stepper(self.accelerator, self.task, settings.accumulation, settings.label_smoothing, alike=alike)
        history = History()
        if start := self.checkpoints and self.checkpoints.start:
            load_state(model, ungroup("model", start.tensors))
            history = History.restored(start.values["history"], ungroup("best", start.tensors))
            log.info("resumed at step %d from %s", history.steps, start.path)
        for phase in self.plan.phases[history.phase :]:
            if history.steps:
                self.accelerator.free_memory()  # an earlier phase's optimizer and wrapper
            freeze(model, phase.rates)
            save: Callable[[], None] = functools.partial(self._save, model, history, stepper)
            try:
                self._phase(model, phase, history, stepper)
                history.phase, history.epoch, history.waited = history.phase + 1, 1, 0
            except Unfinished:
                if self.checkpoints and self.checkpoints.start:  # still to be taken up: it stays what to go on from
                    save = _nothing
            self._heed(save, history, done=history.phase == len(self.plan.phases))
        load_state(model, history.state)
        return history

    def _phase(self, model: nn.Module, phase: Phase, history: History, stepper: Stepper) -> None:
        with contextlib.ExitStack() as stack:
            train, validation = self._units(model, phase, stack)
            # A head of the source's has a scale of its own; states of a part that is new will move too far for one.
            scaled = self.plan.settled or phase.solver == "lbfgs"
            base = unwrapped(model)
            if isinstance(base, PooledModel) and scaled and not history.epochs and not history.steps:
                standardise(base, self._features(base, train))
            if phase.solver == "lbfgs":
                self._solve(model, train, validation, phase, history)
                return
            if not isinstance(train, CachedInputs):  # what is replayed needs no embeddings, and may be without them
                splits, pad = [self.train, self.validation], self.tokenizers.source.pad_token_id
                stack.enter_context(use_embedding_rows(model, phase.rates, splits, pad))
            stack.enter_context(use_first_token(model, logits_only=self.task.logits_only))
            self._epochs(model, phase, train, validation, history, stepper)

    def _units(self, model: nn.Module, phase: Phase, stack: contextlib.ExitStack) -> tuple[Inputs, Inputs]:
        """Give both splits as tokens, or as stored activations where that is possible and pays."""
        pad = self.tokenizers.source.pad_token_id
        tokens = TokenInputs(self.train, pad), TokenInputs(self.validation, pad)
        boundary = find_boundary(model, frozenset(phase.rates))
        pays = phase.epochs >= STORED_WORTH or (boundary is not None and boundary.kind in WHOLE)
        unwanted = self.plan.cache == "none" and phase.solver != "lbfgs"  # which needs them
        if boundary is None or unwanted or not pays:
            return tokens
        assert isinstance(model, PreTrainedModel)  # noqa: S101 - find_boundary saw to it
        settings = self.settings
        with self.accelerator.autocast():
            cache = settings.cache if self.plan.cache == "disk" else None
            store = open_store(model, boundary, cache) if cache else None
            stored = []
            for units in tokens:
                found = replay(model, units, boundary, store, progress=settings.progress, signals=self.signals)
                if found is None:
                    return tokens
                stored.append(found)
        stack.enter_context(enter_at_layer(model, boundary))
        return stored[0], stored[1]

    def _features(self, model: PooledModel, train: Inputs) -> Sequence[np.ndarray]:
        """Collect the pooled states that the head starts from: those stored, or of some of the units."""
        if isinstance(train, CachedInputs) and train.boundary.kind == "pooled":
            return train.rows
        some = np.random.default_rng(self.settings.seed).permutation(len(train.encoded.inputs))[:STANDARDISED_ON]
        with self.accelerator.autocast():
            boundary, progress = Boundary("pooled"), self.settings.progress
            return compute(model, train, boundary, some, progress=progress, signals=self.signals)

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
        live, wrapped = self._distributed(model)
        optimizer = make_optimizer(live, phase.rates, self.settings.weight_decay, head=self.plan.fresh(phase))
        prepared = self.accelerator.prepare_optimizer(optimizer)
        before = fingerprints(live, phase.rates)  # only now: the distributed wrapper copies all parameters once
        trained = dict(moving(live, phase.rates))
        self._continue(optimizer, trained, stepper)

        def save() -> None:
            self._save(collect(live, model, phase.rates), history, stepper, optimizer, trained)

        # Without a scaler the wrapper adds nothing but a search for another package, at every step.
        stepping = prepared if self.accelerator.scaler else optimizer
        watch = Watch(self.accelerator, phase.name)
        course = _Course(phase, train, live, wrapped, stepping, trained, watch, save, silent=set(trained))
        while history.epoch <= phase.epochs:
            self._heed(save, history)
            started = time.perf_counter()
            make_room(live, model)
            facts = self._epoch(course, history, stepper)
            collect(live, model.to(self.accelerator.device), phase.rates)
            self._judge(model, phase, validation, history, facts, started)
            history.epoch += 1
            if self.settings.patience and history.waited >= self.settings.patience:
                log.info("no better validation for %d epochs: stopping phase '%s'", history.waited, phase.name)
                break
        check_rested(live, before)
        self.accelerator.unwrap_model(wrapped, keep_fp32_wrapper=False)

    def _epoch(self, course: _Course, history: History, stepper: Stepper) -> dict[str, Any]:
        """Make the steps that are left of an epoch; returns its number, mean loss and last learning rate."""
        settings, phase, optimizer, watch = self.settings, course.phase, course.optimizer, course.watch
        per_epoch = math.ceil(len(course.train.encoded.inputs) / settings.batch_size)
        done, total = per_epoch * (history.epoch - 1), per_epoch * phase.epochs
        train_mode(course.live)
        batches = plan_batches(self.train.lengths, settings.batch_size, seed=settings.seed, epoch=len(history.epochs))
        left = batches[len(history.losses) :]
        progress = self._progress(left, f"{phase.name} {history.epoch}/{phase.epochs}")
        for step, units in enumerate(progress, done + len(history.losses)):
            rate = set_rates(optimizer, step, total, self.plan.schedule)
            loss = stepper.gradients(course.wrapped, course.train, units)
            norm = self.accelerator.clip_grad_norm_(list(course.trained.values()), settings.clip)
            loss, request = agree(self.accelerator, loss, self._asked(history.steps + 1))
            if watch.add(loss, norm, history.steps + 1, rate):
                history.losses += watch.look(self._last_good())
            optimizer.step()
            course.look_for_silence(step + 1, total)
            optimizer.zero_grad()
            history.steps += 1
            if request.save:
                history.losses += watch.look(self._last_good())
            _obey(request, course.save, history)
        history.losses += watch.look(self._last_good())
        rate = set_rates(optimizer, done + per_epoch - 1, total, self.plan.schedule)
        facts = {"epoch": history.epoch, "loss": float(np.mean(history.losses)), "learning_rate": rate}
        history.losses = []
        return facts

    def _distributed(self, model: nn.Module) -> tuple[nn.Module, nn.Module]:
        """Give what holds the parameters that move, the model or a sharded twin of it, and what runs its steps."""
        if not self.accelerator.is_fsdp2:
            return model, self.accelerator.prepare_model(model)
        twin = shard(model, reshard_after_forward=self.accelerator.state.fsdp_plugin.reshard_after_forward)
        return twin, twin

    def _continue(
        self, optimizer: torch.optim.Optimizer, trained: Mapping[str, nn.Parameter], stepper: Stepper
    ) -> None:
        """Give optimizer and generators back what they held, once after a resume."""
        if self.checkpoints is None or self.checkpoints.start is None:
            return
        start, self.checkpoints.start = self.checkpoints.start, None
        load_optimizer_state(optimizer, trained, ungroup("optimizer", start.tensors))
        stepper.pieces *= start.values.get("halved", 1)
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(start.values["scaler"])
        if state := ungroup(f"random/{self.accelerator.process_index}", start.tensors):
            load_random_state(state)

    def _save(
        self,
        model: nn.Module,
        history: History,
        stepper: Stepper,
        optimizer: torch.optim.Optimizer | None = None,
        trained: Mapping[str, nn.Parameter] | None = None,
    ) -> None:
        """Write a checkpoint of the state between two steps, or, where nothing has moments yet, two phases."""
        if self.checkpoints is None:
            return
        generators = gather_object([random_state()])
        moments = optimizer_state(optimizer, trained) if optimizer and trained else {}  # may be shared out: all ask
        if self.accelerator.is_main_process:
            tensors = {
                **group("model", trained_state(model, self.plan.moving)),
                **group("optimizer", moments),
                **group("best", history.state),
            }
            for index, state in enumerate(generators):
                tensors |= group(f"random/{index}", state)
            scaler = self.accelerator.scaler
            values = {"history": history.values(), "halved": stepper.pieces // self.settings.accumulation}
            values["scaler"] = scaler.state_dict() if scaler is not None else None
            self.checkpoints.save(history.steps, values, tensors)
        self.accelerator.wait_for_everyone()

    def _heed(self, save: Callable[[], None], history: History, *, done: bool = False) -> None:
        """Save and stop where a signal came since the last step; only save where a long training is done."""
        speaks, checkpoints = self.accelerator.is_main_process, self.checkpoints
        keep = done and speaks and checkpoints is not None and checkpoints.worth()
        own = Request.stop(self.signals[0]) if self.signals else Request(save=keep)
        _, request = agree(self.accelerator, torch.zeros(()), own)
        _obey(request, save, history)

    def _asked(self, step: int) -> Request:
        """Tell what is asked of this process after a step: to stop where a signal came, to save where that is due."""
        if self.signals:
            return Request.stop(self.signals[0])
        due = self.checkpoints is not None and self.accelerator.is_main_process and self.checkpoints.due(step)
        return Request(save=due)

    def _last_good(self) -> str:
        last = self.checkpoints.last if self.checkpoints else None
        return f"the last good checkpoint is {last}" if last else "there is no checkpoint yet, and nothing was saved"

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
            history.state = trained_state(model, self.plan.moving)
        else:
            history.waited += 1
        record = {"phase": phase.name, **facts, "step": history.steps, "validation": flat(scores)}
        record["seconds"] = round(time.perf_counter() - started, 3)
        history.epochs.append(record)
        self.record(record)

    def validate(self, model: nn.Module, validation: Inputs) -> Scores:
        """Score the validation split."""
        with self.accelerator.autocast():
            results = infer(model, self.task, validation, quick=True, together=True)  # type: ignore[arg-type]
        task = calibrate(self.task, results, self.validation_rows)
        return task.score(task.decode(results, self.validation_rows, self.tokenizers), self.validation_rows)

    def _progress(self, batches: list[np.ndarray], label: str) -> Iterator[np.ndarray]:
        with make_bar(len(batches), label, "batch", shown=self.settings.progress, leave=False) as shown:
            for batch in batches:
                yield batch
                shown.update()


def _obey(request: Request, save: Callable[[], None], history: History) -> None:
    """Save, and stop, as it is asked for."""
    if request.save:
        save()
    if request.signal is not None:
        raise make_stopped_error(request.signal, history.steps)


def _nothing() -> None:
    """Leave everything as it is."""


def flat(scores: Scores) -> dict[str, float]:
    """Select the single numbers among scores."""
    return {name: value for name, value in scores.items() if isinstance(value, int | float)}
