"""Write the page of a run, a comparison or a learning curve anew, or one page of several runs.

nlp-transfer report runs/reviews runs/other both.html
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nlp_transfer.config.load import load_saved
from nlp_transfer.config.tasks import TaskDeclaration
from nlp_transfer.data.report import may_be_same
from nlp_transfer.errors import CheckpointError, ConfigError, DataError
from nlp_transfer.evaluation.html_report.curve_page import open_curve_page
from nlp_transfer.evaluation.html_report.parts import Page
from nlp_transfer.evaluation.html_report.recorded import DAMAGED, Answered, make_damage_error
from nlp_transfer.evaluation.html_report.rendering import render_page
from nlp_transfer.evaluation.html_report.run_page import open_run_page
from nlp_transfer.evaluation.html_report.runs_page import SideBySide, open_runs_page
from nlp_transfer.evaluation.html_report.sharing_page import open_sharing_page
from nlp_transfer.runs.combine import collect_fingerprints, read_finished
from nlp_transfer.runs.compare import judge
from nlp_transfer.runs.folder import SIZE
from nlp_transfer.runs.result import RunResult
from nlp_transfer.runs.train_answers import answer_train
from nlp_transfer.system.disk import expand_home, write_whole
from nlp_transfer.system.layout import COMPARISON, CURVE, FINISHED, explain_unfinished
from nlp_transfer.system.received import list_paths, refuse_no_path

ENDING = ".html"


@dataclass(frozen=True)
class Report:
    """A page that was written.

    Attributes:
        file: the page.
        verdict: what stands first in it.
        missing: what is not in it, and why.
    """

    file: Path
    verdict: tuple[str, ...]
    missing: tuple[str, ...]

    def values(self) -> dict[str, Any]:
        """Give the same as plain values, for JSON."""
        return {**asdict(self), "file": str(self.file)}


def report(
    runs: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    task: type[TaskDeclaration] | None = None,
    force: bool = False,
    train_labels: bool = False,
) -> Report:
    """Write one page about runs from what their folders hold.

    Args:
        runs: the folder of a finished run, or of several on the same rows of test; or that of a comparison or a curve.
        output: the file to write; it ends in .html.
        task: of the runs, where that is none of ours; see `load`.
        force: replace the file if there is one.
        train_labels: list labels of train that may be wrong, of one run whose encoder was frozen; see `answer_train`.

    Raises:
        ConfigError: the file cannot be written, the runs have different tasks, or no label of train can be doubted.
        CheckpointError: a folder holds no finished run, or a file in it is damaged.
        DataError: the runs were tested on different rows.
    """
    refuse_no_path(output, "output")
    path = expand_home(output)
    _check_output(path, force=force)
    folders = [expand_home(run) for run in list_paths(runs, "report", "the folder of a run")]
    if train_labels:
        _refuse_no_run(folders)

    train = answer_train(folders[0], task) if train_labels else ()
    try:
        page, text = render_page(_open_page(folders, path.parent, task, train))
    except DAMAGED as error:
        raise make_damage_error(", ".join(map(str, folders)), error) from error
    write_whole(path, text)
    return Report(path, tuple(page.verdict), tuple(page.missing))


def _check_output(path: Path, *, force: bool) -> None:
    """Refuse a file that cannot be written, before anything is read."""
    if path.suffix != ENDING:
        raise ConfigError(f"report: expected the page to write, a name in {ENDING}; received {str(path)!r}")
    if not path.parent.is_dir():
        raise ConfigError(f"{path} cannot be written: there is no folder {path.parent}; make it first")
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file")
    if path.exists() and not force:
        raise ConfigError(f"{path} exists already; choose another, or replace it with --force")


def _refuse_no_run(folders: Sequence[Path]) -> None:
    """Refuse all but the folder of one run."""
    if len(folders) > 1 or any((folders[0] / name).is_file() for name in (CURVE, COMPARISON)):
        raise ConfigError("train_labels: is for the page of one run; name its folder alone")
    _refuse_unfinished(folders[0])


def _open_page(
    folders: Sequence[Path], home: Path, task: type[TaskDeclaration] | None, train: Sequence[Answered]
) -> Callable[[int], Page]:
    """Find out what the folders hold, and open what makes the page."""
    if len(folders) == 1:
        (folder,) = folders
        if (folder / CURVE).is_file():
            return open_curve_page(folder, _find_task(folder, task))
        if (folder / COMPARISON).is_file():
            return _open_comparison(folder, home, task)
        _refuse_unfinished(folder)
        return open_run_page(folder, task=task, train=train)

    results, kind = _read_results(folders, task)
    given = SideBySide(folders, [one.row for one in results], results[0].baselines, kind, judge(results, kind))
    return open_runs_page(given, f"{len(folders)} runs", home)


def _find_task(folder: Path, task: type[TaskDeclaration] | None) -> type[TaskDeclaration]:
    """Find the task of a learning curve by the first of its runs, so that nothing is imported by a name in a file."""
    first = next(iter(sorted(folder.glob(f"{SIZE}*/*/config.yaml"))), None)
    if first is None:
        raise CheckpointError(f"{folder}: lacks the folders of its runs, {SIZE}...")
    return load_saved(first.parent, task).task_class


def _open_comparison(folder: Path, home: Path, task: type[TaskDeclaration] | None) -> Callable[[int], Page]:
    """Open the page of a comparison, with the sentences that it has noted."""
    noted = json.loads((folder / COMPARISON).read_text(encoding="utf-8"))
    if "tasks" in noted:
        return open_sharing_page(folder, noted)
    results, kind = _read_results([folder / name for name in noted["runs"]], task)
    given = SideBySide(
        [one.folder for one in results],
        [one.row for one in results],
        results[0].baselines,
        kind,
        noted["verdict"],
        noted.get("timing", ()),
    )
    return open_runs_page(given, folder.name, home)


def _read_results(
    folders: Sequence[Path], task: type[TaskDeclaration] | None
) -> tuple[list[RunResult], type[TaskDeclaration]]:
    """Read runs of one task on the same test, each by a name of its own."""
    results = []
    for folder in folders:
        _refuse_unfinished(folder)
        results.append(read_finished(load_saved(folder, task), folder))

    first, *others = configs = [load_saved(folder, task) for folder in folders]
    for folder, config, result in zip(folders[1:], others, results[1:], strict=True):
        if config.task.name != first.task.name:
            raise ConfigError(f"{folder}: is of task '{config.task.name}', {folders[0]} of '{first.task.name}'")
        here, there = _find_tests(result), _find_tests(results[0])
        if len(here) != len(there) or not all(map(may_be_same, here, there)):
            raise DataError(f"{folder}: its test rows are not those of {folders[0]}; runs are compared on the same")

    names = _tell_apart(folders)
    renamed = [replace(one, row=replace(one.row, name=name)) for one, name in zip(results, names, strict=True)]
    return renamed, configs[0].task_class


def _find_tests(result: RunResult) -> list[str]:
    """List the fingerprints of the test rows of each seed."""
    return [collect_fingerprints(part)["test"] for part in result.parts or (result,)]


def _tell_apart(folders: Sequence[Path]) -> list[str]:
    """Name folders by as many of their last parts as tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    length = next((n for n in range(1, 99) if len({one[-n:] for one in parts}) == len(parts)), None)
    if length is None:
        raise ConfigError(f"report: {', '.join(map(str, folders))}: a run is named twice")
    return ["/".join(one[-length:]) for one in parts]


def _refuse_unfinished(folder: Path) -> None:
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder")
    if not all((folder / name).is_file() for name in ("config.yaml", FINISHED)):
        raise CheckpointError(f"{folder}: {explain_unfinished(folder)}")
