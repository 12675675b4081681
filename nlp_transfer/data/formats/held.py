"""Take rows that Python code holds: frames, Arrow tables, data sets of Hugging Face, lists of mappings, columns.

What offers the Arrow C stream interface, as frames of pandas and polars do, is read through that, so that no package
has to be known here. Rows that Arrow cannot hold, since a column has values of several types, are read as Python
objects.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from nlp_transfer.data.formats.arrow_tables import make_table_reader, spell_labels
from nlp_transfer.data.formats.blocks import shorten_names
from nlp_transfer.data.formats.records import Record, RowStream, make_reader
from nlp_transfer.errors import DataError, list_first
from nlp_transfer.system.received import HeldRows, is_missing, is_table, maps_columns, name_kind

INDEX = re.compile(r"__index_level_\d+__")  # how pandas calls the columns of an index without a name
SHOWN_COLUMNS = 8  # that a description names
DIGITS = 16  # of the sha256 that a description shows
HASHED_ROWS = 1 << 14  # at once; the same however a table is cut in chunks
ONE_BATCH = 1000  # rows of a data set that streams
Row = Mapping[str, Any]


def hold_rows(given: Any, *, bare: str | None = None) -> HeldRows:
    """Take rows, and describe them by their number, their columns and the sha256 of all that they hold.

    Args:
        given: a frame of pandas or polars, an Arrow table, a data set, mappings column -> cell, or a mapping column ->
            cells.
        bare: the column for rows that are plain texts; by default these are refused.

    Raises:
        DataError: it is none of these, or holds no rows; the message says what was received, and in which row.
    """
    kind = _name_kind(given)
    rows = _read_rows(given, kind, bare)
    names = list_columns(rows)
    digest = (_hash_table(drop_index(rows)) if isinstance(rows, pa.Table) else _hash_rows(rows))[:DIGITS]
    if not len(rows):
        raise DataError(f"{kind}: holds no rows; give at least one")
    count = f"{len(rows):,} row{'s' if len(rows) > 1 else ''}"
    columns = list_first(shorten_names(names), SHOWN_COLUMNS)
    return HeldRows(f"{kind} in memory ({count}: {columns}; sha256 {digest})", rows)


def open_held(held: HeldRows) -> RowStream:
    """Open rows in memory; they are numbered from 1."""
    rows, name = held.rows, str(held)
    if isinstance(rows, pa.Table):
        return RowStream(name, make_table_reader(drop_index(rows), name), "row")
    return RowStream(name, make_reader(Record(number, row) for number, row in enumerate(rows, 1)), "row")


def list_columns(rows: pa.Table | Sequence[Row]) -> list[str]:
    """List the columns, but for an index of pandas without a name."""
    if isinstance(rows, pa.Table):
        return list(drop_index(rows).schema.names)
    return list(dict.fromkeys(name for row in rows for name in row))


def drop_index(table: pa.Table) -> pa.Table:
    """Drop the index of pandas where it has no name: it tells how rows were taken from others, not what they hold."""
    return table.drop_columns([name for name in table.schema.names if INDEX.fullmatch(name)])


def _name_kind(given: Any) -> str:
    """Name what was given: `a pandas DataFrame`, `a list`."""
    package = type(given).__module__.partition(".")[0]
    return name_kind(given) if package == "builtins" else f"a {package} {type(given).__name__}"


def _read_rows(given: Any, kind: str, bare: str | None) -> pa.Table | list[Row]:
    """Read what was given as an Arrow table, or as rows of Python objects.

    Raises:
        DataError: it holds no rows that can be told apart.
    """
    if hasattr(given, "features") and hasattr(given, "with_format"):
        return _read_dataset(given)
    if hasattr(given, "__arrow_c_stream__") and (is_table(given) or not hasattr(given, "__len__")):
        return _read_stream(given, kind)
    if hasattr(given, "collect") and is_table(given):
        raise DataError(f"{kind}: has no rows yet; give data.collect()")
    if maps_columns(given):
        return _join_columns(given, kind)
    if is_table(given) or isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise DataError(f"expected a table of rows, received {kind}; give a frame, or [{{column: cell, ...}}, ...]")
    return [_read_row(row, number, kind, bare) for number, row in enumerate(given, 1)]


def _read_dataset(given: Any) -> pa.Table:
    """Read a data set of Hugging Face in its own order, which `select` and `shuffle` change, labels by their names."""
    arrow = given.with_format("arrow")
    streams = not hasattr(given, "num_rows")
    table = pa.concat_tables(arrow.iter(batch_size=ONE_BATCH)) if streams else arrow[:]
    features = given.features
    return spell_labels(table if features is None else table.replace_schema_metadata(features.arrow_schema.metadata))


def _read_stream(given: Any, kind: str) -> pa.Table | list[Row]:
    """Read what offers an Arrow stream; a frame that Arrow cannot hold is taken row by row.

    Raises:
        DataError: two columns of a frame of pandas have one name, or the stream is broken.
    """
    try:
        return pa.table(given)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        if not hasattr(given, "to_dict") or not hasattr(given, "astype"):
            raise DataError(f"{kind}: cannot be read: {str(error).partition(chr(10))[0]}") from None

    names = list(map(str, given.columns))
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DataError(f"{kind}: column '{twice}' appears twice; rename one")
    return [_read_row(row, number, kind, None) for number, row in enumerate(given.to_dict("records"), 1)]


def _join_columns(given: Mapping[Any, Iterable[Any]], kind: str) -> list[Row]:
    """Join columns to rows.

    Raises:
        DataError: they have different numbers of cells.
    """
    columns = {str(name): list(cells) for name, cells in given.items()}
    first, *others = columns
    for name in others:
        if len(columns[name]) != len(columns[first]):
            raise DataError(
                f"{kind}: column '{first}' has {len(columns[first])} cells, and '{name}' {len(columns[name])}; give as "
                "many of each"
            )
    rows = (dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True))
    return [_read_row(row, number, kind, None) for number, row in enumerate(rows, 1)]


def _read_row(row: Any, number: int, kind: str, bare: str | None) -> Row:
    """Read one row as a mapping column -> cell.

    Raises:
        DataError: it is no mapping, and no plain text where these are taken.
    """
    if bare is not None and not isinstance(row, Mapping):
        row = {bare: row}
    if not isinstance(row, Mapping):
        raise DataError(
            f"{kind}, row {number}: expected {{column: cell, ...}}, received {name_kind(row)}; name the columns, as in "
            '{"text": ..., "label": ...}'
        )
    return {str(column): _read_cell(cell) for column, cell in row.items()}


def _read_cell(cell: Any) -> Any:
    """Read a cell as JSON has it: what is missing as null, numbers and arrays of NumPy as Python's, tuples as lists."""
    if is_missing(cell):
        return None
    if hasattr(cell, "tolist"):
        cell = cell.tolist()
    if isinstance(cell, list | tuple):
        return list(map(_read_cell, cell))
    return {str(key): _read_cell(one) for key, one in cell.items()} if isinstance(cell, Mapping) else cell


