"""Cells of a row as text, and the texts of a file one by one for prediction."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from nlp_transfer.errors import DataError, suggest
from nlp_transfer.lines import decoded, existing_file, numbered_lines
from nlp_transfer.readers import format_of, open_rows
from nlp_transfer.rows import RowStream


def stream_texts(path: str | None, column: str) -> Iterator[str]:
    """Stream the texts of a file in input order, without holding the file.

    Args:
        path: `None` or `-`: lines on standard input; a .txt file: its lines; a table: the cells of `column`
            (JSON lines may also be plain strings).
        column: The column that holds the text.

    Raises:
        DataError: no such file or column, or a fault in the file, with its line.
    """
    if path is None or path == "-":
        return (text for _, text in decoded(sys.stdin.buffer, "standard input"))
    if format_of(path) == ".txt":
        return (text for _, text in numbered_lines(existing_file(path)))
    return _column(open_rows(path, bare=column), column)


def _column(stream: RowStream, column: str) -> Iterator[str]:
    for number, cells in stream.rows:
        if column not in cells:
            raise missing_column(stream.at([number]), column, cells)
        text = cell_text(cells[column], stream, number)
        if text is None:
            raise DataError(f"{stream.at([number])}: '{column}' is null; give a text")
        yield text


def missing_column(place: str, column: str, available: Mapping[str, Any]) -> DataError:
    """Say which columns there are, which is nearest, and how to name the right one."""
    # A key in JSON may hold half a character, which no terminal can print.
    printable = [" ".join(name.encode("utf-8", "backslashreplace").decode().split()) for name in available]
    names = [name if len(name) <= 40 else f"{name[:37]}..." for name in printable]
    hint = ""
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        hint = " The file seems to use another delimiter: .csv wants commas, .tsv wants tabs."
    way = "Map it with data.columns, or --column of predict and evaluate."
    return DataError(f"{place}: no column '{column}'. {suggest(column, names)} {way}{hint}")


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


def _refuse_surrogates(text: str, stream: RowStream, number: int) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = f"\\u{ord(text[error.start]):04x}"
        raise DataError(
            f"{stream.at([number])}: half a character ({code}, a lone surrogate) at position {error.start + 1}; "
            "write the whole pair, or remove it"
        ) from None
