"""Read the records of a .csv or .tsv, with the line each starts on: a block at a time, in bounded memory."""

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from pathlib import Path
from typing import NamedTuple

from nlp_transfer.data.formats.text_lines import LONGEST, TOO_LONG, read_blocks
from nlp_transfer.errors import DataError

Cells = list[str]


class Taken(NamedTuple):
    """Hold records that were read together.

    Attributes:
        starts: the line on which each record starts, and last the line on which the next one does.
        records: the cells of each; a blank line has none.
        fault: what is wrong with the next record; empty if nothing is.
    """

    starts: Sequence[int]
    records: list[Cells]
    fault: str


class CsvRecords:
    """Iterate over the records of a file, many at a time."""

    def __init__(self, file: Path, delimiter: str, *, quoted: bool, unquote: str, encoding: str | None = None) -> None:
        """Read a file whose cells are `quoted` or not; `unquote` is the setting that reads quotes as characters."""
        self.file, self.unquote, self.encoding = file, unquote, encoding
        self.records: list[Cells] = []  # the records of the current block
        self.start = 1  # the line of the first of these
        self.held = 0  # characters that the csv module received since then
        # The csv module has one limit for all readers, so it is only ever raised.
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST))
        self.reader = csv.reader(
            chain.from_iterable(self._feed_texts()),
            delimiter=delimiter,
            strict=True,
            quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        )

    def __iter__(self) -> Iterator[Taken]:
        """Yield all records, and go on after a fault. A `DataError` comes after the records that stand before it."""
        more = True
        while more:
            self.records, self.held = [], 0
            try:
                more, fault = self._take()
            except DataError:
                yield Taken(self._find_starts(), self.records, "")
                raise
            yield Taken(self._find_starts(), self.records, fault)
            self.start = self.reader.line_num + 1

    def _take(self) -> tuple[bool, str]:
        """Take records up to the end of a block or a fault; return whether more may follow, and the fault."""
        add = self.records.append
        try:
            for record in self.reader:
                add(record)
                if self.held:  # the reader has begun another block
                    return True, ""
        except csv.Error as error:
            return True, self._say(str(error))
        return False, ""

    def _feed_texts(self) -> Iterator[io.StringIO]:
        """Yield the text of the file to the csv module, a block at a time; refuse a record that grows too long."""
        for _, text in read_blocks(self.file, self.encoding):
            if self.held > LONGEST:
                raise DataError(f"{self._name_place()}: {TOO_LONG.format('record')}; is a quote never closed?")
            self.held += len(text)
            yield io.StringIO(text, newline="\n")

    def _find_starts(self) -> Sequence[int]:
        end = self.start + len(self.records)
        if end == self.reader.line_num + 1:  # every record is one line
            return range(self.start, end + 1)
        lengths = (1 + sum(cell.count("\n") for cell in record) for record in self.records)
        return list(accumulate(lengths, initial=self.start))

    def _name_place(self) -> str:
        return f"{self.file}:{self._find_starts()[-1]}"

    def _say(self, message: str) -> str:
        """Translate an error of the csv module.

        Raises:
            DataError: a cell is too long. Reading cannot go on, since the start of the next record is unknown.
        """
        end, way = self.reader.line_num, f"or take quotes as they are: {self.unquote}"
        place = f" (on line {end})" if end > self._find_starts()[-1] else ""

        if "end of data" in message:
            return f"a quote is opened here and never closed (read on to line {end}); close it, {way}"
        if "expected after" in message:
            return f'text after a closing quote{place}; write a quote inside a quoted field as "", {way}'
        if "new-line character" in message:
            return f"a bare carriage return{place}; end lines with LF or CRLF, or quote the field"
        if "field limit" in message:
            raise DataError(f"{self._name_place()}: {TOO_LONG.format('cell')}")
        return message
