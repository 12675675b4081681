"""Read JSON one value at a time: an object a line, objects that span lines, or a list of objects.

The list is the whole file, or the value of one key in the file's only object, as in `{"data": [...]}`. Memory holds one
value and one block of text.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from nlp_transfer.data.formats.records import Fault, Record, refuse_empty
from nlp_transfer.data.formats.text_lines import LONGEST, TOO_LONG, is_read_once, read_lines, read_pieces
from nlp_transfer.errors import DataError

Layout = Literal["lines", "values", "list", "wrapped"]
WAY = "write one object a line, or one list"
BLANK = re.compile(r"[ \t\r\n]*")
TEXT = r'"(?:[^"\\]|\\.)*"'
PAIR = rf"{TEXT}\s*:\s*(?:{TEXT}|[-+.\w]+)\s*,\s*"
WRAPPED = re.compile(rf"\s*\{{\s*(?:{PAIR})*{TEXT}\s*:\s*\[(?=\s*\{{)")  # {"version": 1, "data": [ and no further
UNENDED = "Unterminated string"
DECODER = json.JSONDecoder()


def find_layout(file: Path, *, lists: bool, encoding: str | None = None) -> Layout:
    """Find how a file is written from its beginning; `lists` allows a list, as in .json but not in .jsonl.

    A pipe is read line by line, because one cannot look into it first.
    """
    if is_read_once(file):
        return "lines"

    head = next((piece for piece in read_pieces(file, encoding) if piece.strip()), "").lstrip()
    if lists and head.startswith("["):
        return "list"

    first, _, rest = head.partition("\n")
    wrapped = lists and WRAPPED.match(head) is not None and _is_alone(file, encoding)
    if (wrapped and not rest.strip()) or (_is_unfinished(first) and not _is_object(rest.partition("\n")[0])):
        return "wrapped" if wrapped else "values"
    return "lines"


def _is_alone(file: Path, encoding: str | None) -> bool:
    """Tell whether the file ends behind the object that holds the list; in JSON lines, other objects would follow."""
    reader = _Reader(file, encoding)
    try:
        reader.open_wrapper()
        for _ in reader.read_items():
            pass
        reader.close_wrapper()
        return not reader.peek()
    except DataError:  # reading the rows will report it
        return True


def _is_unfinished(line: str) -> bool:
    """Tell whether a line holds the beginning of a value, or several values."""
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        return _is_cut(error) or error.msg == "Extra data"
    except (RecursionError, ValueError):
        pass
    return False


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (RecursionError, ValueError):
        return False


def read_json_rows(
    file: Path, layout: Layout, bare: str | None, encoding: str | None = None
) -> Iterator[Record | Fault]:
    """Read the objects of a file, numbered by the line they start on, or by position in a list.

    Args:
        file: the file.
        layout: how it is written; see `find_layout`.
        bare: the column for plain strings and nulls; by default these are faults.
        encoding: of the file; None means UTF-8.

    Raises:
        DataError: the JSON is broken so that reading cannot go on; the message names the line.
    """
    number = 0
    if layout == "lines":
        rows = _read_lines(read_lines(file, encoding))
    else:
        rows = _read_values(_Reader(file, encoding), layout)
    for number, value in rows:
        yield _make_record(number, value, bare)
    refuse_empty(file, number, found="no rows" if layout in ("list", "wrapped") else "nothing")


def read_arriving_rows(lines: Iterable[tuple[int, str]], columns: Iterable[str]) -> Iterator[Record | Fault]:
    """Read numbered lines that hold an object each, as they come; a fault shows an object with these columns."""
    shape = ", ".join(f"{json.dumps(column)}: ..." for column in columns)
    for number, value in _read_lines(lines):
        row = _make_record(number, value, None)
        yield Fault(number, f"{row.message}; write each as {{{shape}}}") if isinstance(row, Fault) else row


def _make_record(number: int, value: Any, bare: str | None) -> Record | Fault:
    match value:
        case dict():
            return Record(number, value)
        case str() | None if bare is not None:
            return Record(number, {bare: value})
        case Fault():
            return value
        case _:
            return Fault(number, f'expected an object such as {{"text": ...}}, received a {type(value).__name__}')


def _read_lines(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, Any]]:
    for number, line in lines:
        if line.strip():
            try:
                yield number, json.loads(line)
            except (RecursionError, ValueError) as error:
                yield number, Fault(number, _describe_error(error))


def _read_values(reader: "_Reader", layout: Layout) -> Iterator[tuple[int, Any]]:
    match layout:
        case "list":
            reader.take()
            yield from enumerate(reader.read_items(), 1)
        case "wrapped":
            reader.open_wrapper()
            yield from enumerate(reader.read_items(), 1)
            reader.close_wrapper()
        case _:
            while reader.peek():
                yield reader.line, reader.read_value()

    if reader.peek():
        raise reader.make_fault(f"more after the list of records; {WAY}")


class _Reader:
    """Read values from a position in the text of a file."""

    def __init__(self, file: Path, encoding: str | None) -> None:
        self.file, self.pieces = file, read_pieces(file, encoding)
        self.text, self.at, self.line = "", 0, 1

    def peek(self) -> str:
        """Skip white space and return the next character; empty at the end of the file."""
        while True:
            found = BLANK.match(self.text, self.at)
            self._advance(found.end() if found else self.at)
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._read_more():
                return ""

    def take(self) -> str:
        """Skip white space and the next character, and return that character."""
        mark = self.peek()
        self._advance(self.at + len(mark))
        return mark

    def read_value(self) -> Any:
        """Read one value, with as much more of the file as it needs."""
        self.peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self.text, self.at)

            except json.JSONDecodeError as error:
                cut = _is_cut(error)
                if cut and len(self.text) - self.at > LONGEST:
                    raise self.make_fault(TOO_LONG.format("record")) from None
                if not (cut and self._read_more()):
                    raise self._make_broken_error(error) from None

            except (RecursionError, ValueError) as error:
                raise self.make_fault(_describe_error(error)) from None
            else:
                if isinstance(value, int | float) and end > len(self.text) - len("e-1") and self._read_more():
                    continue  # the number may have more digits
                self._advance(end)
                return value

    def read_items(self) -> Iterator[Any]:
        """Read the values of a list from behind its opening bracket to its end."""
        if self.peek() == "]":
            self.take()
            return

        mark = ","
        while mark == ",":
            yield self.read_value()
            mark = self.take()
        if mark != "]":
            raise self.make_fault(f"broken JSON: expected ',' or ']' in the list, received {mark!r}; {WAY}")

    def open_wrapper(self) -> None:
        """Skip the part of an object before the list inside it."""
        self.peek()
        found = WRAPPED.match(self.text, self.at)
        self._advance(found.end() if found else self.at)

    def close_wrapper(self) -> None:
        """Skip the part of an object behind the list inside it."""
        while (mark := self.take()) == ",":
            key = self.read_value()
            self.take()
            value = self.read_value()
            if isinstance(value, list) and value and isinstance(value[0], dict):
                raise self.make_fault(f"a second list of objects, under {key!r}; give each a file of its own")
        if mark != "}":
            raise self.make_fault(f"broken JSON: expected ',' or '}}' behind the list, received {mark!r}; {WAY}")

    def _make_broken_error(self, error: json.JSONDecodeError) -> DataError:
        """Build the error for broken JSON: the place, or the line of a value that has no end."""
        if error.pos >= len(error.doc.rstrip()) or error.msg.startswith(UNENDED):
            return self.make_fault(f"broken JSON: what begins here has no end ({error.msg}); {WAY}")
        begun = self.line
        self._advance(error.pos)
        since = f" (in what begins on line {begun})" if self.line > begun else ""
        return self.make_fault(f"{_describe_error(error)}{since}")

    def make_fault(self, message: str) -> DataError:
        return DataError(f"{self.file}:{self.line}: {message}")

    def _advance(self, to: int) -> None:
        self.line += self.text.count("\n", self.at, to)
        self.at = to

    def _read_more(self) -> bool:
        """Read on, and double the text held, so that a long value is parsed few times; False at the end of the file."""
        held = len(self.text) - self.at
        pieces, more = [self.text[self.at :]], 0

        for piece in self.pieces:
            pieces.append(piece)
            more += len(piece)
            if more >= held:
                break
        if more:
            self.text, self.at = "".join(pieces), 0
        return more > 0


def _is_cut(error: json.JSONDecodeError) -> bool:
    """Tell whether an error may be due to text that is not read yet: it is at the end, or a string is still open."""
    return error.msg.startswith(UNENDED) or error.pos >= len(error.doc.rstrip()) - len("-Infinity")


def _describe_error(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"broken JSON at position {error.colno}: {error.msg}; {WAY}"
    return f"JSON that cannot be read: {error}"
