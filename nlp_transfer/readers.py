"""File formats: .csv .tsv .jsonl .ndjson .json .parquet .tmx .po .mo, each also as .gz, row by row.

Readers stream (but for a JSON list and gettext), accept a byte-order mark and CRLF, keep cells such as `NA` as text,
and name the line of a fault.
"""

import csv
import io
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nlp_transfer.errors import DataError, suggest
from nlp_transfer.gettext_files import mo_rows, po_rows
from nlp_transfer.lines import existing_file, numbered_lines, open_bytes
from nlp_transfer.rows import LeftOut, Row, RowStream, refuse_empty
from nlp_transfer.text_files import refuse_foreign
from nlp_transfer.tmx import tmx_rows

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".tmx", ".po", ".mo")
OTHER_DELIMITER = "The file seems to use another delimiter: .csv wants commas, .tsv wants tabs"
LARGEST_CELL = 1 << 30  # characters; Python's csv refuses more than 131,072 by default


def format_of(path: str) -> str:
    """The suffix that decides how a file is read, `.gz` taken off."""
    name = path.lower()
    return Path(name.removesuffix(".gz")).suffix


def open_rows(path: str, *, bare: str | None = None) -> RowStream:  # noqa: PLR0911 - one per format
    """Open a data file; nothing is read before the first row is asked for.

    Args:
        path: The file.
        bare: Column under which JSON lines that are plain strings or null appear; by default they are an error.

    Raises:
        DataError: no such file, or a format that is not known; while reading, any fault with its line.
    """
    file = existing_file(path)
    left_out = LeftOut(list)
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
        case ".tmx":
            return RowStream(path, tmx_rows(file))
        case ".po":
            return RowStream(path, po_rows(file, left_out), left_out=left_out)
        case ".mo":
            return RowStream(path, mo_rows(file, left_out), "row", left_out)
        case suffix:
            refuse_foreign(file)
            raise DataError(f"{path}: cannot read '{suffix}' as a table. {suggest(suffix, SUFFIXES)}")


def _delimited(file: Path, delimiter: str) -> Iterator[Row]:
    # The limit belongs to the csv module, not to a reader, and is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), LARGEST_CELL))
    reader = csv.reader((f"{line}\n" for _, line in numbered_lines(file)), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    rows, start = 0, 1
    blank: list[int] = []  # lines of a single column that are empty cells, unless nothing follows
    try:
        for record in reader:
            if not record:
                blank += [start] if header is not None and len(header) == 1 else []
            elif header is None:
                header = _header(record, f"{file}:{start}")
            elif len(record) != len(header):
                raise DataError(
                    f"{file}:{start}: the row has {len(record)} of the header's {len(header)} fields "
                    f"({', '.join(header[:8])}); {_way_out(record, header)}"
                )
            else:
                yield from (Row(line, {header[0]: ""}) for line in blank)
                blank = []
                rows += 1
                yield Row(start, dict(zip(header, record, strict=True)))
            start = reader.line_num + 1
    except csv.Error as error:
        fault = _csv_fault(f"{file}:{start}", str(error), reader.line_num)
        raise DataError(f"{fault}. {OTHER_DELIMITER}" if looks_undivided(header or ()) else fault) from None
    refuse_empty(file, rows, found="a header but no rows" if header else "nothing")


def _header(record: list[str], place: str) -> list[str]:
    header = [name.strip() for name in record]
    repeated, count = Counter(header).most_common(1)[0]
    if count > 1:
        raise DataError(f"{place}: column '{repeated}' appears twice in the header; rename one")
    return header


def looks_undivided(header: Sequence[str]) -> bool:
    """Whether the only column of a header holds what elsewhere divides columns."""
    return len(header) == 1 and any(mark in header[0] for mark in ",;\t|")


def _way_out(record: list[str], header: list[str]) -> str:
    if looks_undivided(header):
        return OTHER_DELIMITER
    return "fill it up" if len(record) < len(header) else "quote a field that holds the delimiter"


def _csv_fault(place: str, message: str, end: int) -> str:
    if "end of data" in message:
        return f"{place}: a quote is opened here and never closed (read on to line {end}); close it"
    if "expected after" in message:
        return f'{place}: text after a closing quote (on line {end}); write a quote inside a quoted field as ""'
    if "new-line character" in message:
        return f"{place}: a bare carriage return (on line {end}); end lines with LF or CRLF, or quote the field"
    return f"{place}: {message}"


def _opens_list(file: Path) -> bool:
    return next((line.lstrip()[0] == "[" for _, line in numbered_lines(file) if line.strip()), False)


def _json_lines(file: Path, bare: str | None) -> Iterator[Row]:
    rows = 0
    for number, line in numbered_lines(file):
        if line.strip():
            rows += 1
            yield Row(number, _json_object(_parse(line, str(file), number), f"{file}:{number}", bare))
    refuse_empty(file, rows, found="nothing")


def _json_list(file: Path, bare: str | None) -> Iterator[Row]:
    values = _parse("\n".join(line for _, line in numbered_lines(file)), str(file), 1)
    for number, value in enumerate(values, 1):
        yield Row(number, _json_object(value, f"{file}, row {number}", bare))
    refuse_empty(file, len(values))


def _parse(text: str, name: str, first_line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = f"{name}:{first_line + error.lineno - 1}"
        raise DataError(
            f"{place}: broken JSON at position {error.colno}: {error.msg}; write one object a line, or one list"
        ) from None
    except (RecursionError, ValueError) as error:
        raise DataError(f"{name}:{first_line}: JSON that cannot be read: {error}") from None


def _json_object(value: Any, place: str, bare: str | None) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if bare is not None and isinstance(value, str | None):
        return {bare: value}
    kind = type(value).__name__
    raise DataError(f'{place}: expected an object such as {{"text": ...}}, received a {kind}')


def _parquet(file: Path) -> Iterator[Row]:
    import pyarrow as pa  # slow to import, and only this format needs it
    import pyarrow.parquet as pq
    from datasets import Features

    number = 0
    try:
        with open_bytes(file) as stream:
            table = pq.ParquetFile(io.BytesIO(stream.read()) if file.name.lower().endswith(".gz") else stream)
            named = b"huggingface" in (table.schema_arrow.metadata or {})  # else there are columns it does not know
            names = class_names(Features.from_arrow_schema(table.schema_arrow)) if named else {}
            for batch in table.iter_batches(batch_size=1024):
                for cells in batch.to_pylist():
                    number += 1
                    yield Row(number, named_classes(cells, names))
    except (pa.ArrowException, EOFError, OSError, ValueError, zlib.error) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{file}: not a readable Parquet file (after row {number}): {reason}") from None
    refuse_empty(file, number)


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
