"""Several runs on the same data side by side: a table, a plot, and what transfer bought in words."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import PartialState

from nlp_transfer.config import load_config
from nlp_transfer.errors import ConfigError, TransferError
from nlp_transfer.folders import resumable
from nlp_transfer.layout import COMPARISON, FINISHED, PLOT
from nlp_transfer.prepared import prepare
from nlp_transfer.publication import write_card
from nlp_transfer.report import Row, is_control, labels_of, plot, render_table, verdicts
from nlp_transfer.results import RunResult, refuse_other_data
from nlp_transfer.running import LEFT, advice, agreed_folder, run_in
from nlp_transfer.saving import write_json
from nlp_transfer.task import Task, find_task

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Comparison:
    """Finished runs on one set of data."""

    folder: Path
    rows: tuple[Row, ...]
    table: Any
    verdicts: tuple[str, ...]


def compare(
    configs: Sequence[str | Path],
    overrides: Sequence[str] = (),
    *,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    progress: bool = True,
) -> Comparison:
    """Run each configuration in a subfolder of `output`; write the table's values and plot.png beside them.

    What a later one cannot be run for is found before the first is trained.

    Args:
        configs: files; their names tell the runs apart.
        overrides: dotted KEY=VALUE pairs, for all of them.
        output: the folder; by default the first free runs/comparison.
        resume: go on with an unfinished comparison: its folder, or `auto` for the one in `output`, if there is one.
        progress: show bars.

    Raises:
        ConfigError: the configurations differ in task or data, or two have one name.
        TransferError: whatever stops one of the runs.
    """
    checked = {Path(config).stem: load_config(config, overrides) for config in configs}
    if len(checked) != len(configs):
        raise ConfigError(
            f"compare: two configurations have one file name ({', '.join(map(str, configs))}); rename one"
        )
    first, *others = checked.values()
    for name, other in zip(list(checked)[1:], others, strict=True):
        if (other.task.name, other.data) != (first.task.name, first.data):
            raise ConfigError(f"compare: {name} has another task or other data than {next(iter(checked))}")
    if resume is not None:
        output, named = resumable(resume, output)
        if named:
            raise ConfigError(f"--resume {named}: a comparison goes on as a whole; name its folder")
    with agreed_folder(output, "comparison", left=checked if resume is not None else ()) as folder, advice(folder):
        for name, config in list(checked.items())[1:]:  # the first is about to find out by itself
            with _naming(name):
                prepare(config).plan()
        results = []
        for name, config in checked.items():
            log.info("run %s", name)
            with _naming(name), agreed_folder(folder / name, name, left=LEFT if resume is not None else ()) as part:
                results.append(run_in(part, config, progress=progress))
        return _conclude(folder, results, find_task(first.task.name))


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    """Say which of the runs an error is about."""
    try:
        yield
    except TransferError as error:
        error.args = (f"{name}: {error}",)
        raise


def _conclude(folder: Path, results: Sequence[RunResult], task: type[Task]) -> Comparison:
    refuse_other_data(results)
    rows = tuple(result.row for result in results)
    baselines = results[0].baselines
    said = verdicts(rows, [], task=task)
    for result in results:  # whose baselines may depend on its options
        said += verdicts([result.row], result.baselines, task=task, among=rows)
    said = list(dict.fromkeys(said))
    if PartialState().is_main_process:
        plot(rows, baselines, folder / PLOT, task=task)
        runs = {row.name: result.metrics for row, result in zip(rows, results, strict=True)}
        write_json(folder / COMPARISON, {"runs": runs, "verdict": said})
        _note_controls(results, task)
    return Comparison(folder, rows, render_table(rows, baselines, task=task), tuple(said))


def _note_controls(results: Sequence[RunResult], task: type[Task]) -> None:
    """Tell each run of its scratch controls: they stand in its metrics, and on its card."""
    for result in results:
        row = result.row
        controls = [one.row for one in results if is_control(one.row, row)]
        if controls:
            labels = labels_of(controls)
            scores = {labels[one.name]: {"validation": one.validation, "test": one.test} for one in controls}
            said = [*verdicts([row], result.baselines, task=task), *verdicts([row, *controls], [], task=task)[1:]]
            metrics = {**result.metrics, "controls": scores, "verdict": list(dict.fromkeys(said))}
            write_card(result.folder, metrics)
            write_json(result.folder / FINISHED, metrics)
