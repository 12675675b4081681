"""Cells read as text, a column at a time; and the texts of a file one by one for prediction."""

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import regex

from nlp_transfer.config.dialect import PLAIN, Dialect, looks_like_data, other_delimiter
from nlp_transfer.data.formats.blocks import ABSENT
from nlp_transfer.data.formats.records import RowStream
from nlp_transfer.data.formats.tables import DELIMITERS, format_of, has_columns, open_rows
from nlp_transfer.data.formats.text_files import read_arriving, read_text_file
from nlp_transfer.data.formats.text_lines import LONGEST, TOO_LONG, decoded, existing_file
from nlp_transfer.data.report import dropped_rows
from nlp_transfer.data.text.scripts import compose
from nlp_transfer.errors import DataError, suggest

GROUP = "Name one of them in data.group, or set data.group=null."
STDIN = "standard input"
PATIENCE = 1000  # records without a column, after which none is expected to have it
# Controls, marks without width, blanks, what programs pass over by Unicode (fillers, variants); an empty Braille cell.
UNSEEN = regex.compile(r"[\p{Cc}\p{Cf}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]*+")
T = TypeVar("T")
logger = logging.getLogger(__name__)


class CellError(ValueError):
    """A cell that cannot be used, and why."""


def stream_texts(
    path: str | None,
    column: str,
    dialect: Dialect = PLAIN,
    *,
    lists: bool = False,
    standard_input: Iterable[bytes] | None = None,
) -> Iterator[Any]:
    """Stream the texts of a file in input order, without holding the file.

    Args:
        path: `None` or `-`: lines on standard input; a table: the cells of `column`, None where a record lacks it
            (JSON lines may also be plain strings); any other file, such as .txt or one side of a pair: its lines.
        column: The column that holds the text.
        dialect: How a .csv or .tsv is written.
        lists: A cell may be a list of texts; each comes as a list.
        standard_input: Its lines, where they are not to be read from `sys.stdin`.

    Raises:
        DataError: no such file or column, or a fault in the file, with its line.
    """
    if path is None or path == "-":
        return read_arriving(decoded(standard_input or sys.stdin.buffer, STDIN), STDIN)
    if not has_columns(path):
        return (text.text for text in read_text_file(existing_file(path)))
    return _column(open_rows(path, dialect, bare=column), column, _items if lists else cell_text)


def _column(stream: RowStream, column: str, read: Callable[[Any], T | None]) -> Iterator[T | None]:
    """Yield an item for every record; while no record has had the column, it may be the name that is wrong."""
    lacking: list[int] = []
    names: dict[str, None] = {}  # an ordered set
    found = False
    for block in stream.blocks([column]):
        cells = block.cells(column)
        if not found and all(cell is ABSENT for cell in cells):
            lacking += block.numbers
            names.update(dict.fromkeys(block.names()))
            if len(lacking) >= PATIENCE:
                break
            continue
        if not found:
            found = True
            yield from (None for _ in lacking)
        for text in _each(cells, block.numbers, stream, read):
            if not stream.findings.faults:
                yield text
    if lacking and not found:
        raise missing_column(stream, column, names, role="", number=lacking[0])
    for note in stream.findings.notes:
        logger.warning(note)
    for drop in dropped_rows(stream.findings.left_out):
        logger.warning("%s: %s", stream.name, drop)


def missing_column(
    stream: RowStream,
    column: str,
    available: Iterable[str],
    *,
    role: str | None,
    number: int | None = None,
    kind: type[DataError] = DataError,
) -> DataError:
    """Say which columns there are, which is nearest, and the ways out.

    Args:
        stream: that lacks it.
        column: the missing one.
        available: the others.
        role: that it should have; empty if there is only one, None of the column of groups.
        number: of the row, if only that lacks it.
        kind: of error.
    """
    names, dialect = list(available), stream.dialect
    way = GROUP if role is None else f"Map it with {dialect.set_column(role)}."
    if mark := other_delimiter(names):
        way += f" The file seems to use another delimiter: {dialect.set_delimiter(mark)}."
    elif format_of(stream.name) in DELIMITERS and (looks_like_data(names) or not dialect.header):
        first, columns, name = ("is data", "number", "0") if dialect.header else ("names the columns", "name", "NAME")
        mapped = f" and columns by {columns}, as {dialect.set_column(role, name)}" if role is not None else ""
        way += f" If the first row {first}: {dialect.set_header(named=not dialect.header)}{mapped}."
    place = stream.name if number is None else stream.at([number])
    return kind(f"{place}: no column '{column}'. {suggest(column, _shown(names))} {way}")


