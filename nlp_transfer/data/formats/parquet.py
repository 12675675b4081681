"""Read Parquet files."""

import shutil
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from nlp_transfer.data.formats.arrow_tables import choose_columns, read_batches
from nlp_transfer.data.formats.blocks import Columns
from nlp_transfer.data.formats.records import Read, Wanted, refuse_empty
from nlp_transfer.data.formats.text_lines import BLOCK, LONGEST, TOO_LONG, is_read_once, open_bytes
from nlp_transfer.errors import DataError
from nlp_transfer.system.room import guard_temporary

FEWEST_ROWS, MOST_ROWS = 8, 1024  # limits for the number of rows read at once
HELD = 1 << 28  # bytes for the rows read at once; a cell repeated in many rows is stored once and unpacked for each


def make_parquet_reader(file: Path) -> Read:
    """Make the reader of a Parquet file."""
    return lambda wanted, _: _read_blocks(file, wanted)


def _read_blocks(file: Path, wanted: Wanted) -> Iterator[Columns]:
    import pyarrow.parquet as pq  # slow to import, and only this format needs it

    rows = 0

    try:
        with open_bytes(file) as stream, tempfile.TemporaryFile() as unpacked:
            table = pq.ParquetFile(_make_seekable(stream, unpacked, file), buffer_size=BLOCK, pre_buffer=False)
            columns = choose_columns(table.schema_arrow, wanted, str(file))
            size = _compute_batch_size(file, table.metadata, columns)

            # Threads would take five times as long over batches of a few rows.
            batches = table.iter_batches(batch_size=size, columns=columns, use_threads=False)
            for block in read_batches(batches, table.schema_arrow, columns):
                rows += len(block.numbers)
                yield block
    except (pa.ArrowException, EOFError, OSError, ValueError, zlib.error) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{file}: not a readable Parquet file (after row {rows}): {reason}") from None
    refuse_empty(file, rows)


def _make_seekable(stream: IO[bytes], unpacked: IO[bytes], file: Path) -> IO[bytes]:
    """Return a file that can be read from its end, as Parquet must be: unpack a .gz, or copy a pipe to disk."""
    if not (is_read_once(file) or file.name.lower().endswith(".gz")):
        return stream
    with guard_temporary(f"{file}, unpacked,", full=True):
        shutil.copyfileobj(stream, unpacked, BLOCK)
    return unpacked


def _compute_batch_size(file: Path, metadata: Any, columns: Sequence[str]) -> int:
    """Compute how many rows fit into memory at once.

    Raises:
        DataError: the cells of a column are too long on average. One long cell among short ones is found when read.
    """
    size = MOST_ROWS
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for part in map(group.column, range(group.num_columns)):
            if any(f"{part.path_in_schema}.".startswith(f"{column}.") for column in columns):
                held = part.total_uncompressed_size
                if held > 4 * LONGEST * (group.num_rows + 1):  # a character takes four bytes at most
                    raise DataError(f"{file}, column '{part.path_in_schema}': {TOO_LONG.format('cell')}")
                size = min(size, HELD // max(1, held))
    return max(FEWEST_ROWS, size)
