"""Cells of a row, found by column and read as text; and the texts of a file one by one for prediction."""

import logging
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from nlp_transfer.errors import DataError, suggest
from nlp_transfer.inspection import dropped_rows
from nlp_transfer.lines import decoded, existing_file
from nlp_transfer.readers import OTHER_DELIMITER, SUFFIXES, format_of, looks_undivided, open_rows
from nlp_transfer.rows import RowStream
from nlp_transfer.text_files import read_arriving, read_texts

logger = logging.getLogger(__name__)
ABSENT = object()  # what `cell_at` finds where there is no such column; a cell may be None
MAPPED = "Map it with data.columns or --column."
STDIN = "standard input"
DEEPEST = 4  # levels of nested objects that a message lists
PATIENCE = 1000  # records without a column, after which none is expected to have it
UNSEEN = ("Cc", "Cf", "Zl", "Zp", "Zs")  # controls, marks without width, separators
FILLERS = {"\u034f", "\u115f", "\u1160", "\u2800", "\u3164", "\uffa0", *map(chr, range(0xFE00, 0xFE10))}


def stream_texts(
    path: str | None, column: str, *, lists: bool = False, standard_input: Iterable[bytes] | None = None
) -> Iterator[Any]:
    """Stream the texts of a file in input order, without holding the file.

    Args:
        path: `None` or `-`: lines on standard input; a table: the cells of `column`, None where a record lacks it
            (JSON lines may also be plain strings); any other file, such as .txt or one side of a pair: its lines.
        column: The column that holds the text.
        lists: A cell may be a list of texts; each comes as a list.
        standard_input: Its lines, where they are not to be read from `sys.stdin`.

    Raises:
        DataError: no such file or column, or a fault in the file, with its line.
    """
    if path is None or path == "-":
        return read_arriving(decoded(standard_input or sys.stdin.buffer, STDIN), STDIN)
    if format_of(path) not in SUFFIXES:
        return (text.text for text in read_texts(existing_file(path)))
    return _column(open_rows(path, bare=column), column, _cell_items if lists else cell_text)


def _column(stream: RowStream, column: str, read: Callable[[Any, RowStream, int], Any]) -> Iterator[Any]:
    """Yield an item for every record; while no record has had the column, it may be the name that is wrong."""
    lacking: list[int] = []
    names: dict[str, None] = {}  # an ordered set
    found = False
    for number, cells in stream.rows:
        cell = cell_at(cells, column)
        if cell is ABSENT and not found:
            lacking.append(number)
            names.update(dict.fromkeys(column_names(cells)))
            if len(lacking) == PATIENCE:
                break
            continue
        if not found:
            found = True
            yield from (None for _ in lacking)
        yield None if cell is None or cell is ABSENT else read(cell, stream, number)
    if lacking and not found:
        raise missing_column(stream.at(lacking[:1]), column, names)
    for drop in dropped_rows(stream.left_out):
        logger.warning("%s: %s", stream.name, drop)


def cell_at(cells: Mapping[str, Any], column: str) -> Any:
    """The cell of a column: of that very name, or reached through objects as in `translation.en`; else `ABSENT`."""
    if column in cells:
        return cells[column]
    cell: Any = cells
    for key in column.split("."):
        if not isinstance(cell, Mapping) or key not in cell:
            return ABSENT
        cell = cell[key]
    return cell


def column_names(cells: Mapping[str, Any], *, level: int = 1) -> Iterator[str]:
    """The columns of a row, those inside objects after their owner with dots."""
    for name, cell in cells.items():
        yield name
        if isinstance(cell, Mapping) and level < DEEPEST:
            yield from (f"{name}.{inner}" for inner in column_names(cell, level=level + 1))


def missing_column(place: str, column: str, available: Iterable[str], *, way: str = MAPPED) -> DataError:
    """Say which columns there are, which is nearest, and how to name the right one."""
    # A key in JSON may hold half a character, which no terminal can print.
    found = list(available)
    printable = [" ".join(name.encode("utf-8", "backslashreplace").decode().split()) for name in found]
    names = [name if len(name) <= 40 else f"{name[:37]}..." for name in printable]
    hint = f" {OTHER_DELIMITER}." if looks_undivided(found) else ""
    return DataError(f"{place}: no column '{column}'. {suggest(column, names)} {way}{hint}")


def is_blank(text: str) -> bool:
    """Whether a text shows nothing: white space, controls, and characters without width or ink."""
    return all(unicodedata.category(one) in UNSEEN or one in FILLERS for one in text.strip())


def cell_text(value: Any, stream: RowStream, number: int) -> str | None:
    """The text of a cell: strings as they are, numbers and booleans as written in JSON, null and NaN as None.

    Raises:
        DataError: a list, an object or bytes; or a lone surrogate, which no tokenizer can read.
    """
    match value:
        case None:
            return None
        case str():
            if not value.isascii():
                _refuse_surrogates(value, stream, number)
            return value
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            return None if value != value else repr(value)  # noqa: PLR0124 - NaN is a missing value in tables
        case _:
            kind = type(value).__name__
            raise DataError(f"{stream.at([number])}: expected a text, received a {kind}: {str(value)[:60]}")


def cell_texts(value: Any, stream: RowStream, number: int) -> list[str]:
    """The texts of a cell that may be one or a list of them; blank ones are left out.

    Raises:
        DataError: as `cell_text`, for any item.
    """
    return [text for text in _cell_items(value, stream, number) if not is_blank(text)]


def _cell_items(value: Any, stream: RowStream, number: int) -> list[str]:
    """The same with the blank ones: a prediction names sentences by their places."""
    return [cell_text(item, stream, number) or "" for item in (value if isinstance(value, list) else [value])]


def _refuse_surrogates(text: str, stream: RowStream, number: int) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = f"\\u{ord(text[error.start]):04x}"
        raise DataError(
            f"{stream.at([number])}: half a character ({code}, a lone surrogate) at position {error.start + 1}; "
            "write the whole pair, or remove it"
        ) from None
