"""Make the page of several runs on one test: side by side, and where they differ row by row."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nlp_transfer.config.tasks import TaskDeclaration
from nlp_transfer.evaluation.costs import list_cost, list_titles
from nlp_transfer.evaluation.html_report.data_parts import describe_leaks, tabulate_splits
from nlp_transfer.evaluation.html_report.differing_rows import list_differing
from nlp_transfer.evaluation.html_report.parts import Cell, Link, Links, Page, Part, Row, Section, Sentences, Table
from nlp_transfer.evaluation.html_report.recorded import Recorded, read_run
from nlp_transfer.evaluation.html_report.score_parts import Scored, tabulate_scores
from nlp_transfer.evaluation.verdicts import Comparand, find_label, list_labels
from nlp_transfer.system.layout import REPORT


@dataclass(frozen=True)
class SideBySide:
    """Runs of one task, and what was said of them.

    Attributes:
        folders: of the runs.
        rows: their results, in the same order.
        baselines: the simple methods.
        task: of the runs.
        verdict: in sentences.
        timing: how soon they get to where their controls end, in sentences.
    """

    folders: Sequence[Path]
    rows: Sequence[Comparand]
    baselines: Sequence[Comparand]
    task: type[TaskDeclaration]
    verdict: Sequence[str]
    timing: Sequence[str] = ()

    @property
    def labels(self) -> list[str]:
        """What to call the runs, in order."""
        names = list_labels(self.rows)
        return [names[row.name] for row in self.rows]


def open_runs_page(given: SideBySide, title: str, home: Path) -> Callable[[int], Page]:
    """Give what makes the page of several runs, which will stand in the folder `home`."""
    read = functools.cache(lambda: [read_run(folder, task=given.task) for folder in given.folders])
    return lambda most: _make_page(given, read(), title, home, most=most)


def _make_page(given: SideBySide, runs: Sequence[Recorded], title: str, home: Path, *, most: int) -> Page:
    labels, data = given.labels, runs[0].metrics.data
    sections = [
        Section("scores", "Scores", [_tabulate_scores(given)]),
        Section("timing", "Time", [Sentences(given.timing)] if given.timing else []),
        Section("cost", "Cost", [_tabulate_costs(given)]),
        Section("rows", "Rows of test", list(list_differing(runs, labels, most))),
        Section("data", "Data", [describe_leaks(data), tabulate_splits(data)]),
        Section("runs", "The runs", _list_links(runs, labels, home)),
    ]
    return Page(
        title=title,
        lead=f"{runs[0].config.task.name}: {'; '.join(labels)}.",
        verdict=given.verdict,
        sections=[one for one in sections if one.parts],
        missing=list(dict.fromkeys(f"{run.folder.name}: {one}" for run in runs for one in run.missing)),
    )


def _tabulate_scores(given: SideBySide) -> Table:
    labels = list_labels(given.rows)
    methods = [
        Scored(find_label(labels, row), row.validation, row.test, row.correct, row.counts)
        for row in (*given.rows, *given.baselines)
    ]
    averaged = any(row.seeds for row in (*given.rows, *given.baselines))
    note = "Of several seeds the mean; ± is their standard deviation." if averaged else ""
    return tabulate_scores(methods, given.task, note)


def _count_parameters(row: Comparand) -> list[str]:
    return [f"{row.trainable:,}", f"{row.total:,}"] if row.total else ["-", "-"]


def _tabulate_costs(given: SideBySide) -> Table:
    labels = list_labels(given.rows)
    rows: list[Row] = [
        [find_label(labels, row), *map(Cell, _count_parameters(row)), *map(Cell, list_cost(row))]
        for row in (*given.rows, *given.baselines)
    ]
    titles = [title.replace("\n", " ") for title in list_titles()]
    return Table("What the runs cost", ["run", "parameters trained", "of all", *titles], rows)


def _list_links(runs: Sequence[Recorded], labels: Sequence[str], home: Path) -> list[Part]:
    """Link to the pages of those runs that lie below this one."""
    links = [
        Link((run.folder / REPORT).resolve().relative_to(home.resolve()).as_posix(), label)
        for run, label in zip(runs, labels, strict=True)
        if (run.folder / REPORT).is_file() and home.resolve() in run.folder.resolve().parents
    ]
    return [Links(links)] if links else []
