"""Make the page of several runs on one test: side by side, and where they differ row by row."""

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nlp_transfer.config.tasks import LABELLED, TaskDeclaration
from nlp_transfer.evaluation.costs import list_cost, list_titles
from nlp_transfer.evaluation.html_report.data_parts import describe_leaks, tabulate_splits
from nlp_transfer.evaluation.html_report.differences import mark_differences
from nlp_transfer.evaluation.html_report.parts import (
    Cell,
    Item,
    Items,
    Link,
    Links,
    Page,
    Part,
    Piece,
    Row,
    Section,
    Sentences,
    Table,
)
from nlp_transfer.evaluation.html_report.recorded import Answered, Recorded, read_run
from nlp_transfer.evaluation.html_report.row_parts import is_right, mark_input, write_answer
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
        Section("rows", "Rows of test", list(_list_differing(runs, labels, most))),
        Section("data", "Data", [describe_leaks(data), tabulate_splits(data)]),
        Section("runs", "The runs", _list_links(runs, labels, home)),
    ]
    return Page(
        title=title,
        lead=f"{runs[0].config.task.name}: {'; '.join(labels)}.",
        verdict=given.verdict,
        sections=[one for one in sections if one.parts],
        missing=list(dict.fromkeys(f"{run.folder.name}: {one}" for run in runs for one in run.missing)),
        made=str(runs[0].environment.get("packages", {}).get("nlp-transfer", "")),
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


def _tabulate_costs(given: SideBySide) -> Table:
    rows: list[Row] = [
        [label, Cell(f"{row.trainable:,}"), Cell(f"{row.total:,}"), *map(Cell, list_cost(row))]
        for label, row in zip(given.labels, given.rows, strict=True)
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


def _list_differing(runs: Sequence[Recorded], labels: Sequence[str], most: int) -> Iterator[Part]:
    """Yield how many runs are right on how many rows, and the rows on which they differ."""
    by_row: dict[int, dict[str, Answered]] = {}
    for run, label in zip(runs, labels, strict=True):
        for one in run.answered:
            by_row.setdefault(one.number, {})[label] = one
    shared = {row: said for row, said in by_row.items() if len(said) == len(runs)}
    if not shared or len(runs) < 2:
        return

    if runs[0].answer[1] in LABELLED:
        yield _count_right(shared, len(runs))
        yield _list_disputed(shared, runs[0], most)
    else:
        yield _list_apart(shared, runs[0], most)


def _count_right(shared: Mapping[int, Mapping[str, Answered]], runs: int) -> Table:
    counts = Counter(sum(map(is_right, said.values())) for said in shared.values())
    rows: list[Row] = [
        [f"{right} of {runs}", Cell(f"{counts[right]:,}", counts[right] / len(shared))] for right in range(runs, -1, -1)
    ]
    return Table("Rows of test by how many runs are right", ["runs that are right", "rows"], rows)


def _list_disputed(shared: Mapping[int, Mapping[str, Answered]], first: Recorded, most: int) -> Items:
    """List the rows that some runs answer rightly and others do not, in turn those with the same runs right."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for row, said in shared.items():
        right = tuple(label for label, one in said.items() if is_right(one))
        if 0 < len(right) < len(said):
            groups.setdefault(right, []).append(row)
    turns = itertools.zip_longest(*([(row, right) for row in rows] for right, rows in groups.items()))
    disputed = [one for turn in turns for one in turn if one]

    items = []
    for row, right in disputed[:most]:
        said = shared[row]
        facts = [("right", write_answer(next(iter(said.values())).right))]
        facts += [(label, f"{write_answer(one.said)} {'✓' if label in right else '✗'}") for label, one in said.items()]
        marks = [f"right: {label}" for label in right]
        marks += [f"only right: {label}" for label in right if len(right) == 1 and len(said) > 2]
        items.append(Item(f"row {row}", facts, _list_inputs(next(iter(said.values())), first), marks))
    more = f"; {most} are shown" if len(disputed) > most else ""
    note = f"{len(disputed):,} of {len(shared):,} rows{more}; rows on which the same runs are right come in turn."
    return Items("Rows on which the runs differ", items, note)


def _list_apart(shared: Mapping[int, Mapping[str, Answered]], first: Recorded, most: int) -> Items:
    """List the rows on which the scores of the runs lie furthest apart."""
    scores = {row: [one.score or 0.0 for one in said.values()] for row, said in shared.items()}
    ordered = sorted(shared, key=lambda row: min(scores[row]) - max(scores[row]))
    items = []
    for row in ordered[:most]:
        said = shared[row]
        best = max(said, key=lambda label: said[label].score or 0.0)
        facts = [(label, "-" if one.score is None else f"{one.score:.2f}") for label, one in said.items()]
        texts = [*_list_inputs(said[best], first), *_list_answers(said)]
        items.append(Item(f"row {row}", facts, texts, [f"best: {best}"]))
    more = f", of {len(ordered):,} the {most} with the largest distance" if len(ordered) > most else ""
    return Items("Answers to test", items, f"Rows in the order of how far the scores of the runs lie apart{more}.")


def _list_answers(said: Mapping[str, Answered]) -> Iterator[tuple[str, list[Piece]]]:
    """Yield what each run wrote, with what the reference has not, and the reference; or numbers as they are."""
    right = next(iter(said.values())).right
    reference = "\n".join(right) if isinstance(right, list) else write_answer(right)
    for label, one in said.items():
        yield label, mark_differences(write_answer(one.said), reference)[0]
    yield "reference", [(reference, "")]


def _list_inputs(one: Answered, run: Recorded) -> list[tuple[str, list[Piece]]]:
    return [(name, mark_input(text, one, run.config.task)) for name, text in one.inputs.items()]
