"""The training loop: phases in order, the epochs of each, and the best state on validation at the end."""

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import nn

from nlp_transfer.errors import ConfigError, TrainingError
from nlp_transfer.inference.store import Unfinished
from nlp_transfer.models.anatomy import unwrap
from nlp_transfer.models.dropout import use_quick_dropout
from nlp_transfer.models.encoding.batches import Encoded
from nlp_transfer.models.encoding.padding import read_padding_trouble
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.encoding.units import CachedInputs, Inputs
from nlp_transfer.models.portable.pooled import PooledClassifier
from nlp_transfer.models.sharing import SharedModel
from nlp_transfer.models.surgery.first_token import use_first_token
from nlp_transfer.models.surgery.packed import use_packing
from nlp_transfer.strategies import Phase, Plan
from nlp_transfer.strategies.mixing import is_mixed
from nlp_transfer.task import Task
from nlp_transfer.training.attempt import Attempt, Settings
from nlp_transfer.training.checkpoints import Checkpoints, Saver
from nlp_transfer.training.history import History
from nlp_transfer.training.joint_judge import JointJudge
from nlp_transfer.training.judge import Judge
from nlp_transfer.training.mixture import Mixture
from nlp_transfer.training.parameters import copy_trained, freeze
from nlp_transfer.training.phase_inputs import PhaseInputs
from nlp_transfer.training.phase_steps import begin_steps
from nlp_transfer.training.several import Tasks
from nlp_transfer.training.sharded import collect, make_room
from nlp_transfer.training.solver import solve, solve_again
from nlp_transfer.training.step import Stepper

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trainer:
    """Train a model through all phases of its plan.

    Attributes:
        plan: the model and the phases.
        task: gives loss, scores and the score that chooses the best state; of several tasks, the losses.
        train: what is learned from.
        validation: what the best state is chosen on, encoded.
        validation_rows: the same as rows.
        tokenizers: of the model.
        accelerator: of the run.
        settings: the same in all phases.
        record: is given the facts of each epoch.
        checkpoints: when and where to save; None: never.
        signals: the signals that have come so far; it grows while the training runs.
        joint: judges several tasks; None if there is one.
        unlabelled: texts of another domain, encoded, where the plan moves towards them.
    """

    plan: Plan
    task: Task | Tasks
    train: Encoded
    validation: Encoded
    validation_rows: Any
    tokenizers: Tokenizers
    accelerator: Accelerator
    settings: Settings
    record: Callable[[dict[str, Any]], None]
    checkpoints: Checkpoints | None = None
    signals: Sequence[int] = ()
    joint: JointJudge | None = None
    unlabelled: Encoded | None = None

    def fit(self) -> History:
        """Run all phases, or those that are left after a resume; then load the best state into the model.

        Raises:
            TrainingError: the loss or a gradient is not finite, or a parameter moved or rested against the plan.
            StoppedError: a signal ended the training; a checkpoint was written.
        """
        model = self.plan.model.to(self.accelerator.device)
        if self.accelerator.process_index:  # the first process drops and hides what one alone would, each other its own
            set_seed(self.settings.seed, device_specific=True)
        attempt = self._begin_attempt(model)
        history, saver = attempt.history, attempt.saver

        for phase in self.plan.phases[history.phase :]:
            if history.steps:
                self.accelerator.free_memory()  # an earlier phase's optimizer and wrapper
            freeze(model, phase.rates)
            save: Callable[[], None] = functools.partial(saver.save, model, history, attempt.stepper)

            try:
                self._run_phase(model, phase, attempt)
                history.phase, history.epoch, history.waited = history.phase + 1, 1, 0
            except Unfinished:  # a signal came while activations were computed
                if saver.start:  # the checkpoint that was to be resumed holds more than a new one would
                    save = _do_nothing
            attempt.heed(save, done=history.phase == len(self.plan.phases))

        self._judge.restore(model, history)
        return history

    def _begin_attempt(self, model: nn.Module) -> Attempt:
        """Begin at the checkpoint to resume from, or anew."""
        settings, alike = self.settings, read_padding_trouble(model) is not None
        pieces = settings.accumulation or 1  # with `auto` each phase limits the tokens of a pass instead
        saver = Saver(self.checkpoints, self.accelerator, self.plan.moving, pieces)
        return Attempt(
            plan=self.plan,
            settings=settings,
            accelerator=self.accelerator,
            stepper=Stepper(
                self.accelerator, self.task, pieces, settings.label_smoothing, alike=alike, mixture=self._mixture
            ),
            saver=saver,
            history=saver.restore(model),
            signals=self.signals,
        )

    @functools.cached_property
    def _inputs(self) -> PhaseInputs:
        return PhaseInputs(
            plan=self.plan,
            train=self.train,
            validation=self.validation,
            unlabelled=self.unlabelled,
            pad=self.tokenizers.source.pad_token_id,
            accelerator=self.accelerator,
            cache=self.settings.cache,
            seed=self.settings.seed,
            progress=self.settings.progress,
            signals=self.signals,
        )

    @functools.cached_property
    def _mixture(self) -> Mixture | None:
        """The texts without labels that are mixed into batches, if some are."""
        if self.plan.masked is None or self.unlabelled is None:
            return None
        if self.accelerator.is_fsdp2:
            raise ConfigError("strategy.adaptation: mlm needs whole copies of the model in each process, without FSDP")
        way = self.plan.adaptation
        return Mixture.make(
            self.plan.masked,
            self.unlabelled,
            self.tokenizers.source,
            labelled=len(self.train.inputs),
            batch_size=self.settings.batch_size,
            seed=self.settings.seed,
            share=way.share if way else None,
        )

    @functools.cached_property
    def _judge(self) -> Judge | JointJudge:
        if self.joint is not None:
            return self.joint
        assert isinstance(self.task, Task)  # noqa: S101 - several tasks have a judge of their own
        return Judge(
            task=self.task,
            rows=self.validation_rows,
            tokenizers=self.tokenizers,
            accelerator=self.accelerator,
            moving=self.plan.moving,
            record=self.record,
            last=self.settings.last,
            mixture=self._mixture,
            mixed={phase.name for phase in self.plan.phases if is_mixed(phase)},
        )

    def _run_phase(self, model: nn.Module, phase: Phase, attempt: Attempt) -> None:
        """Open the inputs of a phase, then solve it in one step, or train its epochs."""
        history = attempt.history
        with contextlib.ExitStack() as stack:
            train, validation, there = stack.enter_context(self._inputs.open(model, phase))
            if not history.epochs and not history.steps:
                self._inputs.scale_head(model, phase, train)

            if phase.solver == "lbfgs":
                self._solve_head(model, phase, train, validation, there, history)
                return

            stack.enter_context(self._inputs.use_rows(model, phase, train))
            alone = not isinstance(model, SharedModel)  # whose members use shortcuts in turn
            if alone and not is_mixed(phase):  # else each labelled pass does so for itself
                stack.enter_context(use_first_token(model, logits_only=self.task.logits_only))
            if not self.accelerator.is_fsdp2:  # whose twin has modules of its own
                if alone:
                    stack.enter_context(use_packing(model))
                stack.enter_context(use_quick_dropout(model))
            self._train_epochs(model, phase, train, validation, attempt)

    def _solve_head(
        self,
        model: nn.Module,
        phase: Phase,
        train: Inputs,
        validation: Inputs,
        there: Inputs | None,
        history: History,
    ) -> None:
        """Solve the linear head on stored features, which counts as one epoch; `there` is another domain.

        Raises:
            TrainingError: the features do not fit in memory.
        """
        base = unwrap(model.cpu())
        if not isinstance(base, PooledClassifier) or not isinstance(train, CachedInputs):
            raise TrainingError(
                f"phase '{phase.name}': the features do not fit in memory, and a head is solved on all of them; use "
                "fewer rows (data.limit), or for strategy.kind=frozen strategy.solver=gradient"
            )
        assert isinstance(validation, CachedInputs)  # noqa: S101 - all or none
        way = self.plan.adaptation
        assert self.task.solved_as is not None  # noqa: S101 - or there would be no such phase

        started = time.perf_counter()
        chosen = solve(
            base,
            train,
            validation,
            solved_as=self.task.solved_as,
            smoothing=self.settings.label_smoothing,
            selection=self.task.selection,
            weighing=self.task.chooses_weights,
            towards=(way, there) if way and isinstance(there, CachedInputs) else None,
        )
        model.to(self.accelerator.device)

        history.trained += 1
        again = self.settings.learn_all and len(self.plan.phases) == 1 and way is None
        facts = {"epoch": 1, "solver": {**chosen.describe(), **({"again": "with validation"} if again else {})}}
        self._judge.judge(model, validation, history, phase=phase.name, facts=facts, started=started)
        if again:
            model.cpu()
            smoothing = self.settings.label_smoothing
            solve_again(base, train, validation, chosen, solved_as=self.task.solved_as, smoothing=smoothing)
            history.state = copy_trained(model.to(self.accelerator.device), self.plan.moving)

    def _train_epochs(
        self, model: nn.Module, phase: Phase, train: Inputs, validation: Inputs, attempt: Attempt
    ) -> None:
        """Train the epochs of a phase that are left, and score those on validation that are to be judged."""
        history, patience = attempt.history, self.settings.patience
        steps = begin_steps(attempt, model, phase, train)
        started = time.perf_counter()

        while history.epoch <= phase.epochs:
            attempt.heed(steps.save)
            make_room(steps.live, model)
            facts = steps.train_epoch()
            history.trained += 1

            if phase.is_judged(history.epoch):
                collect(steps.live, model.to(self.accelerator.device), phase.rates)
                self._judge.judge(model, validation, history, phase=phase.name, facts=facts, started=started)
                started = time.perf_counter()

            history.epoch += 1
            if patience and history.waited >= patience:
                epochs = history.waited * phase.judged
                log.info("no better validation for %d epochs: stopping phase '%s'", epochs, phase.name)
                break

        steps.end()


def _do_nothing() -> None:
    """Leave everything as it is."""
