"""Compare several tasks that share an encoder with each of them trained alone, on the same rows and seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import PartialState

from nlp_transfer.config.several import SeveralConfig, load_several
from nlp_transfer.errors import ConfigError
from nlp_transfer.evaluation.html_report.rendering import write_report
from nlp_transfer.evaluation.html_report.sharing_page import open_sharing_page
from nlp_transfer.evaluation.sharing import SharedTask, judge_sharing, render_sharing
from nlp_transfer.models.saving import write_json
from nlp_transfer.runs.alike import name_fault
from nlp_transfer.runs.combine import refuse_other_data
from nlp_transfer.runs.folder import find_place, warn_of_outputs
from nlp_transfer.runs.measure import SimpleMethods
from nlp_transfer.runs.run import advise, hold_folder, run_in
from nlp_transfer.runs.several_tasks.run_several import run_tasks_in
from nlp_transfer.system.alone import claim_process
from nlp_transfer.system.layout import COMPARISON, REPORT
from nlp_transfer.system.progress import Series
from nlp_transfer.system.received import refuse_no_path

SHARED, SINGLE = "shared", "single"  # folders: of the tasks together, and of each alone


@dataclass(frozen=True)
class TasksComparison:
    """Several tasks, trained together and alone.

    Attributes:
        folder: holds comparison.json and report.html, `shared` and `single`, each with a run folder for each task.
        tasks: name -> its two runs.
        table: a line for each task, for a console of rich.
        verdicts: what sharing bought, in sentences.
    """

    folder: Path
    tasks: Mapping[str, SharedTask]
    table: Any
    verdicts: tuple[str, ...]

    def __repr__(self) -> str:
        """One line: where it is, and what sharing changed."""
        said = "; ".join(f"{name} {one.format_difference()}" for name, one in self.tasks.items())
        return f"TasksComparison({self.folder}: {said})"


def compare_tasks(
    config: SeveralConfig | Mapping[str, Any] | str | Path,
    overrides: Sequence[str] = (),
    *,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    progress: bool = True,
) -> TasksComparison:
    """Train several tasks together, and each alone by the same configuration; say what sharing bought.

    Args:
        config: as of `run_tasks`.
        overrides: as of `run_tasks`.
        output: the folder; by default the first free runs/comparison.
        resume: go on with an unfinished comparison: its folder, or `auto` for the one in `output`, if there is one.
        progress: show bars.

    Raises:
        ConfigError: the tasks share nothing that moves, so that both ways are the same.
        TransferError: as `run`.
    """
    refuse_no_path(output, "output", optional=True)
    refuse_no_path(resume, "resume", optional=True)
    checked = load_several(config, overrides)
    if not checked.is_joint:
        raise ConfigError(
            f"strategy.kind: {checked.strategy.kind} moves nothing that the tasks share, so each is trained as it "
            "would be alone; there is nothing to compare"
        )
    output, _ = find_place(resume, output, whole="a comparison")
    warn_of_outputs([checked.output], output, "a comparison")

    alone = checked.each_task()
    series = Series(len(checked.each_seed()) * (1 + len(alone)), progress=progress)
    left = (SHARED, SINGLE) if resume is not None else ()
    simple = SimpleMethods()
    with claim_process(), hold_folder(output, "comparison", left=left) as folder, advise(folder):
        for path in (folder / SHARED, *(folder / SINGLE / name for name in alone)):
            path.mkdir(parents=True, exist_ok=True)
        together = run_tasks_in(folder / SHARED, checked, series, simple=simple, progress=progress)
        tasks = {}
        for name, own in alone.items():
            with name_fault(f"task '{name}' alone"):
                single = run_in(folder / SINGLE / name, own, series, simple=simple, progress=progress)
            refuse_other_data([together.results[name], single])
            tasks[name] = SharedTask(own.task_class, together.results[name].row, single.row)
        return _conclude(folder, tasks)


def _conclude(folder: Path, tasks: Mapping[str, SharedTask]) -> TasksComparison:
    said = judge_sharing(tasks)
    if PartialState().is_main_process:
        noted = {"tasks": {name: one.values() for name, one in tasks.items()}, "verdict": said}
        write_json(folder / COMPARISON, noted)
        write_report(folder / REPORT, open_sharing_page(folder, noted))
    return TasksComparison(folder, tasks, render_sharing(tasks), tuple(said))
