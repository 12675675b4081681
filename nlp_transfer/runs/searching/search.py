"""Search for better settings of a configuration by validation, and say on test what that was worth."""

import importlib.util
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nlp_transfer.config.load import load_config
from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.space import Range, apply_values, check_space, name_values, read_space
from nlp_transfer.config.tasks import SCORED
from nlp_transfer.data.given import take_splits
from nlp_transfer.errors import ConfigError, TrainingError, count_things, explain_missing
from nlp_transfer.evaluation.metrics import Interval, bootstrap_difference
from nlp_transfer.evaluation.verdicts import compare_with_parts, rename_method, render_table
from nlp_transfer.models.saving import write_json
from nlp_transfer.runs.alike import name_fault
from nlp_transfer.runs.combine import refuse_other_data
from nlp_transfer.runs.folder import warn_of_outputs
from nlp_transfer.runs.measure import SimpleMethods
from nlp_transfer.runs.result import RunResult
from nlp_transfer.runs.run import BEGUN_WITH, advise, hold_folder, run_in
from nlp_transfer.runs.searching.trials import STUDY, Trial, Trials
from nlp_transfer.runs.trackers import list_trackers
from nlp_transfer.system.alone import claim_process
from nlp_transfer.system.layout import SEARCH
from nlp_transfer.system.progress import Series
from nlp_transfer.system.received import refuse_no_path

log = logging.getLogger(__name__)
BEST, UNCHANGED = "best", "unchanged"  # folders of the two runs that answer test


@dataclass(frozen=True)
class Search:
    """A finished search.

    Attributes:
        folder: holds search.json, Optuna's trials.db, and two run folders, `best` and `unchanged`.
        score: the name of what validation chose by.
        trials: all that was tried.
        chosen: the best of them on validation.
        best: its run.
        unchanged: the run of the configuration as it was given.
        gain: what the search brought on test, with its 95 % interval of a paired bootstrap; a mean over the test rows.
        verdict: the same in sentences.
        table: both runs and the simple methods, for a console of rich.
    """

    folder: Path
    score: str
    trials: tuple[Trial, ...]
    chosen: Trial
    best: RunResult
    unchanged: RunResult
    gain: Interval
    verdict: tuple[str, ...]
    table: Any

    def __repr__(self) -> str:
        """One line: where it is, and what was chosen."""
        tried = count_things(len(self.trials), "trial", "trials")
        return f"Search({self.folder}: {', '.join(name_values(self.chosen.values))}, of {tried})"


def search(
    config: RunConfig | Mapping[str, Any] | str | Path,
    overrides: Sequence[str] = (),
    *,
    space: Mapping[str, Any] | str | Path,
    trials: int,
    data: Any = None,
    output: str | Path | None = None,
    progress: bool = True,
) -> Search:
    """Try settings of a configuration, and choose the best on validation.

    Optuna proposes them (TPE, Bergstra et al. 2011), from `training.seed` and the trials before, and a trial that is
    below the median of those before at the same look at validation ends early. Test is answered twice, at the end: by
    the best setting and by the unchanged configuration, trained as by `run`. Of several `training.seeds` trials have
    the first, and these two runs all. A search that was stopped goes on with the same call,
    if that names its folder.

    Args:
        config: what to tune, as of `run`.
        overrides: dotted KEY=VALUE pairs.
        space: a YAML file, or a mapping: dotted key -> a list of choices, or a range `{low, high, log}`.
        trials: how many settings to try.
        data: rows in memory, as of `run`.
        output: the folder; by default the first free runs/search.
        progress: show bars.

    Raises:
        ConfigError: Optuna is not installed; or a value of the space cannot be run, or changes what is compared.
        TrainingError: no trial could be trained.
        TransferError: as `run`.
    """
    refuse_no_path(output, "output", optional=True)
    if isinstance(trials, bool) or not isinstance(trials, int) or trials < 1:
        raise ConfigError(f"trials: expected how many settings to try, 1 or more, received {trials!r:.60}")

    checked, known = load_config(config, overrides, take_splits(data)), read_space(space)
    check_space(checked, known, "space" if isinstance(space, Mapping) else str(space))
    if importlib.util.find_spec("optuna") is None:
        raise ConfigError(f"search {explain_missing('Optuna', 'search')}")

    warn_of_outputs([checked.output], output, "a search")
    if trackers := list_trackers(checked.training):
        log.info("training.tracker: %s gets the two runs at the end; trials are in %s", ", ".join(trackers), SEARCH)

    series = Series(trials + 2 * len(checked.each_seed()), progress=progress)
    with claim_process(), hold_folder(output, "search", left=[STUDY]) as folder, advise(folder, flag="--output"):
        tried = Trials.open(folder, checked.each_seed()[0], known)
        if (folder / SEARCH).exists() and len(tried.list_ended()) < trials:
            raise ConfigError(f"{folder} holds a finished search, which has answered test; choose another --output")

        tried.run(trials, series, progress=progress)
        chosen = _choose(tried.list_ended())

        simple, results = SimpleMethods(), []
        for name, values in ((UNCHANGED, {}), (BEST, chosen.values)):
            one = apply_values(checked, values)
            with name_fault(name), hold_folder(folder / name, name, left=BEGUN_WITH) as part:
                results.append(run_in(part, one, series, simple=simple, progress=progress))
        return _conclude(folder, tried, chosen, *results)


