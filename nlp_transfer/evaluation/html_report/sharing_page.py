"""Make the page of several tasks that were trained together and each alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nlp_transfer.evaluation.html_report.parts import Cell, Link, Links, Page, Row, Section, Table
from nlp_transfer.system.layout import REPORT


def open_sharing_page(folder: Path, noted: dict[str, Any]) -> Callable[[int], Page]:
    """Give what makes the page of a comparison of tasks from what comparison.json has noted."""

    def make(_: int) -> Page:
        pages = sorted([*folder.glob(f"shared/*/{REPORT}"), *folder.glob(f"single/*/{REPORT}")])
        links = [Link(path.relative_to(folder).as_posix(), " ".join(path.parts[-3:-1])) for path in pages]
        sections = [Section("scores", "Scores", [_tabulate(noted["tasks"])])]
        sections += [Section("runs", "The runs", [Links(links)])] if links else []
        lead = f"Tasks that were trained together, and each alone on the same rows: {', '.join(noted['tasks'])}."
        return Page(folder.name, lead, noted["verdict"], sections)

    return make


def _tabulate(tasks: dict[str, Any]) -> Table:
    rows: list[Row] = [
        [
            name,
            one["score"],
            *(_write(one[way].get(one["score"])) for way in ("single", "shared")),
            _write_difference(one["difference"]),
        ]
        for name, one in tasks.items()
    ]
    return Table("Scores on test", ["task", "score", "alone", "together", "difference, 95 % interval"], rows)


def _write(score: float | None) -> Cell:
    return Cell("-" if score is None else f"{score:.4f}")


def _write_difference(found: dict[str, float] | None) -> Cell:
    if found is None:
        return Cell("too few test rows")
    return Cell(f"{found['difference']:+.4f} ({found['low']:+.4f} to {found['high']:+.4f})")
