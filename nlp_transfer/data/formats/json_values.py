"""JSON one value at a time: an object a line, objects one after another over any lines, or a list of objects.

The list may be the whole of a file, or stand in its one object under a key. No more is held than a value and a block.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from nlp_transfer.data.formats.records import Fault, Row, refuse_empty
from nlp_transfer.data.formats.text_lines import LONGEST, TOO_LONG, file_pieces, is_read_once, numbered_lines
from nlp_transfer.errors import DataError

Layout = Literal["lines", "values", "list", "wrapped"]
WAY = "write one object a line, or one list"
BLANK = re.compile(r"[ \t\r\n]*")
TEXT = r'"(?:[^"\\]|\\.)*"'
PAIR = rf"{TEXT}\s*:\s*(?:{TEXT}|[-+.\w]+)\s*,\s*"
WRAPPED = re.compile(rf"\s*\{{\s*(?:{PAIR})*{TEXT}\s*:\s*\[(?=\s*\{{)")  # up to the list in {"version": 1, "data": [{
UNENDED = "Unterminated string"
DECODER = json.JSONDecoder()


def find_layout(file: Path, *, lists: bool) -> Layout:
    """Tell by its beginning how a file is written; `lists`: it may be one, as .json may and .jsonl may not.

    What cannot be looked into first, such as a pipe, is read by lines.
    """
    if is_read_once(file):
        return "lines"
    head = next((piece for piece in file_pieces(file) if piece.strip()), "").lstrip()
    if lists and head.startswith("["):
        return "list"
    first, _, rest = head.partition("\n")
    wrapped = lists and WRAPPED.match(head) is not None and _is_alone(file)
    if (wrapped and not rest.strip()) or (_goes_on(first) and not _is_object(rest.partition("\n")[0])):
        return "wrapped" if wrapped else "values"
    return "lines"


def _is_alone(file: Path) -> bool:
    """Whether nothing stands behind the object that holds a list: others would have such a list each."""
    reader = _Reader(file)
    try:
        reader.open_wrapper()
        for _ in reader.items():
            pass
        reader.close_wrapper()
        return not reader.peek()
    except DataError:  # will be said when it is read
        return True


def _goes_on(line: str) -> bool:
    """Whether a line holds the beginning of a value, or several."""
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


def json_rows(file: Path, layout: Layout, bare: str | None) -> Iterator[Row | Fault]:
    """Read the objects of a file, numbered by the lines they start on, or by row in a list.

    Args:
        file: to read.
        layout: of it.
        bare: the column under which plain strings and nulls appear; by default they are faults.

    Raises:
        DataError: JSON that cannot be gone on with, with its line.
    """
    number = 0
    rows = _lines(file) if layout == "lines" else _values(_Reader(file), layout)
    for number, value in rows:
        yield _row(number, value, bare)
    refuse_empty(file, number, found="no rows" if layout in ("list", "wrapped") else "nothing")


def _row(number: int, value: Any, bare: str | None) -> Row | Fault:
    match value:
        case dict():
            return Row(number, value)
        case str() | None if bare is not None:
            return Row(number, {bare: value})
        case Fault():
            return value
        case _:
            return Fault(number, f'expected an object such as {{"text": ...}}, received a {type(value).__name__}')


def _lines(file: Path) -> Iterator[tuple[int, Any]]:
    for number, line in numbered_lines(file):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (RecursionError, ValueError) as error:
                yield number, Fault(number, _said(error))


def _values(reader: "_Reader", layout: Layout) -> Iterator[tuple[int, Any]]:
    match layout:
        case "list":
            reader.take()
            yield from enumerate(reader.items(), 1)
        case "wrapped":
            reader.open_wrapper()
            yield from enumerate(reader.items(), 1)
            reader.close_wrapper()
        case _:
            while reader.peek():
                yield reader.line, reader.value()
    if reader.peek():
        raise reader.fault(f"more after the list of records; {WAY}")


class _Reader:
    """A place in the text of a file."""

    def __init__(self, file: Path) -> None:
        self.file, self.pieces = file, file_pieces(file)
        self.text, self.at, self.line = "", 0, 1

    def peek(self) -> str:
        """Pass over blanks to the next character; empty at the end."""
        while True:
            found = BLANK.match(self.text, self.at)
            self._advance(found.end() if found else self.at)
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._more():
                return ""

    def take(self) -> str:
        """Pass over blanks and the next character."""
        mark = self.peek()
        self._advance(self.at + len(mark))
        return mark

    def value(self) -> Any:
        """Read a value."""
        self.peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                cut = _is_cut(error)
                if cut and len(self.text) - self.at > LONGEST:
                    raise self.fault(TOO_LONG.format("record")) from None
                if not (cut and self._more()):
                    raise self._broken(error) from None
            except (RecursionError, ValueError) as error:
                raise self.fault(_said(error)) from None
            else:
                if isinstance(value, int | float) and end > len(self.text) - len("e-1") and self._more():
                    continue  # there may be more of the number
                self._advance(end)
                return value

    def items(self) -> Iterator[Any]:
        """Read the values of a list, its bracket passed, to its end."""
        if self.peek() == "]":
            self.take()
            return
        mark = ","
        while mark == ",":
            yield self.value()
            mark = self.take()
        if mark != "]":
            raise self.fault(f"broken JSON: expected ',' or ']' in the list, received {mark!r}; {WAY}")

    def open_wrapper(self) -> None:
        """Pass over what stands before the list in an object."""
        self.peek()
        found = WRAPPED.match(self.text, self.at)
        self._advance(found.end() if found else self.at)

    def close_wrapper(self) -> None:
        """Pass over what stands behind the list in an object."""
        while (mark := self.take()) == ",":
            key = self.value()
            self.take()
            value = self.value()
            if isinstance(value, list) and value and isinstance(value[0], dict):
                raise self.fault(f"a second list of objects, under {key!r}; give each a file of its own")
        if mark != "}":
            raise self.fault(f"broken JSON: expected ',' or '}}' behind the list, received {mark!r}; {WAY}")

    def _broken(self, error: json.JSONDecodeError) -> DataError:
        """Say what is wrong and where, or that a value which begins here has no end."""
        if error.pos >= len(error.doc.rstrip()) or error.msg.startswith(UNENDED):
            return self.fault(f"broken JSON: what begins here has no end ({error.msg}); {WAY}")
        begun = self.line
        self._advance(error.pos)
        since = f" (in what begins on line {begun})" if self.line > begun else ""
        return self.fault(f"{_said(error)}{since}")

    def fault(self, message: str) -> DataError:
        return DataError(f"{self.file}:{self.line}: {message}")

    def _advance(self, to: int) -> None:
        self.line += self.text.count("\n", self.at, to)
        self.at = to

    def _more(self) -> bool:
        """Read on, twice as much as there is, so that a long value is not tried too often; False at the end."""
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
    """Whether an error may come of a text that is not all there: it is at the end, or a string is open."""
    return error.msg.startswith(UNENDED) or error.pos >= len(error.doc.rstrip()) - len("-Infinity")


def _said(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"broken JSON at position {error.colno}: {error.msg}; {WAY}"
    return f"JSON that cannot be read: {error}"
