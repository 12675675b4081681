"""Read cells as text, a column at a time; for prediction, stream the texts of a file one by one."""

import ast
import json
import logging
import math
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import regex

from nlp_transfer.config.dialect import PLAIN, Dialect, find_delimiter, is_data_row
from nlp_transfer.data.folders import open_one
from nlp_transfer.data.formats.blocks import ABSENT, Texts, shorten_names
from nlp_transfer.data.formats.json_values import read_arriving_rows
from nlp_transfer.data.formats.records import Record, RowStream, make_arriving_reader, make_reader
from nlp_transfer.data.formats.tables import DELIMITERS, find_format, has_columns, open_rows
from nlp_transfer.data.formats.text_files import read_arriving, read_text_file
from nlp_transfer.data.formats.text_lines import LONGEST, TOO_LONG, decode_lines, find_file, locate
from nlp_transfer.data.report import condense_dropped
from nlp_transfer.data.text.scripts import compose
from nlp_transfer.errors import DataError, suggest

GROUP = "Name one of them in data.group, or set data.group=null."
STDIN = "standard input"
PATIENCE = 1000  # after so many records without the column, its name is taken to be wrong
# What nobody sees: controls, marks without width, white space, fillers, variation selectors, the empty Braille cell.
UNSEEN = regex.compile(r"[\p{Cc}\p{Cf}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]*+")
NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
LARGEST_NUMBER = 1e37  # a model answers in float32, which ends at 3.4e38
COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
WRITTEN_LIST = re.compile(r"\s*\[\s*(?:['\"]|-?[0-9]|\]\s*$)")  # ["a", "b"], ['a'], [1, 2] or []
T = TypeVar("T")
logger = logging.getLogger(__name__)


