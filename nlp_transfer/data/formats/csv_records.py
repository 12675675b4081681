"""Read the records of a .csv or .tsv strictly, with the line each starts on: a block at a time, in bounded memory."""

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, islice
from pathlib import Path
from typing import NamedTuple

from nlp_transfer.data.formats.text_lines import LONGEST, TOO_LONG, RawBlock, read_raw_blocks, unify_line_ends
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
    """Read the records of a file out of its blocks, many at a time.

    Attributes:
        blocks: the lines of the file.
    """

    def __init__(self, file: Path, delimiter: str, *, quoted: bool, unquote: str, encoding: str | None = None) -> None:
        """Read a file whose cells are `quoted` or not; `unquote` is the setting that reads quotes as characters."""
        self.file, self.delimiter, self.unquote = file, delimiter, unquote
        self.quoted = quoted
        self.blocks = read_raw_blocks(file, encoding)
        self.records: list[Cells] = []  # the records that were taken since the last fault, or the start of the block
        self.start = 1  # the line of the first of these
        self.held = 0  # characters that the csv module received since then
        # The csv module has one limit for all readers, so it is only ever raised.
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST))

    def read_block(self, block: RawBlock) -> Iterator[Taken]:
        """Yield the records of a block and go on after a fault; a record that is open at its end takes more `blocks`.

        Raises:
            DataError: the file cannot be read further; this comes after the records that stand before it.
        """
        self.first = self.start = block.number
        self.lines, self.held = block.lines, 0  # lines of the blocks that were begun
        lines = chain.from_iterable(self._feed_texts(block))
        self.reader = csv.reader(
            lines,
            delimiter=self.delimiter,
            strict=True,
            quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
        )

        while self.reader.line_num < self.lines:
            self.records = []
            try:
                fault = self._take()
            except DataError:
                yield Taken(self._find_starts(), self.records, "")
                raise
            yield Taken(self._find_starts(), self.records, fault)
            self.start, self.held = self.first + self.reader.line_num, 0

    def _take(self) -> str:
        """Take records up to the end of a block or a fault; return the fault."""
        try:
            # A record has at least one line, so only one that is open at the end of a block begins another.
            while left := self.lines - self.reader.line_num:
                self.records += islice(self.reader, left)
        except csv.Error as error:
            return self._say(str(error))
        return ""

    def _feed_texts(self, block: RawBlock) -> Iterator[io.StringIO]:
        """Yield the text of a block to the csv module, then those of others; refuse a record that grows too long."""
        for more in chain([block], self.blocks):
            if self.held > LONGEST:
                raise DataError(f"{self._name_place()}: {TOO_LONG.format('record')}; is a quote never closed?")
            text = more.content.decode("utf-8", "surrogatepass")
            self.held += len(text)
            self.lines = more.number + more.lines - self.first
            yield io.StringIO(unify_line_ends(text), newline="\n")

    def _find_starts(self) -> Sequence[int]:
        end = self.start + len(self.records)
        if end == self.first + self.reader.line_num:  # every record is one line
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
        end, way = self.first + self.reader.line_num - 1, f"or take quotes as they are: {self.unquote}"
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
