"""Try the values of a search: Optuna proposes them, validation judges them, and weak trials end early."""

import itertools
import json
import logging
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nlp_transfer.config.load import render
from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.space import Range, Space, apply_values, name_values
from nlp_transfer.config.yaml_file import parse_yaml
from nlp_transfer.errors import ConfigError, DiskError, LostError, TrainingError
from nlp_transfer.runs.fit import validate
from nlp_transfer.runs.prepare import Prepared
from nlp_transfer.runs.resume import flatten, refuse_changes
from nlp_transfer.strategies import Plan
from nlp_transfer.system.memory import release
from nlp_transfer.system.progress import Series

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)
STUDY = "trials.db"  # in the folder of a search: Optuna's SQLite
FIRST_WHOLE = 5  # trials, before any is ended early
FIRST_LOOKS = 2  # at validation, before a trial can be ended early
REASON = "reason"  # note beside a trial whose training failed
State = Literal["whole", "stopped", "failed"]


@dataclass(frozen=True)
class Trial:
    """One setting that was tried.

    Attributes:
        number: from 1.
        values: dotted key -> value.
        state: `stopped` early, for half of the trials before were better at its last look at validation; `failed`
            where the training could not go on, as when the loss grows without end.
        validation: the score of the kept state, of a stopped trial at the last look; None if it failed.
        looks: how often validation was looked at.
        reason: why it failed.
    """

    number: int
    values: Mapping[str, Any]
    state: State
    validation: float | None
    looks: int
    reason: str = ""


@dataclass(frozen=True)
class Trials:
    """The trials of a search, which Optuna keeps in a file.

    Attributes:
        folder: of the search.
        config: what is tuned, of one seed.
        space: what may be tried.
        study: of Optuna.
    """

    folder: Path
    config: RunConfig
    space: Space
    study: "optuna.Study"

    @classmethod
    def open(cls, folder: Path, config: RunConfig, space: Space) -> "Trials":
        """Open those in a folder, or begin with none. One whose process ended before it did is left out.

        Raises:
            ConfigError: they are of another configuration or space, or the file is damaged.
        """
        import optuna
        from sqlalchemy.exc import SQLAlchemyError

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        asked = {**flatten(parse_yaml(render(config))), **{f"space {key}": str(one) for key, one in space.items()}}
        try:
            study = _open_study(folder / STUDY)
            refuse_changes(study.user_attrs.get("asked", asked), asked, folder)
            study.set_user_attr("asked", asked)
            for trial in study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
                study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        except (SQLAlchemyError, RuntimeError) as error:
            first = str(error).splitlines()[0]
            raise ConfigError(f"{folder / STUDY}: cannot be read ({first:.100}); choose another --output") from None
        return cls(folder, config, space, study)

    def list_ended(self) -> list[Trial]:
        """List the trials that have ended, in their order."""
        states: dict[str, State] = {"COMPLETE": "whole", "PRUNED": "stopped", "FAIL": "failed"}
        tried = self.study.get_trials(deepcopy=False)
        ended = [one for one in tried if one.state.name != "FAIL" or REASON in one.user_attrs]  # or it was cut off
        return [
            Trial(
                number,
                {key: self._read(key, value) for key, value in one.params.items()},
                states[one.state.name],
                one.value,
                len(one.intermediate_values),
                one.user_attrs.get(REASON, ""),
            )
            for number, one in enumerate(ended, 1)
        ]

    def run(self, count: int, series: Series, *, progress: bool) -> None:
        """Run trials until there are `count`. What is proposed depends on the seed and the trials before alone.

        Raises:
            TransferError: whatever stops the search; a training that fails does not.
        """
        import optuna

        done = len(self.list_ended())
        series.skip(min(done, count))
        for number in range(done, count):
            seed = np.random.SeedSequence([self.config.training.seed, number]).generate_state(1)[0]
            self.study.sampler = optuna.samplers.TPESampler(seed=int(seed))
            trial = self.study.ask()
            values = {key: self._propose(trial, key) for key in self.space}
            with series.run(f"trial {number + 1}: {', '.join(name_values(values))}"):
                self._try(trial, apply_values(self.config, values), progress=progress)

    def _propose(self, trial: "optuna.Trial", key: str) -> Any:
        one = self.space[key]
        if not isinstance(one, Range):  # choices may be lists and sections, and Optuna keeps plain values
            return self._read(key, trial.suggest_categorical(key, [json.dumps(choice) for choice in one]))
        if one.is_whole:
            return trial.suggest_int(key, int(one.low), int(one.high), log=one.log)
        return trial.suggest_float(key, one.low, one.high, log=one.log)

    def _read(self, key: str, kept: Any) -> Any:
        """Read a value that Optuna keeps."""
        return kept if isinstance(self.space[key], Range) else json.loads(kept)

    def _try(self, trial: "optuna.Trial", config: RunConfig, *, progress: bool) -> None:
        """Train one setting, and tell Optuna what came of it."""
        import optuna

        metric, looks = config.task_class.selection, itertools.count(1)

        def watch(scores: Mapping[str, float]) -> None:
            trial.report(scores[metric], next(looks))
            if trial.should_prune():
                raise optuna.TrialPruned

        try:
            value = validate(config, self._check, watch, progress=progress)
        except optuna.TrialPruned:
            self.study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            log.info("stopped: half of the trials before were better by now")
        except TrainingError as error:
            if isinstance(error, LostError | DiskError):
                raise
            release()
            trial.set_user_attr(REASON, str(error))
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
            log.warning("failed: %s", error)
        else:
            self.study.tell(trial, value)
            log.info("%s %.4f on validation; the best so far %.4f", metric, value, self.study.best_value)

    def _check(self, prepared: Prepared, plan: Plan) -> None:
        """Refuse a search over what has no effect, or on other rows than those of the trials before."""
        listed = prepared.list_unused(plan, varied=self.space)
        unused = [line for line in listed if line.partition(":")[0] in self.space]
        if len(unused) == len(self.space):
            raise ConfigError(f"space: {'; '.join(unused)}; so all trials would be the same")
        contents = prepared.list_contents()
        refuse_changes(self.study.user_attrs.get("contents", contents), contents, self.folder)
        self.study.set_user_attr("contents", contents)


def _open_study(path: Path) -> "optuna.Study":
    """Open the study in a file, or begin one: also where nothing was trained, for another space may be searched now."""
    import optuna

    # A connection of ours, for a path in an address of SQLAlchemy must not hold `?`, `%` or braces.
    opening = {"creator": lambda: sqlite3.connect(path, check_same_thread=False)}
    storage = optuna.storages.RDBStorage("sqlite://", engine_kwargs=opening)
    create = partial(
        optuna.create_study,
        storage=storage,
        study_name="search",
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(n_startup_trials=FIRST_WHOLE, n_warmup_steps=FIRST_LOOKS),
        load_if_exists=True,
    )
    study = create()
    if study.trials and "contents" not in study.user_attrs:
        optuna.delete_study(study_name=study.study_name, storage=storage)
        study = create()
    return study
