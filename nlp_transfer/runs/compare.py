"""Compare several runs on the same data: a table, a plot, and verdicts on what transfer brought."""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from accelerate import PartialState

from nlp_transfer.config.tasks import SCORED, TaskDeclaration
from nlp_transfer.data.given import take_splits
from nlp_transfer.evaluation.convergence import Convergence, describe_convergence
from nlp_transfer.evaluation.costs import check_rate, price_thousand, render_costs
from nlp_transfer.evaluation.html_report.rendering import write_report
from nlp_transfer.evaluation.html_report.run_page import open_run_page
from nlp_transfer.evaluation.html_report.runs_page import SideBySide, open_runs_page
from nlp_transfer.evaluation.metrics_file import Method, write_metrics
from nlp_transfer.evaluation.plotting import plot
from nlp_transfer.evaluation.verdicts import Comparand, is_control, list_labels, render_table, write_verdicts
from nlp_transfer.models.saving import write_json
from nlp_transfer.publishing.tree import write_card
from nlp_transfer.runs.alike import Configs, load_alike, name_fault
from nlp_transfer.runs.combine import refuse_other_data
from nlp_transfer.runs.courses import find_convergence
from nlp_transfer.runs.folder import find_place, warn_of_outputs
from nlp_transfer.runs.measure import SimpleMethods
from nlp_transfer.runs.prepare import prepare
from nlp_transfer.runs.result import RunResult
from nlp_transfer.runs.run import BEGUN_WITH, advise, hold_folder, run_in
from nlp_transfer.system.alone import claim_process
from nlp_transfer.system.layout import COMPARISON, PLOT, REPORT
from nlp_transfer.system.progress import Series
from nlp_transfer.system.received import refuse_no_path


@dataclass(frozen=True)
class Comparison:
    """Finished runs on one set of data.

    Attributes:
        folder: holds comparison.json, and a folder for each run.
        rows: the runs.
        table: these and the simple methods, for a console of rich.
        verdicts: what follows, in sentences.
        timing: when each run gets to where its scratch control ends, in sentences; measured on this machine.
        costs: what the runs cost beside what they score, for a console too.
    """

    folder: Path
    rows: tuple[Comparand, ...]
    table: Any
    verdicts: tuple[str, ...]
    timing: tuple[str, ...] = ()
    costs: Any = None

    def __repr__(self) -> str:
        """One line: where it is, and what stands side by side."""
        return f"Comparison({self.folder}: {'; '.join(list_labels(self.rows).values())})"


def compare(
    configs: Configs,
    overrides: Sequence[str] = (),
    *,
    data: Any = None,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    rate: float | None = None,
    progress: bool = True,
) -> Comparison:
    """Run each configuration in a subfolder of `output`; write comparison.json, plot.png and report.html beside them.

    All configurations are prepared before the first one trains, so that a fault in a later one shows at once. Of
    several seeds the table shows mean and standard deviation, and verdicts use all of them.

    Args:
        configs: files, or names of shipped configurations, whose last parts tell the runs apart; or a mapping, name of
            the run -> configuration as `run` takes it.
        overrides: dotted KEY=VALUE pairs, for all of them.
        data: rows in memory for all of them, as of `run`.
        output: the folder; by default the first free runs/comparison.
        resume: go on with an unfinished comparison: its folder, or `auto` for the one in `output`, if there is one.
        rate: what an hour of this machine costs, in any currency, for the price of 1,000 texts.
        progress: show bars.

    Raises:
        ConfigError: the configurations differ in task, data or seeds that data follow, or two have one name; or another
            training is at work in this process.
        TransferError: whatever stops one of the runs.
    """
    refuse_no_path(output, "output", optional=True)
    refuse_no_path(resume, "resume", optional=True)
    check_rate(rate)
    checked = load_alike("compare", configs, overrides, take_splits(data))
    (_, first), *others = checked.items()
    series = Series(sum(len(config.each_seed()) for config in checked.values()), progress=progress)

    output, _ = find_place(resume, output, whole="a comparison")
    warn_of_outputs((one.output for one in checked.values()), output, "a comparison")

    left, left_by_run = (checked, BEGUN_WITH) if resume is not None else ((), ())
    with claim_process(), hold_folder(output, "comparison", left=left) as folder, advise(folder):
        for name, config in others:  # the first is prepared when it runs, which is next
            with name_fault(name):
                prepare(config.each_seed()[0]).adapt()

        results, simple = [], SimpleMethods()
        for name, config in checked.items():
            with name_fault(name), hold_folder(folder / name, name, left=left_by_run) as part:
                results.append(run_in(part, config, series, simple=simple, progress=progress))
        return _conclude(folder, results, first.task_class, rate)


