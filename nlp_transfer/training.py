"""The training loop: phases in order, each with its own optimizer, schedule and distributed wrapper."""

import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn
from tqdm import tqdm
from transformers import PreTrainedModel

from nlp_transfer.batching import Encoded, plan
from nlp_transfer.errors import TrainingError
from nlp_transfer.evaluation import infer
from nlp_transfer.features import (
    WHOLE,
    Boundary,
    PooledModel,
    ReplayUnits,
    TokenUnits,
    Units,
    compute,
    find_boundary,
    open_store,
    replay,
    replaying,
)
from nlp_transfer.modeling.pooled import PooledClassifier
from nlp_transfer.optimizers import make_optimizer, rate_factor
from nlp_transfer.parameters import (
    check_moved,
    check_rested,
    fingerprints,
    freeze,
    load_state,
    moving,
    restricted,
    train_mode,
    trained_state,
)
from nlp_transfer.solvers import solve, standardise
from nlp_transfer.strategies import Phase, Plan
from nlp_transfer.task import Scores, Task, Tokenizers

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
class History:
    """What happened, epoch by epoch, and the best state seen on validation."""

    epochs: list[dict[str, Any]] = field(default_factory=list)
    best: float = -math.inf
    scores: Scores = field(default_factory=dict)
    state: dict[str, Tensor] = field(default_factory=dict)
    steps: int = 0
    waited: int = 0


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

    def fit(self) -> History:
        """Run all phases, then put the best state on validation back into the model.

        Raises:
            TrainingError: the loss or a gradient is not finite, or a parameter moved or rested against the plan.
        """
        history = History()
        model = self.plan.model.to(self.accelerator.device)
        for phase in self.plan.phases:
            if history.steps:
                self.accelerator.free_memory()  # an earlier phase's optimizer and wrapper
            freeze(model, phase.rates)
            self._phase(model, phase, history)
        load_state(model, history.state)
        return history

    def _phase(self, model: nn.Module, phase: Phase, history: History) -> None:
        history.waited = 0
        with contextlib.ExitStack() as stack:
            train, validation = self._units(model, phase, stack)
            # States of a part that is new itself will move too far for it.
            settled = all(name.startswith("head.") for name in self.plan.new)
            base = model.get_base_model() if self.plan.adapter else model  # type: ignore[operator]
            if isinstance(base, PooledModel) and settled and not history.epochs:
                standardise(base, self._features(base, train))
            if phase.solver == "lbfgs":
                self._solve(model, train, validation, phase, history)
                return
            stack.enter_context(restricted(model, phase.rates, [self.train, self.validation]))
            self._epochs(model, phase, train, validation, history)

    def _units(self, model: nn.Module, phase: Phase, stack: contextlib.ExitStack) -> tuple[Units, Units]:
        """Both splits as tokens, or as stored activations where that is possible and pays."""
        pad = self.tokenizers.source.pad_token_id
        tokens = TokenUnits(self.train, pad), TokenUnits(self.validation, pad)
        boundary = find_boundary(model, frozenset(phase.rates))
        pays = phase.epochs >= STORED_WORTH or (boundary is not None and boundary.kind in WHOLE)
        if boundary is None or self.plan.cache == "none" or not pays:
            return tokens
        assert isinstance(model, PreTrainedModel)  # noqa: S101 - find_boundary saw to it
        settings = self.settings
        with self.accelerator.autocast():
            cache = settings.cache if self.plan.cache == "disk" else None
            store = open_store(model, boundary, cache) if cache else None
            stored = [replay(model, units, boundary, store, progress=settings.progress) for units in tokens]
        train, validation = stored
        if train is None or validation is None:
            return tokens
        stack.enter_context(replaying(model, boundary))
        return train, validation

    def _features(self, model: PooledModel, train: Units) -> Sequence[np.ndarray]:
        """Pooled states that the head starts from: those stored, or of some of the units."""
        if isinstance(train, ReplayUnits) and train.boundary.kind == "pooled":
            return train.rows
        some = np.random.default_rng(self.settings.seed).permutation(len(train.encoded.inputs))[:STANDARDISED_ON]
        with self.accelerator.autocast():
            return compute(model, train, Boundary("pooled"), some, progress=self.settings.progress)

    def _solve(self, model: nn.Module, train: Units, validation: Units, phase: Phase, history: History) -> None:
        if not isinstance(model, PooledClassifier) or not isinstance(train, ReplayUnits):
            raise TrainingError(
                f"phase '{phase.name}': the features do not fit in memory; use strategy.solver=gradient"
            )
        assert isinstance(validation, ReplayUnits)  # noqa: S101 - both or neither
        started = time.perf_counter()
        solved = solve(model.cpu(), train, validation)
        model.to(self.accelerator.device)
        self._judge(model, phase, validation, history, {"epoch": 1, "solver": solved}, started)

    def _epochs(self, model: nn.Module, phase: Phase, train: Units, validation: Units, history: History) -> None:
        settings = self.settings
        optimizer = make_optimizer(model, phase.rates, settings.weight_decay)
        wrapped, optimizer = self.accelerator.prepare(model, optimizer)
        before = fingerprints(model, phase.rates)  # only now: the distributed wrapper copies all parameters once
        per_epoch = math.ceil(len(train.encoded.inputs) / settings.batch_size)
        total = per_epoch * phase.epochs
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer.optimizer, lambda step: rate_factor(step, total, phase))
        trained = dict(moving(model, phase.rates))
        start = {name: parameter.detach().clone() for name, parameter in trained.items()}
        step = 0
        for epoch in range(1, phase.epochs + 1):
            started = time.perf_counter()
            train_mode(model)
            batches = plan(self.train.lengths, settings.batch_size, seed=settings.seed, epoch=len(history.epochs))
            losses = []
            for units in self._progress(batches, f"{phase.name} {epoch}/{phase.epochs}"):
                loss = self._accumulate(wrapped, train, units)
                norm = self.accelerator.clip_grad_norm_(list(trained.values()), settings.clip)
                rate = scheduler.get_last_lr()[-1]
                self._refuse_nonfinite(loss, norm, phase, history.steps + 1, rate)
                optimizer.step()
                scheduler.step()
                step += 1
                if step == min(SETTLED, total):
                    check_moved(model, start)
                    start.clear()
                optimizer.zero_grad()
                losses.append(loss)
                history.steps += 1
            facts = {"epoch": epoch, "loss": float(np.mean(losses)), "learning_rate": float(rate)}
            self._judge(model, phase, validation, history, facts, started)
            if settings.patience and history.waited >= settings.patience:
                log.info("no better validation for %d epochs: stopping phase '%s'", history.waited, phase.name)
                break
        check_rested(model, before)
        self.accelerator.unwrap_model(wrapped, keep_fp32_wrapper=False)

    def _accumulate(self, wrapped: nn.Module, train: Units, units: np.ndarray) -> float:
        """Forward and backward over one batch: this process's share, in pieces; the gradient is of the batch's mean."""
        accelerator, settings = self.accelerator, self.settings
        # Not the batch's own weight: that would cancel what the weights say where like units meet in one batch.
        weight = len(units) * train.encoded.mean_weight
        share = units[accelerator.process_index :: accelerator.num_processes]
        pieces = np.array_split(share, max(1, min(settings.accumulation, len(share))))
        total = 0.0
        for index, piece in enumerate(pieces):
            last = index == len(pieces) - 1
            # A process without a share still takes part in the exchange of gradients, with a weightless loss.
            batch = train.batch(piece if len(piece) else units[:1]).to(accelerator.device)
            with contextlib.nullcontext() if last else accelerator.no_sync(wrapped):
                with accelerator.autocast():
                    loss = self.task.loss(wrapped, batch, smoothing=settings.label_smoothing) / weight
                if not len(piece):
                    loss = loss * 0.0
                accelerator.backward(loss * accelerator.num_processes)  # the exchange averages over processes
            total += loss.item()
        if accelerator.num_processes > 1:
            total = float(accelerator.reduce(torch.tensor(total, device=accelerator.device), "sum"))
        return total

    def _refuse_nonfinite(self, loss: float, norm: Any, phase: Phase, step: int, rate: Any) -> None:
        scaled = self.accelerator.scaler is not None  # fp16 skips steps that overflow, by design
        if math.isfinite(loss) and (scaled or norm is None or math.isfinite(float(norm))):
            return
        raise TrainingError(
            f"the loss is {loss} and the gradient norm {float(norm):.3g} at step {step} (phase {phase.name!r}, "
            f"learning rate {rate:.3g}); nothing was saved from it. Try a lower training.learning_rate or "
            "training.precision=fp32"
        )

    def _judge(
        self, model: nn.Module, phase: Phase, validation: Units, history: History, facts: dict[str, Any], started: float
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

    def validate(self, model: nn.Module, validation: Units) -> Scores:
        """Scores on the validation split."""
        with self.accelerator.autocast():
            results = infer(model, self.task, validation, quick=True)  # type: ignore[arg-type]
        said = self.task.decode(results, self.validation_rows, self.tokenizers)
        return self.task.score(said, self.validation_rows)

    def _progress(self, batches: list[np.ndarray], label: str) -> Iterator[np.ndarray]:
        show = self.settings.progress and self.accelerator.is_main_process
        yield from tqdm(batches, desc=label, unit="batch", disable=None if show else True, leave=False)


def flat(scores: Scores) -> dict[str, float]:
    """The single numbers among scores."""
    return {name: value for name, value in scores.items() if isinstance(value, int | float)}
