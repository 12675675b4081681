"""Rows read together: objects of a format such as JSON, or the columns of a table."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ABSENT: Any = object()  # what stands where a row has no such column; a cell may be None
DEEPEST = 4  # levels of nested objects that a message lists


@dataclass(frozen=True)
class Records:
    """Rows that are objects, each with keys of its own, behind the numbers of their lines or rows."""

    rows: Sequence[tuple[int, Mapping[str, Any]]]

    @property
    def numbers(self) -> Sequence[int]:
        """Of the rows."""
        return [number for number, _ in self.rows]

    def cells(self, column: str) -> Sequence[Any]:
        """The cell of every row in a column, `ABSENT` where it has none; see `cell_at`."""
        return [cell_at(cells, column) for _, cells in self.rows]

    def names(self) -> Iterable[str]:
        """The columns that some row has."""
        return dict.fromkeys(name for _, cells in self.rows for name in column_names(cells))


@dataclass(frozen=True)
class Columns:
    """Rows that have the same columns; `header` names them all, `columns` may hold a few of them."""

    numbers: Sequence[int]
    header: Sequence[str]
    columns: Mapping[str, Sequence[Any]]

    @property
    def rows(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """The rows as objects, behind their numbers."""
        rows = zip(self.numbers, *self.columns.values(), strict=True)
        return ((number, dict(zip(self.columns, cells, strict=True))) for number, *cells in rows)

    def cells(self, column: str) -> Sequence[Any]:
        """As for `Records`."""
        if column in self.columns:
            return self.columns[column]
        owner = column.partition(".")[0]
        if owner in self.columns:
            return [cell_at({owner: cell}, column) for cell in self.columns[owner]]
        return [ABSENT] * len(self.numbers)

    def names(self) -> Iterable[str]:
        """All columns."""
        return self.header


Block = Records | Columns


def cell_at(cells: Mapping[str, Any], column: str) -> Any:
    """The cell of a column: of that very name, or reached through objects as in `translation.en`; else `ABSENT`."""
    if column in cells:
        return cells[column]
    cell: Any = cells
    for key in column.split("."):
        if not isinstance(cell, Mapping) or key not in cell:
            return ABSENT
        cell = cell[key]
    return cell


def column_names(cells: Mapping[str, Any], *, level: int = 1) -> Iterator[str]:
    """The columns of a row, those inside objects after their owner with dots."""
    for name, cell in cells.items():
        yield name
        if isinstance(cell, Mapping) and level < DEEPEST:
            yield from (f"{name}.{inner}" for inner in column_names(cell, level=level + 1))
