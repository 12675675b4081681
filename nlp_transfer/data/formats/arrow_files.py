"""Read Arrow IPC: files, which Feather is too, and streams, as `datasets` saves them."""

import mmap
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from nlp_transfer.data.formats.arrow_tables import choose_columns, read_batches
from nlp_transfer.data.formats.blocks import Columns
from nlp_transfer.data.formats.records import Read, Wanted, refuse_empty
from nlp_transfer.data.formats.seekable import open_seekable
from nlp_transfer.errors import DataError

MARK = b"ARROW1"  # opens a file; a stream has no mark
OLD_MARK = b"FEA1"  # of the first version of Feather, which Arrow reads no more
ROWS_AT_ONCE = 1024


def make_arrow_reader(file: Path) -> Read:
    """Make the reader of an Arrow file or stream, told apart by content."""
    return lambda wanted, _: _read_blocks(file, wanted)


def _read_blocks(file: Path, wanted: Wanted) -> Iterator[Columns]:
    rows = 0
    try:
        with open_seekable(file) as stream:
            # Mapped, because Arrow asks for as many bytes as a file says it has, which a damaged one says wrong.
            data = pa.py_buffer(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
            schema = _open(data, file).schema
            columns = choose_columns(schema, wanted, str(file))
            kept = pa.ipc.IpcReadOptions(included_fields=[schema.get_field_index(name) for name in columns])
            batches = _cut(_open(data, file, kept))

            for block in read_batches(batches, schema, columns):
                rows += len(block.numbers)
                yield block
    except (pa.ArrowException, EOFError, OSError, ValueError, zlib.error) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{file}: not a readable Arrow file or stream (after row {rows}): {reason}") from None
    refuse_empty(file, rows)


def _open(data: pa.Buffer, file: Path, options: pa.ipc.IpcReadOptions | None = None) -> Any:
    """Open the batches of a file or a stream.

    Raises:
        DataError: the file is of the first version of Feather.
    """
    mark = data.slice(0, len(MARK)).to_pybytes()
    if mark.startswith(OLD_MARK):
        raise DataError(f"{file}: Feather of version 1, which is no longer read; write it again, or save it as Parquet")
    return pa.ipc.open_file(data, options=options) if mark == MARK else pa.ipc.open_stream(data, options=options)


def _cut(reader: Any) -> Iterator[pa.RecordBatch]:
    """Yield few rows at a time, since a file may be one batch."""
    if isinstance(reader, pa.ipc.RecordBatchFileReader):
        batches = map(reader.get_batch, range(reader.num_record_batches))
    else:
        batches = iter(reader)
    for batch in batches:
        batch.validate(full=True)  # a damaged file may point outside its own buffers
        yield from (batch.slice(start, ROWS_AT_ONCE) for start in range(0, len(batch), ROWS_AT_ONCE))
