"""The optimizer steps of one phase. `PhaseSteps.make_step` shows one from the gradients to what follows it."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from nlp_transfer.models.encoding.mixing import count_batches, plan_epoch
from nlp_transfer.models.encoding.units import Inputs
from nlp_transfer.models.sharing import SharedModel
from nlp_transfer.strategies import Phase
from nlp_transfer.strategies.mixing import is_mixed
from nlp_transfer.system.progress import make_bar
from nlp_transfer.training.attempt import Attempt
from nlp_transfer.training.graphs import GraphedSteps, begin_graphs, prepare_inputs
from nlp_transfer.training.memory import choose_budget
from nlp_transfer.training.optimizer import make_moments, make_optimizer, set_rates
from nlp_transfer.training.parameters import (
    check_reached,
    check_rested,
    count_writes,
    find_unreached,
    list_moving,
    set_train_mode,
)
from nlp_transfer.training.several import Cosines, Tasks
from nlp_transfer.training.sharded import collect, shard
from nlp_transfer.training.step import LossMonitor

SETTLED = 3  # optimizer steps after which everything that trains must have had a gradient


@dataclass
class PhaseSteps:
    """What the steps of one phase work with.

    Attributes:
        attempt: the training that the phase is a part of.
        phase: what moves, how fast and for how many epochs.
        train: the inputs and targets to learn from.
        live: the module that holds the parameters: the model, or its sharded twin.
        wrapped: the same, wrapped for several processes; runs the forward passes.
        optimizer: of the parameters that move.
        trained: name -> parameter that moves.
        before: name -> write counter of each parameter that must rest.
        save: writes a checkpoint.
        monitor: refuses losses that are not finite.
        silent: names of the moving parameters that no gradient has reached so far.
        graphs: makes whole steps at once, where that is possible and pays.
        cosines: looks at the gradients of several tasks; None if there is one.
        settled: optimizer steps of the phase after which everything that trains must have had a gradient; 0: unknown.
    """

    attempt: Attempt
    phase: Phase
    train: Inputs
    live: nn.Module
    wrapped: nn.Module
    optimizer: torch.optim.Optimizer
    trained: Mapping[str, nn.Parameter]
    before: Mapping[str, int]
    save: Callable[[], None]
    monitor: LossMonitor
    silent: Collection[str]
    graphs: GraphedSteps | None
    cosines: Cosines | None
    settled: int

    @property
    def per_epoch(self) -> int:
        """Optimizer steps of an epoch."""
        return count_batches(self.train.encoded, self.attempt.settings.batch_size)

    @property
    def total(self) -> int:
        """Optimizer steps of the phase."""
        return self.per_epoch * self.phase.epochs

    def train_epoch(self) -> dict[str, Any]:
        """Make the steps of this epoch that are left; return its number, mean loss and last learning rate."""
        history = self.attempt.history
        done = self.per_epoch * (history.epoch - 1)
        set_train_mode(self.live)

        for step, units in enumerate(self._stream_batches(), done + len(history.losses)):
            self.make_step(units, step)
        self._collect_losses()

        rate = set_rates(self.optimizer, done + self.per_epoch - 1, self.total, self.attempt.plan.schedule)
        facts = {"epoch": history.epoch, "loss": float(np.mean(history.losses)), "learning_rate": rate}
        history.losses = []
        return {**facts, "gradient_cosines": self.cosines.collect()} if self.cosines else facts

    def make_step(self, units: np.ndarray, step: int) -> None:
        """Make one optimizer step, then do what is asked for: save, or save and stop.

        Args:
            units: the numbers of the units in its batch.
            step: its number in the phase, from 0.
        """
        attempt = self.attempt
        number = attempt.history.steps + 1  # counted over all phases
        rate = set_rates(self.optimizer, step, self.total, attempt.plan.schedule)
        replayed = self.graphs.replay(units) if self.graphs else None
        loss, norm = replayed or self._compute_gradients(units)
        if self.cosines:
            self.cosines.note(units, step % self.per_epoch)

        # Losses are looked at before the optimizer moves anything; on a GPU those of several steps together.
        loss, request = attempt.agree(loss, save=attempt.saver.is_due(number))
        if self.monitor.add(loss, norm, number, rate):
            self._collect_losses()

        if not replayed:  # else it has moved already
            self.optimizer.step()
        self._check_gradients(step + 1)
        self.optimizer.zero_grad()
        attempt.history.steps = number

        if request.save:
            self._collect_losses()
        attempt.obey(request, self.save)

    def end(self) -> None:
        """Make sure that what should rest did, and take the wrapper off the model.

        Raises:
            TrainingError: a frozen parameter was written to.
        """
        check_rested(self.live, self.before)
        if self.graphs:
            self.graphs.end()
        self.attempt.accelerator.unwrap_model(self.wrapped, keep_fp32_wrapper=False)

    def _compute_gradients(self, units: np.ndarray) -> tuple[Tensor, Any]:
        """Leave the clipped gradients of a batch in the parameters; return its loss () and their norm before."""
        attempt = self.attempt
        loss = attempt.stepper.compute_gradients(self.wrapped, self.train, units)
        return loss, attempt.accelerator.clip_grad_norm_(list(self.trained.values()), attempt.settings.clip)

    def _stream_batches(self) -> Iterator[np.ndarray]:
        """Yield the batches of this epoch that no earlier attempt has trained on, and show a bar.

        Meanwhile the stepper has the texts without labels that are mixed with each, if some are.
        """
        settings, history = self.attempt.settings, self.attempt.history
        batches = plan_epoch(
            self.train.encoded,
            settings.batch_size,
            seed=settings.seed,
            epoch=history.trained,
            sampling=settings.sampling,
        )
        mixture = self.attempt.stepper.mixture if is_mixed(self.phase) else None
        texts = mixture.plan_steps(len(batches), epoch=history.trained) if mixture else [None] * len(batches)
        left = list(zip(batches, texts, strict=True))[len(history.losses) :]

        label = f"{self.phase.name} {history.epoch}/{self.phase.epochs}"
        with make_bar(len(left), label, "batch", shown=settings.progress, leave=False) as shown:
            for batch, self.attempt.stepper.texts in left:
                yield batch
                shown.update()

    def _collect_losses(self) -> None:
        """Move the losses since the last look into the history; all must be finite."""
        self.attempt.history.losses += self.monitor.look(self.attempt.saver.name_last())

    def _check_gradients(self, done: int) -> None:
        """Check in the first steps that the loss reaches all that should move; `done` counts the steps."""
        if done <= self.settled:
            self.silent = find_unreached(self.trained, self.silent)
        if done == self.settled:
            check_reached(self.silent)


def begin_steps(attempt: Attempt, model: nn.Module, phase: Phase, train: Inputs) -> PhaseSteps:
    """Make what the steps of a phase work with. After a resume, optimizer and random numbers go on where they stood."""
    accelerator, history = attempt.accelerator, attempt.history
    if attempt.settings.accumulation is None:
        attempt.stepper.budget = _agree_on_budget(attempt, model, phase, train)
    attempt.saver.resume_passes(attempt.stepper)
    live, wrapped = _distribute(accelerator, model)
    resident = None if is_mixed(phase) else prepare_inputs(attempt, phase, model, train)
    optimizer = make_optimizer(
        live,
        phase.rates,
        attempt.settings.weight_decay,
        head=attempt.plan.select_fresh(phase),
        rates_on=accelerator.device if resident else None,
    )
    if resident:
        make_moments(optimizer)
    prepared = accelerator.prepare_optimizer(optimizer)
    trained = dict(list_moving(live, phase.rates))
    before = count_writes(live, phase.rates)  # only now: the distributed wrapper copies all parameters once
    attempt.saver.resume(optimizer, trained)

    def save() -> None:
        attempt.saver.save(collect(live, model, phase.rates), history, attempt.stepper, optimizer, trained)

    cosines, settled = None, min(SETTLED, count_batches(train.encoded, attempt.settings.batch_size) * phase.epochs)
    if isinstance(attempt.stepper.task, Tasks) and isinstance(live, SharedModel):
        shared = [one for one in live.list_shared() if one.requires_grad]
        cosines = Cosines(attempt.stepper.task, shared) if shared else None  # else the heads alone move
        begun = history.epoch > 1 or history.losses
        # The heads get their gradients in turn; after a resume some may have had theirs.
        settled = 0 if begun else count_batches(train.encoded, attempt.settings.batch_size)

    return PhaseSteps(
        attempt=attempt,
        phase=phase,
        train=train,
        live=live,
        wrapped=wrapped,
        # Without a scaler the wrapper adds nothing but a search for another package, at every step.
        optimizer=prepared if accelerator.scaler else optimizer,
        trained=trained,
        before=before,
        save=save,
        monitor=LossMonitor(accelerator, phase.name),
        silent=set(trained),
        graphs=begin_graphs(attempt, resident, wrapped, optimizer, train.encoded.mean_weight) if resident else None,
        cosines=cosines,
        settled=settled,
    )


def _agree_on_budget(attempt: Attempt, model: nn.Module, phase: Phase, train: Inputs) -> int | None:
    """Choose the most tokens of a pass in a phase; of several processes the one with the least memory decides."""
    moved = sum(parameter.nbytes for _, parameter in list_moving(model, phase.rates))
    with attempt.accelerator.autocast():
        budget = choose_budget(model, attempt.stepper.task, train, moved)
    return budget if budget is None else min(gather_object([budget]))


def _distribute(accelerator: Accelerator, model: nn.Module) -> tuple[nn.Module, nn.Module]:
    """Return the module that holds the moving parameters, and the one that runs their forward passes.

    Sharding makes a twin that does both. Otherwise the model holds them, and a wrapper for several processes runs it.
    """
    if not accelerator.is_fsdp2:
        return model, accelerator.prepare_model(model)
    twin = shard(model, reshard_after_forward=accelerator.state.fsdp_plugin.reshard_after_forward)
    return twin, twin