def _shown(names: Iterable[str]) -> list[str]:
    """Names as a message can hold them."""
    # A key in JSON may hold half a character, which no terminal can print.
    printable = [" ".join(name.encode("utf-8", "backslashreplace").decode().split()) for name in names]
    return [name if len(name) <= 40 else f"{name[:37]}..." for name in printable]


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: white space, controls, and characters without width or ink."""
    return UNSEEN.fullmatch(text) is not None


def as_seen(text: str) -> str:
    """What is seen of a text: composed, without blanks around it, and empty if it shows nothing."""
    text = text.strip()
    if text.isascii() and text[:1].isalnum():  # as nearly always, and sooner seen than the rest
        return text
    return "" if is_blank(text) else compose(text)


def read_texts(cells: Sequence[Any], numbers: Sequence[int], stream: RowStream) -> list[str]:
    """The text of every cell, empty where there is none; what cannot be read as one is a fault."""
    if set(map(type, cells)) == {str}:
        whole = "".join(cells)
        if len(whole) <= LONGEST and (whole.isascii() or not _half_character(whole)):
            return list(cells)
    return [text or "" for text in _each(cells, numbers, stream, cell_text)]


def read_lists(cells: Sequence[Any], numbers: Sequence[int], stream: RowStream) -> list[list[str]]:
    """The texts of every cell, which may be one or a list of them, without blank ones."""
    read = _each(cells, numbers, stream, _items)
    return [[text for text in items or () if not is_blank(text)] for items in read]


def read_labels(cells: Sequence[Any], numbers: Sequence[int], stream: RowStream) -> list[str]:
    """The label of every cell, which may be a list with one; empty where there is none."""
    if list not in map(type, cells):
        return read_texts(cells, numbers, stream)
    return [label or "" for label in _each(cells, numbers, stream, _label)]


def _each(
    cells: Sequence[Any], numbers: Sequence[int], stream: RowStream, read: Callable[[Any], T | None]
) -> Iterator[T | None]:
    """Read every cell; one that cannot be used is a fault of its row, and None."""
    for number, cell in zip(numbers, cells, strict=True):
        try:
            yield read(cell)
        except CellError as error:
            stream.findings.fault(number, str(error))
            yield None


def cell_text(value: Any) -> str | None:
    """The text of a cell: strings as they are, numbers and booleans as written in JSON, null and NaN as None.

    Raises:
        CellError: a list, an object or bytes; a text that is too long; or a lone surrogate, which nothing can read.
    """
    match value:
        case str():
            if len(value) > LONGEST:
                raise CellError(TOO_LONG.format("cell"))
            if half := None if value.isascii() else _half_character(value):
                raise CellError(half)
            return value
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            return None if value != value else repr(value)  # noqa: PLR0124 - NaN is a missing value in tables
        case _ if value is None or value is ABSENT:
            return None
        case _:
            raise CellError(f"expected a text, received a {type(value).__name__}: {str(value)[:60]}")


def _items(value: Any) -> list[str] | None:
    """The texts of a cell that may be one or a list of them; blank ones too, for a prediction names them by place."""
    if value is None or value is ABSENT:
        return None
    return [cell_text(item) or "" for item in (value if isinstance(value, list) else [value])]


def _label(value: Any) -> str | None:
    """A label that may stand alone in a list.

    Raises:
        CellError: as `cell_text`; or several labels.
    """
    if not isinstance(value, list):
        return cell_text(value)
    if len(value) > 1:
        raise CellError("several labels, where a row has one; keep one, or join them to one more class, as 'a+b'")
    return cell_text(value[0]) if value else None


def _half_character(text: str) -> str | None:
    """What to say of a text that holds a lone surrogate."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = f"\\u{ord(text[error.start]):04x}"
        place = f"at position {error.start + 1}; write the whole pair, or remove it"
        return f"half a character ({code}, a lone surrogate) {place}"
    return None