def _conclude(
    folder: Path, results: Sequence[RunResult], task: type[TaskDeclaration], rate: float | None
) -> Comparison:
    refuse_other_data(results)
    rows = tuple(result.row for result in results)
    baselines, labels = results[0].baselines, list_labels(rows)
    said = judge(results, task)

    convergence = _find_convergence(results, task)
    timing = [
        describe_convergence(found, labels[run], labels[name])
        for run, by_control in convergence.items()
        for name, found in by_control.items()
    ]
    if PartialState().is_main_process:
        figures = {one.row.name: _collect_figures(one) for one in results}
        for run, by_control in convergence.items():
            timed = {name: asdict(found) for name, found in by_control.items()}
            figures[run] = {**figures[run], "convergence": timed}
        prices = {
            row.name: price_thousand(row.cost, rate) for row in (*baselines, *rows) if row.cost and rate is not None
        }
        priced = {"rate": rate, "price_of_1000": prices} if prices else {}
        write_json(folder / COMPARISON, {"runs": figures, "verdict": said, "timing": timing, **priced})
        _note_controls(results, task)
        plot(rows, baselines, folder / PLOT, task=task)  # last: if it fails, the figures are safe
        beside = SideBySide([one.folder for one in results], rows, baselines, task, said, timing)
        write_report(folder / REPORT, open_runs_page(beside, folder.name, folder))
    table, costs = render_table(rows, baselines, task=task), render_costs([*baselines, *rows], task=task, rate=rate)
    return Comparison(folder, rows, table, tuple(said), tuple(timing), costs)


def judge(results: Sequence[RunResult], task: type[TaskDeclaration]) -> list[str]:
    """Say which run is best, and what each gains over simple methods and its control."""
    rows = [result.row for result in results]
    said = write_verdicts(rows, [], task=task)
    for result in results:  # one by one: simple methods may depend on the options of a run
        said += write_verdicts([result.row], result.baselines, task=task, among=rows)

    labels = list_labels(rows)
    said += [f"{labels[one.row.name]}: {one.note}." for one in results if one.note]
    return list(dict.fromkeys(said))


def _find_convergence(results: Sequence[RunResult], task: type[TaskDeclaration]) -> dict[str, dict[str, Convergence]]:
    """Find when each run gets to where its controls end: run -> control -> the steps and seconds."""
    found: dict[str, dict[str, Convergence]] = {}
    for run, control in itertools.permutations(results, 2):
        if is_control(control.row, run.row) and (one := find_convergence(run, control, task.selection)):
            found.setdefault(run.row.name, {})[control.row.name] = one
    return found


def _collect_figures(result: RunResult) -> dict[str, Any]:
    """Collect the figures of a run; of several seeds the means, and under `kept` the scores of the kept model."""
    figures, row = result.figures, result.row
    if not result.parts:
        return result.metrics
    kept = {"seed": figures.seed, "validation": figures.validation, "test": figures.test}
    means = {split: getattr(row, split) for split in SCORED}
    beside = {one.name: {split: getattr(one, split) for split in SCORED} for one in result.baselines}
    return {**result.metrics, **means, "baselines": beside, "kept": kept}


def _note_controls(results: Sequence[RunResult], task: type[TaskDeclaration]) -> None:
    """Write the scores of the scratch controls of each run into its metrics and its card."""
    for result in results:
        row = result.row
        controls = [one.row for one in results if is_control(one.row, row)]

        if controls:
            labels = list_labels(controls)
            scores = {labels[one.name]: Method(validation=one.validation, test=one.test) for one in controls}
            said = [
                *write_verdicts([row], result.baselines, task=task),
                *write_verdicts([row, *controls], [], task=task)[1:],
            ]
            changes = {"controls": scores, "verdict": list(dict.fromkeys(said))}

            metrics = result.figures.model_copy(update=changes)
            write_card(result.folder, metrics, task)
            write_report(result.folder / REPORT, open_run_page(result.folder, metrics, task))
            write_metrics(result.folder, metrics)
