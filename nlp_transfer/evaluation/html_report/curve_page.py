"""Make the page of a learning curve from curve.json and curve.svg."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nlp_transfer.config.tasks import TaskDeclaration
from nlp_transfer.evaluation.curves.findings import MethodCurve
from nlp_transfer.evaluation.curves.learning_curves import Point
from nlp_transfer.evaluation.html_report.charts import draw_curves
from nlp_transfer.evaluation.html_report.parts import Cell, Link, Links, Page, Part, Row, Section, Sentences, Table
from nlp_transfer.evaluation.html_report.score_parts import draw_interval
from nlp_transfer.evaluation.metrics import Interval
from nlp_transfer.system.layout import CURVE, REPORT

PICTURE = "curve.svg"


def open_curve_page(folder: Path, task: type[TaskDeclaration]) -> Callable[[int], Page]:
    """Give what makes the page of a learning curve in its folder."""

    def make(_: int) -> Page:
        figures = json.loads((folder / CURVE).read_text(encoding="utf-8"))
        sections = [
            Section("scores", "Scores", list(_list_scores(folder, figures, task))),
            Section("timing", "Time", [Sentences(figures["timing"])] if figures["timing"] else []),
            Section("runs", "The runs", _list_links(folder)),
        ]
        rows = ", ".join(f"{count:,} rows of {split}" for split, count in figures["rows"].items())
        return Page(
            title=folder.name,
            lead=f"{figures['task']}: test {figures['score']} by rows of train; {rows}; seeds: {figures['seeds']}.",
            verdict=figures["verdict"],
            sections=[one for one in sections if one.parts],
        )

    return make


def _list_scores(folder: Path, figures: Mapping[str, Any], task: type[TaskDeclaration]) -> Iterator[Part]:
    """Yield the picture, the scores at each size, and what pretraining is worth."""
    methods = list(figures["methods"].values())
    read = [*methods, *(one["scratch"] for one in methods if one["scratch"]), *figures["simple"].values()]
    curves = [_read_curve(one) for one in _leave_out_repeated(read)]
    if (folder / PICTURE).is_file():
        yield draw_curves((folder / PICTURE).read_text(encoding="utf-8"), curves, score=figures["score"])

    rows: list[Row] = [[one.label, *(draw_interval(point.mean, task) for point in one.points)] for one in curves]
    sizes = [f"{size:,} rows" for size in figures["sizes"]]
    yield Table(
        f"Test {figures['score']} by rows of train",
        ["method", *sizes],
        rows,
        "In brackets the 95 % interval over seeds and test rows.",
    )

    worth: list[Row] = [
        [one["label"], *(_write_worth(found, figures["sizes"][-1]) for found in one["worth"])]
        for one in methods
        if one["worth"]
    ]
    if worth:
        yield Table(
            "What pretraining is worth, in rows of train",
            ["method", *sizes],
            worth,
            "The rows that the scratch control needs beside, to score alike; > where it never did.",
        )


def _leave_out_repeated(curves: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Leave out a control that several methods share, after the first."""
    return list({one["name"]: one for one in curves}.values())


def _read_curve(values: Mapping[str, Any]) -> MethodCurve:
    """Read the scores of a method, as `MethodCurve.collect` has written them."""
    points = [
        Point(
            size=one["size"],
            mean=Interval(one["mean"], one["low"], one["high"]),
            deviation=one["deviation"],
            scores=tuple(one["scores"]),
            seconds=(),
        )
        for one in values["points"]
    ]
    return MethodCurve(values["name"], values["label"], values["role"], tuple(points))


def _write_worth(found: Mapping[str, Any], largest: int) -> Cell:
    if found["rows"] is None:
        return Cell(f"> {largest - found['size']:,}")
    return Cell(f"{'≤ ' if found['most'] else ''}{found['rows']:,}")


def _list_links(folder: Path) -> list[Part]:
    """Link to the pages of the runs in the folders of the sizes."""
    pages = sorted(folder.glob(f"rows-*/*/{REPORT}"), key=lambda path: (len(path.parts[-3]), path))
    links = [
        Link(path.relative_to(folder).as_posix(), f"{path.parts[-3].replace('-', ' ')}, {path.parts[-2]}")
        for path in pages
    ]
    return [Links(links)] if links else []