def _hash_rows(rows: Iterable[Row]) -> str:
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps(row, default=repr).encode() + b"\n")
    return digest.hexdigest()


def _hash_table(table: pa.Table) -> str:
    """Compute the sha256 of names, types and cells; chunks, offsets and ways to store a text do not change it."""
    schema = pa.schema([(field.name, _simplify(field.type)) for field in table.schema])
    digest = hashlib.sha256(str(schema).encode())
    for batch in _copy_parts(table, schema):
        digest.update(batch.serialize())
    return digest.hexdigest()


def _copy_parts(table: pa.Table, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Copy some rows at a time to memory of their own: a part of a table shares that of its neighbours."""
    for start in range(0, len(table), HASHED_ROWS):
        part = table.slice(start, HASHED_ROWS)
        cells = [_convert(part.column(at), field.type) for at, field in enumerate(schema)]
        whole = pa.Table.from_arrays(cells, schema=schema).take(pa.array(range(len(part)))).combine_chunks()
        yield from whole.to_batches()


def _convert(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """Convert a column to another type of the same values; by way of Python where Arrow has no way."""
    try:
        return column.cast(kind)
    except pa.ArrowNotImplementedError:  # for instance texts as views in a dictionary, as polars has categories
        return pa.chunked_array([pa.array(column.to_pylist(), kind)])


def _simplify(kind: pa.DataType) -> pa.DataType:
    """Return the one type that stands for all that hold the same values, such as texts as views or by a dictionary."""
    types = pa.types
    if types.is_dictionary(kind):
        return _simplify(kind.value_type)
    if types.is_string(kind) or types.is_string_view(kind):
        return pa.large_string()
    if types.is_binary(kind) or types.is_binary_view(kind):
        return pa.large_binary()
    if types.is_list(kind) or types.is_large_list(kind):
        return pa.large_list(_simplify(kind.value_type))
    if types.is_struct(kind):
        return pa.struct([(field.name, _simplify(field.type)) for field in kind])
    return kind
