"""What every reader gives: numbered rows of cells in blocks, the faults among them, and how a row is named."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from nlp_transfer.config.dialect import PLAIN, Dialect
from nlp_transfer.data.formats.blocks import Block, Records
from nlp_transfer.data.formats.text_lines import BLOCK
from nlp_transfer.errors import FEW, DataError, first_of

LISTED = 10
MOST = 1000  # rows that are gathered
LeftOut = defaultdict[str, list[int]]  # why a reader passes over records of its format -> their numbers


class Row(NamedTuple):
    """One record: its 1-based line (where it starts) or row number, and its cells by column."""

    number: int
    cells: Mapping[str, Any]


class Fault(NamedTuple):
    """What is wrong with a record, in the place of its row."""

    number: int
    message: str


class Findings:
    """What was found in reading a place: faults, gathered to be said at once, what was left out, and what to know."""

    def __init__(self) -> None:
        """Start without any."""
        self.faults: defaultdict[str, list[int]] = defaultdict(list)  # what is wrong -> the rows
        self.left_out: LeftOut = defaultdict(list)
        self.notes: list[str] = []

    def fault(self, number: int, message: str) -> None:
        """Note what is wrong with a row; of many different faults only the first few are told apart."""
        told = message in self.faults or len(self.faults) < LISTED
        self.faults[message if told else "other faults"].append(number)


Wanted = Collection[str] | None  # the columns that every row must have; None: all that the header names
Read = Callable[[Wanted, Findings], Iterator[Block]]


def by_rows(rows: Iterable[Row | Fault]) -> Read:
    """Make a reader of rows that come one by one, or faults in their place."""
    return lambda _, findings: _in_blocks(rows, findings)


def _in_blocks(rows: Iterable[Row | Fault], findings: Findings) -> Iterator[Records]:
    """Gather rows, a thousand or about a megabyte at a time; those before a fault come before it."""
    some: list[Row] = []
    held, end = 0, None
    try:
        for row in rows:
            if isinstance(row, Row):
                some.append(row)
                held += _weight(row.cells)
            if isinstance(row, Fault) or len(some) == MOST or held > BLOCK:
                yield Records(some)
                some, held = [], 0
            if isinstance(row, Fault):
                findings.fault(*row)
    except DataError as error:
        end = error
    yield Records(some)
    if end:
        raise end


def _weight(cells: Mapping[str, Any]) -> int:
    """About how many characters a row holds."""
    values, characters = [*cells.values()], 0
    for value in values:  # which grow by those inside others
        match value:
            case str():
                characters += len(value)
            case list():
                values += value
            case dict():
                values += value.values()
    return characters + 8 * len(values)


@dataclass(frozen=True)
class RowStream:
    """The rows of one place, and how to name one of them in a message.

    Attributes:
        name: of the place.
        read: gives the blocks of its rows; it goes on after a fault, to find the others.
        unit: what its rows are numbered by.
        dialect: how it is written, where it is a .csv or .tsv, and how the user says so.
        findings: of the rows read so far.
    """

    name: str
    read: Read
    unit: str = "line"
    dialect: Dialect = PLAIN
    findings: Findings = field(default_factory=Findings)

    def blocks(self, wanted: Wanted = None) -> Iterator[Block]:
        """Read to the end.

        Args:
            wanted: the columns that every row must have; more may come. None: all that a header names.

        Raises:
            DataError: all faults; those in `findings` when a block comes are in rows before it.
        """
        try:
            yield from self.read(wanted, self.findings)
        except DataError as error:
            if not self.findings.faults:
                raise
            raise DataError(f"{self._listing()}\n  {error}") from None
        if self.findings.faults:
            raise DataError(self._listing())

    @property
    def rows(self) -> Iterator[Row]:
        """The rows one by one; see `blocks`."""
        return (Row(*row) for block in self.blocks() for row in block.rows)

    def _listing(self) -> str:
        faults = self.findings.faults
        if len(faults) == 1:
            message, numbers = next(iter(faults.items()))
            return f"{self.at(numbers, LISTED)}: {message}"
        count = sum(map(len, faults.values()))
        lines = "".join(
            f"\n  {self.unit}{'s' if rows[1:] else ''} {first_of(rows, LISTED)}: {message}"
            for message, rows in faults.items()
        )
        return f"{self.name}: {count} bad {self.unit}s{lines}"

    def at(self, numbers: list[int], shown: int = FEW) -> str:
        """Name rows: `a.csv:3`, `a.parquet, row 3` or `a.csv, lines 3, 4 and 9 more`."""
        if len(numbers) == 1:
            return f"{self.name}:{numbers[0]}" if self.unit == "line" else f"{self.name}, row {numbers[0]}"
        return f"{self.name}, {self.unit}s {first_of(numbers, shown)}"


def refuse_empty(file: Path, rows: int, *, found: str = "no rows") -> None:
    """Raise a `DataError` for a file that was read to its end without a row."""
    if not rows:
        raise DataError(f"{file}:1: the file holds {found}; give at least one row")
