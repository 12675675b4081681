"""Write rows as the ending of a name says: .csv, .tsv, .xlsx, .parquet, or lines of JSON."""

import csv
import importlib.util
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from nlp_transfer.data.formats.tables import DELIMITERS
from nlp_transfer.errors import ConfigError, explain_missing
from nlp_transfer.system.escaping import dump_json

LINES = (".jsonl", ".ndjson")
TABLES = (*DELIMITERS, ".parquet", ".xlsx")
ENDINGS = (*LINES, *TABLES)
TEXT = (".json", ".txt")  # of lines of JSON too, as a name without an ending
SHEET_ROWS, SHEET_COLUMNS, SHEET_CHARACTERS = 1_048_576, 16_384, 32_767  # the most in a sheet, and in a cell of it
EXACT = 2**53  # a sheet holds numbers as double precision floats
PLAIN = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "constant_memory": True}
GROUP = 1000  # rows that go into a Parquet file at once
Row = Mapping[str, Any]


def find_ending(path: Path) -> str:
    """Find how a file is to be written: one of `ENDINGS`; lines of JSON also with those of `TEXT`, or with none.

    Raises:
        ConfigError: no format of that ending is written, or it needs a package that is not installed.
    """
    ending = path.suffix.lower()
    if ending not in (*ENDINGS, *TEXT, ""):
        raise ConfigError(f"--output {path}: {ending} is not written; let its name end in one of {', '.join(ENDINGS)}")
    if ending == ".xlsx" and importlib.util.find_spec("xlsxwriter") is None:
        raise ConfigError(f"--output {path}: {explain_missing('XlsxWriter', 'sheets')}, or write .csv")
    return ending if ending in TABLES else LINES[0]


def write_rows(path: Path, ending: str, columns: Sequence[str], read: Callable[[], Iterable[Row]]) -> None:
    """Write rows to a new file.

    Args:
        path: the file.
        ending: one of `ENDINGS`.
        columns: of a table, in order; a row may lack some. Lines of JSON have the keys of their rows.
        read: reads the rows; called twice for Parquet, which begins with the types of its columns.

    Raises:
        ConfigError: the rows do not fit in a sheet.
    """
    match ending:
        case ".csv" | ".tsv":
            _write_delimited(path, DELIMITERS[ending], columns, read())
        case ".xlsx":
            _write_sheet(path, columns, read())
        case ".parquet":
            _write_parquet(path, columns, read)
        case _:
            with path.open("w", encoding="utf-8") as file:
                file.writelines(dump_json(row, default=str) + "\n" for row in read())


def _write_delimited(path: Path, delimiter: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        plain = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        quoted = csv.writer(file, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for cells in chain([columns], ([_format_cell(row.get(column)) for column in columns] for row in rows)):
            # A bare carriage return needs quotes, which the module gives only to what ends its own lines.
            writer = quoted if any("\r" in cell for cell in cells) else plain
            writer.writerow(cells)


def _format_cell(cell: Any) -> str:
    """Write a cell as text: nothing for null, JSON for lists, objects and booleans."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, str):
        return cell
    return dump_json(cell, default=str) if isinstance(cell, bool | int | float | list | Mapping) else str(cell)


def _write_sheet(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write the one sheet of a workbook. Texts stay texts, also those that look like a formula, a link or a number.

    Raises:
        ConfigError: see `refuse_large_cell`.
        OSError: the disk is full, or fails.
    """
    import xlsxwriter  # only who writes sheets has it

    header = dict(zip(columns, columns, strict=True))
    try:
        with xlsxwriter.Workbook(str(path), PLAIN) as book:
            sheet = book.add_worksheet()
            for number, row in enumerate(chain([header], rows)):
                _write_sheet_row(sheet, number, columns, row)
    except xlsxwriter.exceptions.FileCreateError as error:  # wraps the error of the system
        raise error.args[0] from None


def _write_sheet_row(sheet: Any, number: int, columns: Sequence[str], row: Row) -> None:
    for place, column in enumerate(columns):
        cell = row.get(column)
        refuse_large_cell(number, place, column, cell)
        if isinstance(cell, bool):
            sheet.write_boolean(number, place, cell)
        elif isinstance(cell, int | float) and abs(cell) <= EXACT:
            sheet.write_number(number, place, cell)
        elif text := _format_cell(cell):
            sheet.write_string(number, place, text)


def refuse_large_cell(row: int, place: int, column: str, cell: Any) -> None:
    """Refuse a cell that no sheet holds.

    Args:
        row: its number in the sheet, where 0 is that of the names.
        place: the number of its column, from 0.
        column: the name of its column.
        cell: what it holds.

    Raises:
        ConfigError: there are too many rows, columns or characters.
    """
    length = len(cell) if isinstance(cell, str) else 0
    if row < SHEET_ROWS and place < SHEET_COLUMNS and length <= SHEET_CHARACTERS:
        return
    most = f"{SHEET_ROWS:,} rows" if row >= SHEET_ROWS else f"{SHEET_COLUMNS:,} columns"
    if length > SHEET_CHARACTERS:
        most = f"{SHEET_CHARACTERS:,} characters in a cell, and column '{column}' has {length:,} in row {row}"
    raise ConfigError(f"a sheet of .xlsx holds at most {most}; let --output end in .csv or .parquet")


def _write_parquet(path: Path, columns: Sequence[str], read: Callable[[], Iterable[Row]]) -> None:
    """Write a Parquet file. A column whose cells have no type in common becomes one of texts."""
    import pyarrow as pa  # slow to import, and not every output needs it
    import pyarrow.parquet as pq

    types = [pa.null()] * len(columns)
    for rows in _group(read()):
        types = [
            join_types(kind, [row.get(column) for row in rows]) for kind, column in zip(types, columns, strict=True)
        ]
    schema = pa.schema(list(zip(columns, types, strict=True)))
    with pq.ParquetWriter(str(path), schema) as writer:
        for rows in _group(read()):
            cells = [fill([row.get(field.name) for row in rows], field.type) for field in schema]
            writer.write_table(pa.Table.from_arrays(cells, schema=schema))


def _group(rows: Iterable[Row]) -> Iterator[list[Row]]:
    left = iter(rows)
    while group := list(islice(left, GROUP)):
        yield group


def make_array(cells: Sequence[Any]) -> Any:
    """Make an Arrow array of cells, of texts where they have no type in common."""
    import pyarrow as pa  # see above

    return fill(cells, join_types(pa.null(), cells))


def join_types(kind: Any, cells: Sequence[Any]) -> Any:
    """Find the Arrow type that holds what a type holds, and some cells too; that of texts where there is no other."""
    import pyarrow as pa  # see above

    try:
        found = pa.array(cells).type
        both = [pa.schema([("", kind)]), pa.schema([("", found)])]
        return pa.unify_schemas(both, promote_options="permissive").field(0).type
    except (pa.ArrowException, TypeError, ValueError):
        return pa.string()


def fill(cells: Sequence[Any], kind: Any) -> Any:
    """Make an Arrow array of a type from cells; in one of texts other values are written as in a .csv."""
    import pyarrow as pa  # see above

    if pa.types.is_string(kind):
        cells = [None if cell is None else _format_cell(cell) for cell in cells]
    return pa.array(cells, kind)
