"""Define what a file of texts under keys yields."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nlp_transfer.data.formats.records import Fault
from nlp_transfer.data.formats.text_lines import read_pieces
from nlp_transfer.errors import DataError

LARGEST = 1 << 26  # characters of a file, which is held whole


class Entry(NamedTuple):
    """Hold a text, the line it stands on and its key; a plural form's key ends as `files[one]`."""

    number: int
    key: str
    text: str


Entries = Iterator[Entry | Fault]


def read_whole(file: Path, encoding: str | None) -> str:
    """Read a file whole, with line feeds at the ends of its lines.

    Raises:
        DataError: it is longer than the limit, or as `decode_pieces`.
    """
    pieces, held = [], 0
    for piece in read_pieces(file, encoding):
        pieces.append(piece)
        held += len(piece)
        if held > LARGEST:
            raise DataError(f"{file}: more than {LARGEST:,} characters, which is the limit; make several files of it")
    return "".join(pieces).replace("\r\n", "\n").replace("\r", "\n")


def join_halves(text: str) -> str:
    r"""Join halves of characters, as of `\ud83d\ude00`; a half alone stays, and is refused as a cell."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
