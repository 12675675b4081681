"""The reader of Parquet: the columns that are wanted, a few rows at a time."""

import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from nlp_transfer.blocks import Columns
from nlp_transfer.errors import DataError
from nlp_transfer.lines import BLOCK, LONGEST, TOO_LONG, is_read_once, open_bytes
from nlp_transfer.room import temporary
from nlp_transfer.rows import Read, Wanted, refuse_empty

FEWEST, MOST = 8, 1024  # rows read at once
HELD = 1 << 28  # bytes that rows read at once may take: a cell of many rows is stored once, and unpacked for each


def parquet_blocks(file: Path) -> Read:
    """Make the reader of a Parquet file."""
    return lambda wanted, _: _blocks(file, wanted)


def _blocks(file: Path, wanted: Wanted) -> Iterator[Columns]:
    import pyarrow as pa  # slow to import, and only this format needs it
    import pyarrow.parquet as pq

    number = 0
    try:
        with open_bytes(file) as stream, tempfile.TemporaryFile() as unpacked:
            table = pq.ParquetFile(_seekable(stream, unpacked, file), buffer_size=BLOCK, pre_buffer=False)
            schema = table.schema_arrow
            owners = None if wanted is None else {part for name in wanted for part in (name, name.partition(".")[0])}
            read = [name for name in schema.names if owners is None or name in owners]
            read = read or schema.names[:1]  # which tells how many rows there are
            header, classes = list(_names(schema)), _classes(schema)
            size = _batch_size(file, table.metadata, read)
            for rows in _gathered(table.iter_batches(batch_size=size, columns=read)):
                cells = {name: rows.column(name).to_pylist() for name in read}
                for name in classes.keys() & cells.keys():
                    cells[name] = [class_name(value, classes[name]) for value in cells[name]]
                yield Columns(range(number + 1, number + 1 + len(rows)), header, cells)
                number += len(rows)
    except (pa.ArrowException, EOFError, OSError, ValueError, zlib.error) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{file}: not a readable Parquet file (after row {number}): {reason}") from None
    refuse_empty(file, number)


def _seekable(stream: IO[bytes], unpacked: IO[bytes], file: Path) -> IO[bytes]:
    """A file that can be read from its end: what is packed or comes through a pipe is written to the disk."""
    if not (is_read_once(file) or file.name.lower().endswith(".gz")):
        return stream
    with temporary(f"{file}, unpacked,", full=True):
        shutil.copyfileobj(stream, unpacked, BLOCK)
    return unpacked


def _batch_size(file: Path, metadata: Any, names: list[str]) -> int:
    """How many rows can be held at once.

    Raises:
        DataError: cells that are too long on the whole; of one among many that is said when it is read.
    """
    size = MOST
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            if column.path_in_schema.partition(".")[0] in names:
                held = column.total_uncompressed_size
                if held > 4 * LONGEST * (group.num_rows + 1):  # bytes of as many characters
                    raise DataError(f"{file}, column '{column.path_in_schema}': {TOO_LONG.format('cell')}")
                size = min(size, HELD // max(1, held))
    return max(FEWEST, size)


def _names(fields: Iterable[Any], owner: str = "") -> Iterator[str]:
    """The columns, those inside others after their owner with dots."""
    import pyarrow as pa

    for field in fields:
        yield f"{owner}{field.name}"
        if pa.types.is_struct(field.type):
            yield from _names(field.type, f"{owner}{field.name}.")


def _classes(schema: Any) -> dict[str, list[str]]:
    """As `class_names`."""
    from datasets import Features

    named = b"huggingface" in (schema.metadata or {})  # else there are columns that it does not know
    return class_names(Features.from_arrow_schema(schema)) if named else {}


def _gathered(batches: Iterable[Any]) -> Iterator[Any]:
    """Put batches together to tables of about a megabyte."""
    import pyarrow as pa

    some, held = [], 0
    for batch in batches:
        some.append(batch)
        held += batch.nbytes
        if held > BLOCK:
            yield pa.Table.from_batches(some)
            some, held = [], 0
    if some:
        yield pa.Table.from_batches(some)


def class_names(features: Mapping[str, Any]) -> dict[str, list[str]]:
    """The label names that `datasets` keeps for integer columns: column -> names by integer."""
    return {column: feature.names for column, feature in features.items() if hasattr(feature, "names")}


def class_name(value: Any, names: list[str]) -> str | None:
    """The name of an integer; None of one out of range (-1: not labelled)."""
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else None