def _choose(trials: Sequence[Trial]) -> Trial:
    """Choose the best of the trials that came to their end.

    Raises:
        TrainingError: none has.
    """
    whole = [one for one in trials if one.state == "whole"]
    if not whole:
        raise TrainingError(
            f"none of {count_things(len(trials), 'trial', 'trials')} could be trained: {trials[0].reason}"
        )
    return max(whole, key=lambda one: one.validation or 0.0)


def _conclude(folder: Path, tried: Trials, chosen: Trial, unchanged: RunResult, best: RunResult) -> Search:
    """Compare the two runs on test, and write search.json."""
    refuse_other_data([unchanged, best])
    task = tried.config.task_class
    gain = bootstrap_difference(best.row.correct, unchanged.row.correct, counts=best.row.counts)
    trials, said = tuple(tried.list_ended()), _write_verdict(tried, chosen, unchanged, best)
    rows = [rename_method(unchanged.row, UNCHANGED), rename_method(best.row, BEST)]

    figures = {
        "score": task.selection,
        "seed": tried.config.training.seed,
        "space": {key: one.model_dump() if isinstance(one, Range) else one for key, one in tried.space.items()},
        "trials": [asdict(one) for one in trials],
        "chosen": chosen.number,
        **{row.name: {split: getattr(row, split) for split in SCORED} for row in rows},
        "gain": asdict(gain),
        "verdict": said,
    }
    write_json(folder / SEARCH, figures)
    table = render_table(rows, best.baselines, task=task)
    return Search(folder, task.selection, trials, chosen, best, unchanged, gain, tuple(said), table)


def _write_verdict(tried: Trials, chosen: Trial, unchanged: RunResult, best: RunResult) -> list[str]:
    """Say what was tried, what validation chose, and what that was worth on test."""
    task, trials = tried.config.task_class, tried.list_ended()
    count = Counter(one.state for one in trials)
    ended = f"{count['whole']} trained to the end, {count['stopped']} stopped early, {count['failed']} failed"
    scores = [one.row.format_score("validation", task.selection, points=task.points) for one in (best, unchanged)]
    said = [
        f"{count_things(len(trials), 'trial', 'trials')} with seed {tried.config.training.seed}: {ended}.",
        f"Chosen on validation: trial {chosen.number}, {', '.join(name_values(chosen.values))}; {task.selection} "
        f"{scores[0]} there, of the unchanged configuration {scores[1]}. The highest of many flatters itself; test was "
        "answered at the end.",
        *compare_with_parts(rename_method(best.row, BEST), [rename_method(unchanged.row, UNCHANGED)], task=task),
    ]
    if float(best.row.validation[task.selection]) <= float(unchanged.row.validation[task.selection]):
        said.append("No trial was better on validation than the unchanged configuration: keep that.")
    return said