class CellError(ValueError):
    """Say why a cell cannot be used."""


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
        path: `None` or `-` means lines on standard input. A table yields the cells of `column`, None for a record that
            lacks it; its JSON lines may be plain strings. Any other file, such as a .txt, yields its lines.
        column: the column that holds the text.
        dialect: how a .csv or .tsv is written.
        lists: a cell may be a list of texts; then every item is a list.
        standard_input: its lines, if they shall not be read from `sys.stdin`.

    Raises:
        DataError: there is no such file or column, or the file has a fault, which is named by its line.
    """
    if path is None or path == "-":
        return read_arriving(decode_lines(standard_input or sys.stdin.buffer, STDIN, dialect.encoding), STDIN)

    table = _open_table(path, dialect, bare=column)
    if table is None:
        return (text.text for text in read_text_file(find_file(path), dialect.encoding))
    rows = stream_columns(table, {"": column}, {""} if lists else ())
    return (text for (text,) in rows)


def stream_inputs(
    path: str | None,
    columns: Mapping[str, str],
    dialect: Dialect = PLAIN,
    *,
    lists: Collection[str] = (),
    standard_input: Iterable[bytes] | None = None,
) -> Iterator[Any]:
    """Stream what is read to predict, in input order: texts, or tuples of the texts of several roles.

    Args:
        path: as of `stream_texts`; of several roles a file is a table, and standard input an object of JSON a line.
        columns: Role -> column.
        dialect: How a .csv or .tsv is written.
        lists: The roles of which a cell may be a list of texts.
        standard_input: Its lines, where they are not to be read from `sys.stdin`.

    Raises:
        DataError: as `stream_texts`; or a file without columns.
    """
    if len(columns) == 1:
        ((role, column),) = columns.items()
        return stream_texts(path, column, dialect, lists=role in lists, standard_input=standard_input)
    if path is None or path == "-":
        lines = decode_lines(standard_input or sys.stdin.buffer, STDIN, dialect.encoding)
        return stream_columns(
            RowStream(STDIN, make_arriving_reader(read_arriving_rows(lines, columns.values()), STDIN)),
            columns,
            lists,
            patience=1,
        )
    table = _open_table(path, dialect)
    if table is None:
        roles = " and ".join(map(repr, columns))
        raise DataError(f"{path}: has no columns, and {roles} are read of each record; give them as .csv or .jsonl")
    return stream_columns(table, columns, lists)


def open_inputs(path: str, columns: Mapping[str, str], dialect: Dialect = PLAIN) -> RowStream:
    """Open the rows that `stream_inputs` reads with all of their columns; a line of text is a row of one column."""
    first = next(iter(columns.values()))
    table = _open_table(path, dialect, bare=first if len(columns) == 1 else None)
    if table is not None:
        return table
    lines = read_text_file(find_file(path), dialect.encoding)
    return RowStream(path, make_reader(Record(line.number, {first: line.text}) for line in lines))


def _open_table(path: str, dialect: Dialect, *, bare: str | None = None) -> RowStream | None:
    """Open a file of rows, or a folder that is one data set; None for a file of lines. For `bare` see `open_rows`."""
    place = locate(path)
    if place is not None and place.is_dir():
        return open_one(place, dialect)
    return open_rows(path, dialect, bare=bare) if has_columns(path, dialect) else None


def stream_columns(
    stream: RowStream, columns: Mapping[str, str], lists: Collection[str], *, patience: int = PATIENCE
) -> Iterator[tuple[Any, ...]]:
    """Yield the cells of every record, None if it lacks one; refuse a column that none of the first has.

    Args:
        stream: the records.
        columns: role -> column; the role is empty if there is only one.
        lists: the roles of which a cell may be a list of texts.
        patience: so many records are the first.
    """
    lacking = set(columns.values())
    held: list[tuple[Any, ...]] = []
    names: dict[str, None] = {}  # the columns seen so far; a dictionary, because it keeps their order
    first = 0

    for block in stream.read_blocks(list(columns.values())):
        cells = {role: block.collect_cells(column) for role, column in columns.items()}
        readers = {role: _read_items if role in lists else read_cell for role in columns}
        texts = [_read_cells(cells[role], block.numbers, stream, read) for role, read in readers.items()]
        rows = (row for row in zip(*texts, strict=True) if not stream.findings.faults)

        # Hold back the records before each column was seen.
        lacking -= {
            column
            for role, column in columns.items()
            if column in lacking and any(one is not ABSENT for one in cells[role])
        }
        if lacking:
            first = first or next(iter(block.numbers), 0)
            names.update(dict.fromkeys(block.list_names()))
            held += rows
            if len(held) >= patience:
                break
            continue

        yield from held
        held = []
        yield from rows

    if held:
        role, column = next((role, column) for role, column in columns.items() if column in lacking)
        raise make_missing_column_error(stream, column, names, role=role, number=first)
    for note in stream.findings.notes:
        logger.warning(note)
    for drop in condense_dropped(stream.findings.left_out):
        logger.warning("%s: %s", stream.name, drop)


def make_missing_column_error(
    stream: RowStream,
    column: str,
    available: Iterable[str],
    *,
    role: str | None,
    number: int | None = None,
    kind: type[DataError] = DataError,
) -> DataError:
    """Build the error for a missing column: the columns there are, the nearest name, and the ways out.

    Args:
        stream: the rows that lack it.
        column: the missing column.
        available: the columns there are.
        role: the role that the column should have; empty if the task has one role only, None for the column of groups.
        number: the row, if only that one lacks the column.
        kind: the class of the error.
    """
    names, dialect = list(available), stream.dialect
    way = GROUP if role is None else f"Map it with {dialect.set_column(role)}."

    if mark := find_delimiter(names):
        way += f" The file seems to use another delimiter: {dialect.set_delimiter(mark)}."
    elif find_format(stream.name) in DELIMITERS and (is_data_row(names) or not dialect.header):
        first, columns, name = ("is data", "number", "0") if dialect.header else ("names the columns", "name", "NAME")
        mapped = f" and columns by {columns}, as {dialect.set_column(role, name)}" if role is not None else ""
        way += f" If the first row {first}: {dialect.set_header(named=not dialect.header)}{mapped}."

    place = stream.name if number is None else stream.name_rows([number])
    if not names:
        return kind(f"{place}: holds nothing; give at least one row with a cell of column '{column}'")
    return kind(f"{place}: no column '{column}'. {suggest(column, shorten_names(names))} {way}")


def is_blank(text: str) -> bool:
    """Tell whether a text shows nothing: only white space, controls, and characters without width or ink."""
    return UNSEEN.fullmatch(text) is not None


def strip_unseen(text: str) -> str:
    """Reduce a text to what a reader sees: composed, without white space around it, and empty if it shows nothing."""
    text = text.strip()
    if text.isascii() and "!" <= text[:1] <= "~":  # a quick answer for nearly every text: its first mark is seen
        return text
    return "" if is_blank(text) else compose(text)


def read_texts(cells: Sequence[Any], numbers: Sequence[int], stream: RowStream) -> Sequence[str]:
    """Read the text of every cell, empty if there is none; a cell that is not a text becomes a fault of its row."""
    if isinstance(cells, Texts):
        return cells
    # A column of clean strings, the usual case, is checked as one long string.
    if set(map(type, cells)) == {str}:
        whole = "".join(cells)
        if len(whole) <= LONGEST and (whole.isascii() or not _find_half_character(whole)):
            return list(cells)
    return [text or "" for text in _read_cells(cells, numbers, stream, read_cell)]


def read_lists(cells: Sequence[Any], numbers: Sequence[int], stream: RowStream) -> list[list[str]]:
    """Read the texts of every cell, which holds one text or a list of them; blank ones are left out."""
    read = _read_cells(cells, numbers, stream, _read_items)
    return [[text for text in items or () if not is_blank(text)] for items in read]


def read_labels(cells: Sequence[Any], numbers: Sequence[int], stream: RowStream) -> Sequence[str]:
    """Read the label of every cell, alone or in a list of one; empty if there is none."""
    if isinstance(cells, Texts) or list not in map(type, cells):
        return read_texts(cells, numbers, stream)
    return [label or "" for label in _read_cells(cells, numbers, stream, _read_label)]


def read_label_sets(cells: Sequence[Any], numbers: Sequence[int], stream: RowStream) -> list[list[str] | None]:
    """Read the labels of every cell, in a list or side by side in a text; None where there is neither."""
    separator = stream.dialect.label_separator
    return list(_read_cells(cells, numbers, stream, lambda cell: _read_label_set(cell, separator)))


def read_numbers(cells: Sequence[Any], numbers: Sequence[int], stream: RowStream) -> list[float | None]:
    """Read the number of every cell, None if there is none; anything but a finite number is a fault."""
    return list(_read_cells(cells, numbers, stream, _read_number))


def _read_cells(
    cells: Sequence[Any], numbers: Sequence[int], stream: RowStream, read: Callable[[Any], T | None]
) -> Iterator[T | None]:
    """Read every cell; one that cannot be used becomes a fault of its row, and None."""
    for number, cell in zip(numbers, cells, strict=True):
        try:
            yield read(cell)
        except CellError as error:
            stream.findings.note_fault(number, str(error))
            yield None


def read_cell(value: Any) -> str | None:
    """Read a cell as text: strings as they are, numbers and booleans as JSON writes them, null and NaN as None.

    Raises:
        CellError: a list, an object or bytes; a text that is too long; or a lone surrogate, which UTF-8 cannot hold.
    """
    match value:
        case str():
            if len(value) > LONGEST:
                raise CellError(TOO_LONG.format("cell"))
            if half := None if value.isascii() else _find_half_character(value):
                raise CellError(half)
            return value

        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            return None if value != value else repr(value)  # noqa: PLR0124 - tables write a missing value as NaN

        case _ if value is None or value is ABSENT:
            return None
        case _:
            raise CellError(f"expected a text, received a {type(value).__name__}: {str(value)[:60]}")


def _read_items(value: Any) -> list[str] | None:
    """Read a cell of one text or a list of them. Blank texts stay, because a prediction refers to them by position."""
    if value is None or value is ABSENT:
        return None
    return [read_cell(item) or "" for item in (value if isinstance(value, list) else [value])]


def _read_label(value: Any) -> str | None:
    """Read a label, which may stand in a list of one.

    Raises:
        CellError: as `read_cell`, or for a list of several labels.
    """
    if not isinstance(value, list):
        return read_cell(value)
    if len(value) > 1:
        raise CellError(
            "several labels, where a row has one; keep one, join them to one more class, as 'a+b', or take the task "
            "multilabel, where a row has any number"
        )
    return read_cell(value[0]) if value else None


def _read_label_set(value: Any, separator: str) -> list[str] | None:
    """Read the labels of a cell: a list, a list written out in a table, or names with the separator between them.

    Raises:
        CellError: as `read_cell`, or for what opens like a list written out and is none.
    """
    if isinstance(value, list):
        return [read_cell(item) or "" for item in value]
    text = read_cell(value)
    if text is None:
        return None
    if WRITTEN_LIST.match(text):
        return _read_written_list(text.strip(), separator)
    return [part.strip() for part in text.split(separator)]


def _read_written_list(text: str, separator: str) -> list[str]:
    """Read a list as JSON has it, or as Python shows it, which is what pandas writes to a table."""
    for read in (json.loads, ast.literal_eval):
        try:
            items = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        # Python joins strings without a comma: what numpy shows, as ['a' 'b'], would become one label.
        as_shown = read is json.loads or str(items) == text
        if isinstance(items, list) and as_shown and all(isinstance(item, str | int) for item in items):
            return [read_cell(item) or "" for item in items]
    raise CellError(f"no list of labels: {text:.60}; write labels with '{separator}' between them, or a JSON list")


def _read_number(value: Any) -> float | None:
    """Read the number in a cell; None if it holds nothing, or only blanks.

    Raises:
        CellError: it is no number in digits with a decimal point, such as -1.5 or 2e3, that a model can answer.
    """
    if value is None or value is ABSENT or (isinstance(value, str) and is_blank(value)):
        return None
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value) if abs(value) < sys.float_info.max else math.inf
    elif isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        number = float(value)
    if not math.isfinite(number):
        way = "; write the decimal comma as a point" if COMMA.fullmatch(str(value).strip()) else ""
        raise CellError(f"expected a number such as -1.5, received {value!r:.60}{way}")
    if abs(number) > LARGEST_NUMBER:
        raise CellError(
            f"expected a number of at most {LARGEST_NUMBER:g}, received {value!r:.60}; give it in a larger unit"
        )
    return number


def _find_half_character(text: str) -> str | None:
    """Say where a text holds a lone surrogate, that is half a character; None if it does not."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = f"\\u{ord(text[error.start]):04x}"
        place = f"at position {error.start + 1}; write the whole pair, or remove it"
        return f"half a character ({code}, a lone surrogate) {place}"
    return None
