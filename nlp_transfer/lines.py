"""Numbered lines of a text file, plain or .gz, decoded as UTF-8; a fault names its line."""

import codecs
import gzip
import os
import select
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, cast

from nlp_transfer.disk import at_home
from nlp_transfer.errors import DataError

OTHERS = (  # encodings by their byte-order marks, of which one begins with another
    ("UTF-32", codecs.BOM_UTF32_LE),
    ("UTF-32", codecs.BOM_UTF32_BE),
    ("UTF-16", codecs.BOM_UTF16_LE),
    ("UTF-16", codecs.BOM_UTF16_BE),
)
GZIP = b"\x1f\x8b"


def locate(place: str) -> Path | None:
    """The file or folder that a user named, if it is there."""
    try:
        path = at_home(place)
        return path if path.exists() else None
    except (OSError, ValueError):  # a name too long, a NUL in the name
        return None


def existing_file(place: str) -> Path:
    """The file that a user named.

    Raises:
        DataError: nothing there, or a folder.
    """
    file = locate(place)
    if file is None:
        raise DataError(f"{place}: no such file")
    if file.is_dir():
        raise DataError(f"{place}: is a folder; name one file in it")
    return file


def open_bytes(file: Path) -> IO[bytes]:
    """Open a file for reading, unpacked where its name ends in .gz."""
    try:
        return cast(IO[bytes], gzip.open(file)) if file.name.lower().endswith(".gz") else file.open("rb")
    except OSError as error:
        raise DataError(f"{file}: cannot be opened: {error.strerror or error}") from None


def numbered_lines(file: Path) -> Iterator[tuple[int, str]]:
    """Stream (1-based number, line without its end) of a file; see `decoded`."""
    with open_bytes(file) as stream:
        yield from decoded(stream, str(file))


class ArrivingLines:
    """The lines of standard input as they arrive; it knows whether another is there already."""

    def __init__(self, descriptor: int) -> None:
        """Read from an open file descriptor."""
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()

    def __iter__(self) -> Iterator[bytes]:
        """Yield each line with its end."""
        rest = b""
        while data := os.read(self._descriptor, 1 << 16):
            *lines, rest = (rest + data).split(b"\n")
            self._lines.extend(line + b"\n" for line in lines)
            while self._lines:
                yield self._lines.popleft()
        if rest:
            yield rest

    def idle(self) -> bool:
        """Whether the next line would have to be waited for."""
        return not self._lines and not select.select([self._descriptor], [], [], 0)[0]


def decoded(stream: Iterable[bytes], name: str) -> Iterator[tuple[int, str]]:
    """Number and decode the lines of a stream, without their ends and without a byte-order mark.

    Raises:
        DataError: bytes that are not UTF-8, a NUL, or a stream that breaks off, with the line.
    """
    number = 0
    try:
        for number, raw in enumerate(stream, 1):
            line = raw.removesuffix(b"\n").removesuffix(b"\r")
            if number == 1:
                if other := next((one for one, mark in OTHERS if line.startswith(mark)), None):
                    raise DataError(f"{name}:1: the file is {other}; convert it: iconv -f {other} -t UTF-8")
                if line.startswith(GZIP):
                    raise DataError(f"{name}:1: the file is packed by gzip; let its name end in .gz")
                line = line.removeprefix(codecs.BOM_UTF8)
            if b"\0" in line:
                raise DataError(f"{name}:{number}: a NUL byte; the file is damaged, not text, or UTF-16 without a mark")
            yield number, line.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise DataError(
            f"{name}:{number}: byte 0x{byte:02x} at position {error.start + 1} is not UTF-8; "
            "if the file is Latin-1, convert it: iconv -f LATIN1 -t UTF-8"
        ) from None
    except gzip.BadGzipFile:
        raise DataError(f"{name}: is not packed by gzip, or damaged; a plain file's name must not end in .gz") from None
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{name}: cannot be read after line {number}: {error}") from None
