"""Define what every reader yields: blocks of numbered rows, the faults among them, and the name of a row."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from nlp_transfer.config.dialect import PLAIN, Dialect
from nlp_transfer.data.formats.blocks import Block, Records
from nlp_transfer.data.formats.text_lines import BLOCK
from nlp_transfer.errors import SHOWN_FIRST, DataError, list_first

LISTED_FAULTS = 10  # different faults, or rows of one fault, that a message lists
BLOCK_ROWS = 1000  # rows in a block
LeftOut = defaultdict[str, list[int]]  # reason why records are left out -> their numbers


class Record(NamedTuple):
    """Hold one record: its line (where it starts) or row number, counted from 1, and its cells by column."""

    number: int
    cells: Mapping[str, Any]


class Fault(NamedTuple):
    """Say what is wrong with a record; stands in the place of its row."""

    number: int
    message: str


class Findings:
    """Collect what reading a file has shown: faults to report together, records left out, and notes for the user."""

    def __init__(self) -> None:
        """Start empty."""
        self.faults: defaultdict[str, list[int]] = defaultdict(list)  # message -> numbers of the rows
        self.left_out: LeftOut = defaultdict(list)
        self.notes: list[str] = []

    def note_fault(self, number: int, message: str) -> None:
        """Note a fault of a row. Only the first few different messages are told apart."""
        told = message in self.faults or len(self.faults) < LISTED_FAULTS
        self.faults[message if told else "other faults"].append(number)


Wanted = Collection[str] | None  # the columns that every row must have; None means all that the header names
Read = Callable[[Wanted, Findings], Iterator[Block]]


def make_reader(rows: Iterable[Record | Fault]) -> Read:
    """Make a reader of rows that come one by one; a fault stands in the place of its row."""
    return lambda _, findings: _gather_blocks(rows, findings)


def make_arriving_reader(rows: Iterable[Record | Fault], name: str) -> Read:
    """Make a reader of rows that arrive at a place of that name, and must not be waited for: a fault ends it."""

    def read(_: Wanted, __: Findings) -> Iterator[Records]:
        for row in rows:
            if isinstance(row, Fault):
                raise DataError(f"{name}:{row.number}: {row.message}")
            yield Records([row])

    return read


def _gather_blocks(rows: Iterable[Record | Fault], findings: Findings) -> Iterator[Records]:
    """Gather rows, a thousand or about a megabyte at a time; those before a fault come before it."""
    some: list[Record] = []
    held, end = 0, None
    try:
        for row in rows:
            if isinstance(row, Record):
                some.append(row)
                held += weigh(row.cells)

            if isinstance(row, Fault) or len(some) == BLOCK_ROWS or held > BLOCK:
                yield Records(some)
                some, held = [], 0

            if isinstance(row, Fault):
                findings.note_fault(*row)
    except DataError as error:
        end = error

    yield Records(some)
    if end:
        raise end


def weigh(cells: Mapping[str, Any]) -> int:
    """Estimate how many characters a row holds."""
    values, characters = [*cells.values()], 0
    for value in values:  # the list grows by the values inside lists and objects
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
    """Stream the rows of one place, and name them in messages.

    Attributes:
        name: the name of the place.
        read: yields blocks of rows; after a fault it goes on, so that all faults are reported at once.
        unit: what the rows are numbered by, line or row.
        dialect: how a .csv or .tsv is written, and the words for its settings in messages.
        findings: what was found in the rows read so far.
    """

    name: str
    read: Read
    unit: str = "line"
    dialect: Dialect = PLAIN
    findings: Findings = field(default_factory=Findings)

    def read_blocks(self, wanted: Wanted = None) -> Iterator[Block]:
        """Read all rows, in blocks.

        Args:
            wanted: the columns that every row must have; more may come. None means all that the header names.

        Raises:
            DataError: at the end, with all faults. Those in `findings` when a block comes lie in rows before it.
        """
        try:
            yield from self.read(wanted, self.findings)

        except DataError as error:
            if not self.findings.faults:
                raise
            raise DataError(f"{self._list_faults()}\n  {error}") from None
        if self.findings.faults:
            raise DataError(self._list_faults())

    @property
    def rows(self) -> Iterator[Record]:
        """The rows one by one; see `read_blocks`."""
        return (Record(*row) for block in self.read_blocks() for row in block.rows)

    def _list_faults(self) -> str:
        faults = self.findings.faults
        if len(faults) == 1:
            message, numbers = next(iter(faults.items()))
            return f"{self.name_rows(numbers, LISTED_FAULTS)}: {message}"
        count = sum(map(len, faults.values()))
        lines = "".join(
            f"\n  {self.unit}{'s' if rows[1:] else ''} {list_first(rows, LISTED_FAULTS)}: {message}"
            for message, rows in faults.items()
        )
        return f"{self.name}: {count} bad {self.unit}s{lines}"

    def name_rows(self, numbers: list[int], shown: int = SHOWN_FIRST) -> str:
        """Name rows: `a.csv:3`, `a.parquet, row 3` or `a.csv, lines 3, 4 and 9 more`."""
        if len(numbers) == 1:
            return f"{self.name}:{numbers[0]}" if self.unit == "line" else f"{self.name}, row {numbers[0]}"
        return f"{self.name}, {self.unit}s {list_first(numbers, shown)}"


def refuse_empty(file: Path, rows: int, *, found: str = "no rows") -> None:
    """Refuse a file that was read to its end and has no row."""
    if not rows:
        raise DataError(f"{file}:1: the file holds {found}; give at least one row")
