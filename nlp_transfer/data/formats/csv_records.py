"""Records of a .csv or .tsv: the cells of each and the line it starts on, a block at a time, within bounded memory."""

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from pathlib import Path
from typing import NamedTuple

from nlp_transfer.data.formats.text_lines import LONGEST, TOO_LONG, file_blocks
from nlp_transfer.errors import DataError

Record = list[str]


class Taken(NamedTuple):
    """Records read together.

    Attributes:
        starts: the line on which each starts, and behind them that of the next one.
        records: their cells; a blank line has none.
        fault: what is wrong with the next one; empty if nothing is.
    """

    starts: Sequence[int]
    records: list[Record]
    fault: str


class CsvRecords:
    """The records of a file."""

    def __init__(self, file: Path, delimiter: str, *, quoted: bool, unquote: str) -> None:
        """Read a file whose cells may stand in quotes, or not; `unquote`: how a user has quotes read as they are."""
        self.file, self.unquote = file, unquote
        self.records: list[Record] = []  # those that are being taken
        self.start = 1  # the line of the first of them
        self.held = 0  # characters given to the csv module since then
        # The limit belongs to the csv module, not to a reader, and is only ever raised.
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST))
        self.reader = csv.reader(
            chain.from_iterable(self._texts()),
            delimiter=delimiter,
            strict=True,
            quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
        )

    def __iter__(self) -> Iterator[Taken]:
        """Give all records. It goes on after a fault; those before a `DataError` come before it."""
        more = True
        while more:
            self.records, self.held = [], 0
            try:
                more, fault = self._take()
            except DataError:
                yield Taken(self._starts(), self.records, "")
                raise
            yield Taken(self._starts(), self.records, fault)
            self.start = self.reader.line_num + 1

    def _take(self) -> tuple[bool, str]:
        """Take records to the end of a block of text or to a fault; tell whether there may be more, and the fault."""
        try:
            for record in self.reader:
                self.records.append(record)
                if self.held:  # another block was begun
                    return True, ""
        except csv.Error as error:
            return True, self._say(str(error))
        return False, ""

    def _texts(self) -> Iterator[io.StringIO]:
        """Give the text of the file to the csv module, as long as a record ends now and then."""
        for _, text in file_blocks(self.file):
            if self.held > LONGEST:
                raise DataError(f"{self._place()}: {TOO_LONG.format('record')}; is a quote never closed?")
            self.held += len(text)
            yield io.StringIO(text, newline="\n")

    def _starts(self) -> Sequence[int]:
        end = self.start + len(self.records)
        if end == self.reader.line_num + 1:  # each is one line
            return range(self.start, end + 1)
        lengths = (1 + sum(cell.count("\n") for cell in record) for record in self.records)
        return list(accumulate(lengths, initial=self.start))

    def _place(self) -> str:
        return f"{self.file}:{self._starts()[-1]}"

    def _say(self, message: str) -> str:
        """What to say of an error of the csv module.

        Raises:
            DataError: a cell that is too long: there is no telling where the next record starts.
        """
        end, way = self.reader.line_num, f"or take quotes as they are: {self.unquote}"
        place = f" (on line {end})" if end > self._starts()[-1] else ""
        if "end of data" in message:
            return f"a quote is opened here and never closed (read on to line {end}); close it, {way}"
        if "expected after" in message:
            return f'text after a closing quote{place}; write a quote inside a quoted field as "", {way}'
        if "new-line character" in message:
            return f"a bare carriage return{place}; end lines with LF or CRLF, or quote the field"
        if "field limit" in message:
            raise DataError(f"{self._place()}: {TOO_LONG.format('cell')}")
        return message
