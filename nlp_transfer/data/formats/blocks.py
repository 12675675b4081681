"""Hold the rows that are read together: objects, as in JSON, or the columns of a table."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    import pyarrow as pa

ABSENT: Any = object()  # stands for the cell of a row that lacks the column; None is a cell of its own
DEEPEST = 4  # levels of nested objects whose names a message lists


@dataclass(frozen=True)
class Texts(Sequence[str]):
    """Hold a column of texts, none of them missing or too long, as Arrow does; read one by one they are strings."""

    array: "pa.StringArray"

    def __len__(self) -> int:
        return len(self.array)

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[str]: ...
    def __getitem__(self, place: int | slice) -> str | Sequence[str]:
        return Texts(self.array[place]) if isinstance(place, slice) else self.array[place].as_py()

    def __iter__(self) -> Iterator[str]:
        return iter(self.array.to_pylist())


@dataclass(frozen=True)
class Records:
    """Hold rows that are objects, each with keys of its own, as (line or row number, cells)."""

    rows: Sequence[tuple[int, Mapping[str, Any]]]

    @property
    def numbers(self) -> Sequence[int]:
        """The line or row number of each row."""
        return [number for number, _ in self.rows]

    def collect_cells(self, column: str) -> Sequence[Any]:
        """Collect the cell of every row in a column, `ABSENT` where a row lacks it; see `find_cell`."""
        return [find_cell(cells, column) for _, cells in self.rows]

    def list_names(self) -> Iterable[str]:
        """Name the columns that at least one row has."""
        return dict.fromkeys(name for _, cells in self.rows for name in list_columns(cells))


@dataclass(frozen=True)
class Columns:
    """Hold rows that share their columns. `header` names all of these; `columns` may hold only the wanted ones."""

    numbers: Sequence[int]
    header: Sequence[str]
    columns: Mapping[str, Sequence[Any]]

    @property
    def rows(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """The rows as objects, each with its number."""
        rows = zip(self.numbers, *self.columns.values(), strict=True)
        return ((number, dict(zip(self.columns, cells, strict=True))) for number, *cells in rows)

    def collect_cells(self, column: str) -> Sequence[Any]:
        """Collect the cell of every row in a column, which may lie inside an object of another column."""
        if column in self.columns:
            return self.columns[column]
        owner = column.partition(".")[0]
        if owner in self.columns:
            return [find_cell({owner: cell}, column) for cell in self.columns[owner]]
        return [ABSENT] * len(self.numbers)

    def list_names(self) -> Iterable[str]:
        """Name all columns."""
        return self.header


Block = Records | Columns


def find_cell(cells: Mapping[str, Any], column: str) -> Any:
    """Look a column up by its whole name, or step by step through objects, as in `translation.en`; else `ABSENT`."""
    if column in cells:
        return cells[column]
    cell: Any = cells
    for key in column.split("."):
        if not isinstance(cell, Mapping) or key not in cell:
            return ABSENT
        cell = cell[key]
    return cell


def list_columns(cells: Mapping[str, Any], *, level: int = 1) -> Iterator[str]:
    """Name the columns of a row; those inside an object follow it, as `translation.en` follows `translation`."""
    for name, cell in cells.items():
        yield name
        if isinstance(cell, Mapping) and level < DEEPEST:
            yield from (f"{name}.{inner}" for inner in list_columns(cell, level=level + 1))


def shorten_names(names: Iterable[str]) -> list[str]:
    """Shorten column names for a message."""
    # A key in JSON may hold a lone surrogate, which no terminal can print.
    printable = [" ".join(name.encode("utf-8", "backslashreplace").decode().split()) for name in names]
    return [name if len(name) <= 40 else f"{name[:37]}..." for name in printable]
