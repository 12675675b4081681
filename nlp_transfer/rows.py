"""What every reader gives: numbered rows of cells, and how one of them is named in a message."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from nlp_transfer.errors import DataError

SHOWN = 5
LeftOut = defaultdict[str, list[int]]  # why a reader passes over records of its format -> their numbers


class Row(NamedTuple):
    """One record: its 1-based line (where it starts) or row number, and its cells by column."""

    number: int
    cells: Mapping[str, Any]


@dataclass(frozen=True)
class RowStream:
    """The rows of one place, how to name one of them in a message, and what was left out (once they are read)."""

    name: str
    rows: Iterator[Row]
    unit: str = "line"
    left_out: LeftOut = field(default_factory=lambda: LeftOut(list))

    def at(self, numbers: list[int]) -> str:
        """Name rows: `a.csv:3`, `a.parquet, row 3` or `a.csv, lines 3, 4 and 9 more`."""
        if len(numbers) == 1:
            return f"{self.name}:{numbers[0]}" if self.unit == "line" else f"{self.name}, row {numbers[0]}"
        return f"{self.name}, {self.unit}s {first_of(numbers)}"


def first_of(numbers: list[int]) -> str:
    """List the first few numbers and count the rest."""
    more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    return ", ".join(map(str, numbers[:SHOWN])) + more


def refuse_empty(file: Path, rows: int, *, found: str = "no rows") -> None:
    """Raise a `DataError` for a file that was read to its end without a row."""
    if not rows:
        raise DataError(f"{file}:1: the file holds {found}; give at least one row")
