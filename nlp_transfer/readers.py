"""File formats: .csv .tsv .jsonl .ndjson .json .parquet (and .txt for prediction), each also as .gz, row by row.

Every reader streams, accepts a byte-order mark and CRLF, keeps cells such as `NA` as text, and names the line of a fault.
"""

import codecs
import csv
import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from nlp_transfer.errors import DataError, suggest

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")
LARGEST_CELL = 1 << 30  # characters; Python's csv refuses more than 131,072 by default
SHOWN = 5


class Row(NamedTuple):
    """One record: its 1-based line (where it starts) or row number, and its cells by column."""

    number: int
    cells: Mapping[str, Any]


@dataclass(frozen=True)
class RowStream:
    """The rows of one place, and how to name one of them in a message."""

    name: str
    rows: Iterator[Row]
    unit: str = "line"

    def at(self, numbers: list[int]) -> str:
        """Name rows: `a.csv:3`, `a.parquet, row 3` or `a.csv, lines 3, 4 and 9 more`."""
        if len(numbers) == 1:
            return f"{self.name}:{numbers[0]}" if self.unit == "line" else f"{self.name}, row {numbers[0]}"
        return f"{self.name}, {self.unit}s {first_of(numbers)}"


def first_of(numbers: list[int]) -> str:
    """List the first few numbers and count the rest."""
    more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    return ", ".join(map(str, numbers[:SHOWN])) + more


def format_of(path: str) -> str:
    """The suffix that decides how a file is read, `.gz` taken off."""
    name = path.lower()
    return Path(name.removesuffix(".gz")).suffix


def open_rows(path: str, *, bare: str | None = None) -> RowStream:
    """Open a data file; nothing is read before the first row is asked for.

    Args:
        path: The file.
        bare: Column under which JSON lines that are plain strings appear; by default they are an error.

    Raises:
        DataError: no such file, or a format that is not known; while reading, any fault with its line.
    """
    file = _existing(path)
    match format_of(path):
        case ".csv":
            return RowStream(path, _delimited(file, ","))
        case ".tsv":
            return RowStream(path, _delimited(file, "\t"))
        case ".jsonl" | ".ndjson":
            return RowStream(path, _json_lines(file, bare))
        case ".json":
            is_list = _opens_list(file)
            rows = _json_list(file, bare) if is_list else _json_lines(file, bare)
            return RowStream(path, rows, "row" if is_list else "line")
        case ".parquet":
            return RowStream(path, _parquet(file), "row")
        case suffix:
            raise DataError(f"{path}: cannot read '{suffix}' as a table. {suggest(suffix, SUFFIXES)}")


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
        return (text for _, text in _decoded(sys.stdin.buffer, "standard input"))
    if format_of(path) == ".txt":
        return (text for _, text in _lines(_existing(path)))
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
    names = [name if len(name) <= 40 else f"{name[:37]}..." for name in available]
    hint = ""
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        hint = " The file seems to use another delimiter: .csv wants commas, .tsv wants tabs."
    return DataError(f"{place}: no column '{column}'. {suggest(column, names)} Set data.columns to map it.{hint}")


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


def _existing(path: str) -> Path:
    file = Path(path).expanduser()
    if file.is_dir():
        raise DataError(f"{path}: is a folder; name one file in it")
    if not file.exists():
        raise DataError(f"{path}: no such file")
    return file


def _open(file: Path) -> IO[bytes]:
    try:
        return cast(IO[bytes], gzip.open(file)) if file.name.lower().endswith(".gz") else file.open("rb")
    except OSError as error:
        raise DataError(f"{file}: cannot be opened: {error.strerror or error}") from None


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    with _open(file) as stream:
        yield from _decoded(stream, str(file))


def _decoded(stream: IO[bytes], name: str) -> Iterator[tuple[int, str]]:
    """Number and decode the lines of a stream, without their line ends."""
    number = 0
    try:
        for number, raw in enumerate(stream, 1):
            line = raw.removesuffix(b"\n").removesuffix(b"\r")
            if number == 1:
                if line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                    raise DataError(f"{name}:1: the file is UTF-16; convert it: iconv -f UTF-16 -t UTF-8")
                line = line.removeprefix(codecs.BOM_UTF8)
            if b"\0" in line:
                raise DataError(f"{name}:{number}: a NUL byte; the file is damaged or not text. Remove it")
            yield number, line.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise DataError(
            f"{name}:{number}: byte 0x{byte:02x} at position {error.start + 1} is not UTF-8; "
            "if the file is Latin-1, convert it: iconv -f LATIN1 -t UTF-8"
        ) from None
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{name}: cannot be read after line {number}: {error}") from None


