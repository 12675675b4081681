"""Run several tasks on one source: together where they move something together, else one after the other."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate.state import PartialState

from nlp_transfer.config.load import render
from nlp_transfer.config.several import SeveralConfig, load_saved_several, load_several
from nlp_transfer.models.saving import write_json
from nlp_transfer.runs.alike import name_fault
from nlp_transfer.runs.combine import combine, read_finished
from nlp_transfer.runs.folder import find_place
from nlp_transfer.runs.measure import SimpleMethods
from nlp_transfer.runs.result import RunResult
from nlp_transfer.runs.resume import flatten, refuse_changes
from nlp_transfer.runs.run import BEGUN_WITH, advise, complete, hold_folder, name_causes, run_in, use_threads
from nlp_transfer.runs.several_tasks.train_jointly import train_jointly
from nlp_transfer.system.alone import claim_process
from nlp_transfer.system.disk import write_whole
from nlp_transfer.system.layout import FINISHED, TASKS
from nlp_transfer.system.progress import Series
from nlp_transfer.system.received import refuse_no_path


@dataclass(frozen=True)
class TasksResult:
    """Several finished tasks on one source.

    Attributes:
        folder: holds a run folder for each.
        results: name of the task -> its run.
    """

    folder: Path
    results: Mapping[str, RunResult]

    @property
    def summary(self) -> str:
        """The test scores and verdicts of each task, in words."""
        return "\n".join(f"{name}:\n  " + one.summary.replace("\n", "\n  ") for name, one in self.results.items())

    @property
    def metrics(self) -> dict[str, Any]:
        """The figures of each task as plain values, as its metrics.json holds them."""
        return {name: one.metrics for name, one in self.results.items()}

    def __repr__(self) -> str:
        """One line: where it is, and the test score of each task."""
        return f"TasksResult({self.folder}: {'; '.join(map(repr, self.results.values()))})"


def run_tasks(
    config: SeveralConfig | Mapping[str, Any] | str | Path,
    overrides: Sequence[str] = (),
    *,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    progress: bool = True,
) -> TasksResult:
    """Train several tasks on one source, as a configuration with `tasks` says.

    Args:
        config: a file, the name of a shipped configuration, a mapping, or a checked configuration.
        overrides: dotted KEY=VALUE pairs, for what the tasks have in common.
        output: holds a run folder for each task; by default the first free runs/NAME.
        resume: as of `run`.
        progress: show bars.

    Raises:
        TransferError: as `run`.
    """
    refuse_no_path(output, "output", optional=True)
    refuse_no_path(resume, "resume", optional=True)
    checked = load_several(config, overrides)
    whole = "a run of several seeds" if checked.training.seeds else ""
    wanted, named = find_place(resume, output or checked.output, whole=whole)

    name = Path(config).stem if isinstance(config, str | Path) else f"tasks-{checked.strategy.kind}"
    left = BEGUN_WITH if resume is not None else ()
    series = Series(len(checked.each_seed()) * (1 if checked.is_joint else len(checked.tasks)), progress=progress)
    with claim_process(), hold_folder(wanted, name, left=left) as folder, advise(folder):
        return run_tasks_in(folder, checked, series, named, simple=SimpleMethods(), progress=progress)


def run_tasks_in(
    folder: Path,
    config: SeveralConfig,
    series: Series,
    named: Path | None = None,
    *,
    simple: SimpleMethods,
    progress: bool,
) -> TasksResult:
    """Run the tasks in a folder that this process holds. What is finished there is read, and not repeated.

    Args:
        folder: holds a run folder for each task.
        config: what to run.
        series: counts the runs of a command; tasks that train together count as one.
        named: the checkpoint to resume from; None for the newest one, if there is one.
        simple: measures the simple methods, for all runs of a command.
        progress: show bars.

    Raises:
        ConfigError: the folder was begun with another configuration.
        TransferError: as `run`.
    """
    if (folder / "config.yaml").exists():
        before, now = (one.model_dump(mode="json") for one in (load_saved_several(folder), config))
        refuse_changes(_flatten(before), _flatten(now), folder)
    if PartialState().is_main_process:
        write_whole(folder / "config.yaml", render(config))

    with name_causes(), use_threads(config.training.threads):
        if config.is_joint:
            results = _run_together(folder, config, series, named, simple=simple, progress=progress)
        else:
            results = {}
            for name, own in config.each_task().items():
                (folder / name).mkdir(exist_ok=True)
                with name_fault(f"task '{name}'"):
                    results[name] = run_in(folder / name, own, series, simple=simple, progress=progress)

    if PartialState().is_main_process:
        shown = {name: {"validation": one.row.validation, "test": one.row.test} for name, one in results.items()}
        write_json(folder / TASKS, {"tasks": shown})
    return TasksResult(folder, results)


def _flatten(values: dict[str, Any]) -> dict[str, Any]:
    """Flatten a configuration to dotted keys, the tasks by name."""
    tasks = {one.pop("name"): one for one in values.pop("tasks")}
    return flatten({**values, "tasks": tasks})


def _run_together(
    folder: Path,
    config: SeveralConfig,
    series: Series,
    named: Path | None,
    *,
    simple: SimpleMethods,
    progress: bool,
) -> dict[str, RunResult]:
    """Train all tasks together, once for each seed, and combine the seeds of each task."""
    whole = config.each_task()
    if all((folder / name / FINISHED).exists() for name in whole):
        series.skip(len(config.each_seed()))
        return {
            name: dataclasses.replace(found, summary=f"{folder / name} holds a finished run\n{found.summary}")
            for name, found in ((name, read_finished(own, folder / name)) for name, own in whole.items())
        }

    found: dict[str, list[RunResult]] = {name: [] for name in whole}
    for planned in config.each_seed():
        below = f"seed-{planned.training.seed}" if config.training.seeds else ""
        place, parts = folder / below, {name: folder / name / below for name in whole}
        for path in (place, *parts.values()):
            path.mkdir(parents=True, exist_ok=True)
        configs = {name: complete(parts[name], own) for name, own in planned.each_task().items()}
        if all((part / FINISHED).exists() for part in parts.values()):
            series.skip(1)
            one = {name: read_finished(own, parts[name]) for name, own in configs.items()}
        else:
            with series.run(f"{folder.name}{f', seed {planned.training.seed}' if below else ''}"):
                one = train_jointly(configs, place, parts, series, named, simple=simple, progress=progress)
        for name, result in one.items():
            found[name].append(result)

    if not config.training.seeds:
        return {name: results[0] for name, results in found.items()}
    return {name: combine(own, folder / name, found[name]) for name, own in whole.items()}
