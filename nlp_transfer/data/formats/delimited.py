"""Read .csv and .tsv strictly, as columns, a block of rows at a time: by Arrow where nothing is odd, else by csv."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from nlp_transfer.config.dialect import Dialect, find_delimiter, is_data_row
from nlp_transfer.data.formats.blocks import Columns
from nlp_transfer.data.formats.csv_records import Cells, CsvRecords, Taken
from nlp_transfer.data.formats.quoting import decide_quoting
from nlp_transfer.data.formats.records import Findings, Read, Wanted, refuse_empty
from nlp_transfer.data.formats.text_lines import RawBlock
from nlp_transfer.errors import DataError, count_things, list_first

NAMED = 8  # columns that a message about a row names


def make_table_reader(file: Path, dialect: Dialect, delimiter: str) -> Read:
    """Make the reader of a table; `delimiter` is the default of the format."""
    return lambda wanted, findings: _Table(file, dialect, delimiter, wanted, findings).read_blocks()


@dataclass(frozen=True)
class _Shape:
    """Describe the columns of a table: their number, their names in order, and the positions of those to read."""

    width: int
    header: tuple[str, ...]
    places: dict[str, int]
    named: int  # the number of columns up to the last one with a name

    @property
    def needed(self) -> int:
        """The number of cells that a row needs at least."""
        return max(self.places.values(), default=-1) + 1


class _Table:
    """Read one table, and note what is odd about it on the way."""

    def __init__(self, file: Path, dialect: Dialect, delimiter: str, wanted: Wanted, findings: Findings) -> None:
        self.file, self.dialect, self.delimiter = file, dialect, dialect.delimiter or delimiter
        self.wanted, self.findings = wanted, findings
        self.shape: _Shape | None = None  # known from the first line that is not blank
        self.blank: list[int] = []  # blank lines: empty cells of a table of one column, unless they end the file
        self.behind: list[int] = []  # lines with text beyond the last column that has a name
        self.spanning: list[int] = []  # first lines of the records that span several lines
        self.divisible: list[int] = []  # those of them in which each line could be a row of its own

    def read_blocks(self) -> Iterator[Columns]:
        """Yield the rows; a fault is noted after the rows before it."""
        quoted = decide_quoting(self.file, self.delimiter, self.dialect, self.findings)
        unquote = self.dialect.set_quoting("none")
        records = CsvRecords(self.file, self.delimiter, quoted=quoted, unquote=unquote, encoding=self.dialect.encoding)

        rows = 0
        for block in records.blocks:
            cut = self._cut(block, quoted=quoted)
            for columns in self._pick(records.read_block(block)) if cut is None else [cut]:
                rows += len(columns.numbers)
                yield columns

        # Notes come at the end, when it is known how many rows are odd.
        if self.behind:
            what = (
                f"{count_things(len(self.behind), 'row has', 'rows have')} text behind the last column that has a name"
            )
            self.findings.notes.append(f"{self.file}: {what}; it is not read (first: {list_first(self.behind)})")
        if self.divisible and self.divisible == self.spanning and self.dialect.quoting == "auto":
            what = (
                count_things(len(self.divisible), "row goes", "rows go")
                + " over several lines, of which each would be a row by itself"
            )
            way = f"if quotes are characters: {self.dialect.set_quoting('none')} (first: {list_first(self.divisible)})"
            self.findings.notes.append(f"{self.file}: {what}; {way}")

        if not self.findings.faults:
            refuse_empty(self.file, rows, found="a header but no rows" if self.shape else "nothing")

    def _cut(self, block: RawBlock, *, quoted: bool) -> Columns | None:
        """Cut a block into its columns at once; None if something in it is odd, or could be noted."""
        shape = self.shape
        if shape is None or not shape.places or shape.named < shape.width:
            return None
        from nlp_transfer.data.formats.csv_columns import cut_columns  # loads numpy

        columns = cut_columns(block, self.delimiter, shape.places, width=shape.width, quoted=quoted)
        if columns is None:
            return None
        return Columns(range(block.number, block.number + block.lines), shape.header, columns)

    def _pick(self, taken: Iterable[Taken]) -> Iterator[Columns]:
        """Pick the columns to read out of records, and note every fault behind the rows before it."""
        for starts, records, fault in taken:
            first = self._begin(starts, records) if self.shape is None else 0

            if self.shape is not None:
                self._look_across(self.shape, starts[first:], records[first:])
                for numbers, fitting in self._select_fitting(self.shape, starts[first:-1], records[first:]):
                    self._look_behind(self.shape, numbers, fitting)
                    columns = {name: list(map(itemgetter(at), fitting)) for name, at in self.shape.places.items()}
                    yield Columns(numbers, self.shape.header, columns)

            if fault:
                self._note_fault(starts[-1], fault)

    def _begin(self, starts: Sequence[int], records: list[Cells]) -> int:
        """Take the shape from the first record that is not blank, if there is one; return where its rows start."""
        first = next((place for place, record in enumerate(records) if record), None)
        if first is None:
            self.blank += starts[:-1]
            return len(records)
        self.shape = self._shape_of(records[first], starts[first])
        if self.dialect.header or self.shape.width > 1:
            self.blank = []
        return first + 1 if self.dialect.header else 0

    def _shape_of(self, record: Cells, line: int) -> _Shape:
        header = [name.strip() for name in record] if self.dialect.header else [str(at) for at in range(len(record))]
        wanted = [name for name in header if name] if self.wanted is None else self.wanted
        repeated = next((name for name, count in Counter(header).items() if count > 1 and name in wanted), None)
        if repeated is not None:
            way = f", or {self.dialect.set_header(named=False)} if this is data" if is_data_row(header) else ""
            raise DataError(f"{self.file}:{line}: column '{repeated}' appears twice in the header; rename one{way}")
        places = {name: header.index(name) for name in wanted if name in header}
        named = max((at for at, name in enumerate(header, 1) if name), default=0)
        return _Shape(len(header), tuple(name for name in header if name), places, named)

    def _select_fitting(
        self, shape: _Shape, numbers: Sequence[int], records: list[Cells]
    ) -> Iterator[tuple[Sequence[int], list[Cells]]]:
        """Yield the records that hold every cell to read; note a fault for any other, after the records before it."""
        # Nearly every block is clean: all its records fit.
        lengths = set(map(len, records))
        if lengths and min(lengths) >= max(1, shape.needed) and max(lengths) <= shape.width and not self.blank:
            yield numbers, records
            return

        some: list[int] = []
        fitting: list[Cells] = []
        for number, record in zip(numbers, records, strict=True):
            if not record:
                self.blank += [number] if shape.width == 1 else []
            elif shape.needed <= len(record) and not any(record[shape.width :]):
                some += [*self.blank, number]
                fitting += [*([""] for _ in self.blank), record]
                self.blank = []
            else:
                yield some, fitting
                some, fitting = [], []
                shown = ", ".join(shape.header[:NAMED])
                way = "fill it up" if len(record) < shape.width else "quote a field that holds the delimiter"
                self._note_fault(
                    number, f"the row has {len(record)} of the header's {shape.width} fields ({shown}); {way}"
                )
        yield some, fitting

    def _look_behind(self, shape: _Shape, numbers: Sequence[int], records: list[Cells]) -> None:
        if shape.named < shape.width:
            rows = zip(numbers, records, strict=True)
            self.behind += [number for number, record in rows if any(record[shape.named :])]

    def _look_across(self, shape: _Shape, starts: Sequence[int], records: list[Cells]) -> None:
        """Note the records that a stray quote may have joined out of several rows."""
        if starts[-1] - starts[0] == len(records):  # every record is one line
            return
        for number, record in zip(starts, records, strict=False):
            lines = self.delimiter.join(record).split("\n")
            if len(lines) > 1:
                self.spanning.append(number)
                if all(line.count(self.delimiter) == shape.width - 1 > 0 for line in lines):
                    self.divisible.append(number)

    def _note_fault(self, number: int, message: str) -> None:
        """Note a fault of a row; raise it if all rows would repeat it, because the header is broken or not divided."""
        if self.shape is None:
            raise DataError(f"{self.file}:{number}: {message}")
        if mark := find_delimiter(self.shape.header):
            way = f"The file seems to use another delimiter: {self.dialect.set_delimiter(mark)}"
            raise DataError(f"{self.file}:{number}: {message}. {way}")
        self.findings.note_fault(number, message)
