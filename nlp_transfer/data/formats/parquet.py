"""Read Parquet files."""

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from nlp_transfer.data.formats.arrow_tables import choose_columns, read_batches
from nlp_transfer.data.formats.blocks import Columns
from nlp_transfer.data.formats.records import Read, Wanted, refuse_empty
from nlp_transfer.data.formats.seekable import open_seekable
from nlp_transfer.data.formats.text_lines import BLOCK, LONGEST, TOO_LONG
from nlp_transfer.errors import DataError

FEWEST_ROWS, MOST_ROWS = 8, 1024  # limits for the number of rows read at once
HELD = 1 << 28  # bytes for the rows read at once; a cell repeated in many rows is stored once and unpacked for each


def make_parquet_reader(file: Path) -> Read:
    """Make the reader of a Parquet file."""
    return lambda wanted, _: _read_blocks(file, wanted)


def _read_blocks(file: Path, wanted: Wanted) -> Iterator[Columns]:
    import pyarrow.parquet as pq  # slow to import, and only this format needs it

    rows = 0

    try:
        with open_seekable(file) as stream:
            table = pq.ParquetFile(stream, buffer_size=BLOCK, pre_buffer=False)
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