def _delimited(file: Path, delimiter: str) -> Iterator[Row]:
    # The limit belongs to the csv module, not to a reader, and is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), LARGEST_CELL))
    reader = csv.reader((f"{line}\n" for _, line in _lines(file)), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    rows, start = 0, 1
    try:
        for record in reader:
            if not record:
                pass
            elif header is None:
                header = _header(record, f"{file}:{start}")
            elif len(record) != len(header):
                raise DataError(
                    f"{file}:{start}: {len(record)} fields where the header has {len(header)} "
                    f"({', '.join(header[:8])}); quote a field that holds the delimiter"
                )
            else:
                rows += 1
                yield Row(start, dict(zip(header, record, strict=True)))
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(_csv_fault(f"{file}:{start}", str(error), reader.line_num)) from None
    _refuse_empty(file, header is not None, rows)


def _header(record: list[str], place: str) -> list[str]:
    header = [name.strip() for name in record]
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise DataError(f"{place}: column '{repeated[0]}' appears twice in the header; rename one")
    return header


def _csv_fault(place: str, message: str, end: int) -> str:
    if "end of data" in message:
        return f"{place}: a quote is opened here and never closed (read on to line {end}); close it"
    if "expected after" in message:
        return f'{place}: text after a closing quote (on line {end}); write a quote inside a quoted field as ""'
    return f"{place}: {message}"


def _refuse_empty(file: Path, has_header: bool, rows: int) -> None:
    if not rows:
        found = "a header but no rows" if has_header else "nothing; the file is empty"
        raise DataError(f"{file}:1: holds {found}")


def _opens_list(file: Path) -> bool:
    return next((line.lstrip()[0] == "[" for _, line in _lines(file) if line.strip()), False)


def _json_lines(file: Path, bare: str | None) -> Iterator[Row]:
    rows = 0
    for number, line in _lines(file):
        if line.strip():
            rows += 1
            yield Row(number, _json_object(_parse(line, str(file), number), f"{file}:{number}", bare))
    _refuse_empty(file, False, rows)


def _json_list(file: Path, bare: str | None) -> Iterator[Row]:
    values = _parse("\n".join(line for _, line in _lines(file)), str(file), 1)
    for number, value in enumerate(values, 1):
        yield Row(number, _json_object(value, f"{file}, row {number}", bare))
    _refuse_empty(file, False, len(values))


def _parse(text: str, name: str, first_line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"{name}:{first_line + error.lineno - 1}"
        raise DataError(f"{place}: broken JSON at position {error.colno}: {error.msg}") from None
    except (RecursionError, ValueError) as error:
        raise DataError(f"{name}:{first_line}: JSON that cannot be read: {error}") from None


def _json_object(value: Any, place: str, bare: str | None) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if bare is not None and isinstance(value, str):
        return {bare: value}
    kind = type(value).__name__
    raise DataError(f'{place}: expected an object such as {{"text": ...}}, received a {kind}')


def _parquet(file: Path) -> Iterator[Row]:
    import pyarrow as pa  # noqa: ICN001 - slow to import, and only this format needs it
    import pyarrow.parquet as pq
    from datasets import Features

    number = 0
    try:
        with _open(file) as stream:
            table = pq.ParquetFile(io.BytesIO(stream.read()) if file.name.lower().endswith(".gz") else stream)
            names = class_names(Features.from_arrow_schema(table.schema_arrow))
            for batch in table.iter_batches(batch_size=1024):
                for cells in batch.to_pylist():
                    number += 1
                    yield Row(number, named_classes(cells, names))
    except (pa.ArrowException, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{file}: not a readable Parquet file (after row {number}): {error}") from None
    _refuse_empty(file, True, number)


def class_names(features: Any) -> dict[str, list[str]]:
    """The label names that `datasets` keeps for integer columns: column -> names by integer."""
    return {column: feature.names for column, feature in features.items() if hasattr(feature, "names")}


def named_classes(cells: Mapping[str, Any], names: Mapping[str, list[str]]) -> dict[str, Any]:
    """Put names for integers in a row; an integer out of range (-1: not labelled) becomes None."""
    row = dict(cells)
    for column, known in names.items():
        value = row[column]
        row[column] = known[value] if isinstance(value, int) and 0 <= value < len(known) else None
    return row
