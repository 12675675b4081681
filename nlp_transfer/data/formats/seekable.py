"""Open files that are not read from start to end, such as Parquet, Arrow and sheets."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from nlp_transfer.data.formats.text_lines import BLOCK, is_read_once, open_bytes
from nlp_transfer.system.room import guard_temporary


@contextlib.contextmanager
def open_seekable(file: Path) -> Iterator[IO[bytes]]:
    """Open a file so that it can be read from any place: unpack a .gz, or copy a pipe, to a temporary file.

    Raises:
        DataError: the file cannot be opened.
        DiskError: there is no room to unpack it.
    """
    with open_bytes(file) as stream:
        if not (is_read_once(file) or file.name.lower().endswith(".gz")):
            yield stream
            return
        with tempfile.TemporaryFile() as unpacked:
            with guard_temporary(f"{file}, unpacked,", full=True):
                shutil.copyfileobj(stream, unpacked, BLOCK)
            unpacked.seek(0)
            yield unpacked
