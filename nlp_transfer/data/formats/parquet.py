"""The reader of Parquet."""

import shutil
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from nlp_transfer.data.formats.arrow_tables import columns_to_read, table_blocks
from nlp_transfer.data.formats.blocks import Columns
from nlp_transfer.data.formats.records import Read, Wanted, refuse_empty
from nlp_transfer.data.formats.text_lines import BLOCK, LONGEST, TOO_LONG, is_read_once, open_bytes
from nlp_transfer.errors import DataError
from nlp_transfer.system.room import guard_temporary

FEWEST, MOST = 8, 1024  # rows read at once
HELD = 1 << 28  # bytes that rows read at once may take: a cell of many rows is stored once, and unpacked for each


def parquet_blocks(file: Path) -> Read:
    """Make the reader of a Parquet file."""
    return lambda wanted, _: _blocks(file, wanted)


def _blocks(file: Path, wanted: Wanted) -> Iterator[Columns]:
    import pyarrow.parquet as pq  # slow to import, and only this format needs it

    rows = 0
    try:
        with open_bytes(file) as stream, tempfile.TemporaryFile() as unpacked:
            table = pq.ParquetFile(_seekable(stream, unpacked, file), buffer_size=BLOCK, pre_buffer=False)
            columns = columns_to_read(table.schema_arrow, wanted, str(file))
            size = _batch_size(file, table.metadata, columns)
            # Threads would take five times as long over batches of a few rows.
            batches = table.iter_batches(batch_size=size, columns=columns, use_threads=False)
            for block in table_blocks(batches, table.schema_arrow, columns):
                rows += len(block.numbers)
                yield block
    except (pa.ArrowException, EOFError, OSError, ValueError, zlib.error) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{file}: not a readable Parquet file (after row {rows}): {reason}") from None
    refuse_empty(file, rows)


def _seekable(stream: IO[bytes], unpacked: IO[bytes], file: Path) -> IO[bytes]:
    """A file that can be read from its end: what is packed or comes through a pipe is written to the disk."""
    if not (is_read_once(file) or file.name.lower().endswith(".gz")):
        return stream
    with guard_temporary(f"{file}, unpacked,", full=True):
        shutil.copyfileobj(stream, unpacked, BLOCK)
    return unpacked


def _batch_size(file: Path, metadata: Any, columns: Sequence[str]) -> int:
    """How many rows can be held at once.

    Raises:
        DataError: cells that are too long on the whole; of one among many that is said when it is read.
    """
    size = MOST
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for part in map(group.column, range(group.num_columns)):
            if any(f"{part.path_in_schema}.".startswith(f"{column}.") for column in columns):
                held = part.total_uncompressed_size
                if held > 4 * LONGEST * (group.num_rows + 1):  # bytes of as many characters
                    raise DataError(f"{file}, column '{part.path_in_schema}': {TOO_LONG.format('cell')}")
                size = min(size, HELD // max(1, held))
    return max(FEWEST, size)
