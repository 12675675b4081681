"""Open the vectors of navec: a tar of words (`vocab.bin`) and of quantised rows (`pq.bin`).

The layout: https://github.com/natasha/navec. A row is put together from pieces, each one of at most 256 (Jegou et al.
2011, product quantisation).
"""

import tarfile
import zlib
from pathlib import Path

import numpy as np

from nlp_transfer.errors import SourceError
from nlp_transfer.sources.vectors.stream import VectorStream, check_header, stream_rows

VOCABULARY, ROWS = "vocab.bin", "pq.bin"
LONGEST = 64  # bytes of a word, on average; a gzip that unpacks to more is no vocabulary
MARK = slice(257, 262)  # where a tar says that it is one


def starts_tar(head: bytes) -> bool:
    """Tell by its first bytes whether a file is a tar."""
    return head[MARK] == b"ustar"


def open_navec(path: Path) -> VectorStream:
    """Read the words and rows of a tar.

    Raises:
        SourceError: the tar is damaged, or of something else.
    """
    try:
        with tarfile.open(path, "r:") as tar:  # not packed, so that nothing in it is larger than the file
            held = {name: _read_member(tar, name) for name in (VOCABULARY, ROWS)}
    except KeyError:
        raise SourceError(
            f"{path}: a tar without {VOCABULARY} and {ROWS}, so none of navec; unpack it and name the vector file in it"
        ) from None
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise SourceError(f"{path}: a damaged or truncated tar: {error}") from None

    codes, indexes = _parse_rows(path, held[ROWS])
    words = _parse_words(path, held[VOCABULARY], len(indexes))
    pieces = np.arange(len(codes))

    def take(first: int, last: int) -> np.ndarray:
        return np.asarray(codes[pieces, indexes[first:last]].reshape(last - first, -1))

    return stream_rows(path, words, codes.shape[0] * codes.shape[2], take)


def _read_member(tar: tarfile.TarFile, name: str) -> bytes:
    member = tar.getmember(name)
    file = None if member.issparse() else tar.extractfile(member)
    if file is None:
        raise ValueError(f"{name} is no plain file")
    with file:
        data = file.read()
    if len(data) != member.size:
        raise ValueError(f"{name} ends early")
    return data


def _parse_rows(path: Path, data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Parse the pieces, (p, c, d / p) float32, and which of the c each row takes at each place, (n, p) uint8."""
    if len(data) < 16:
        raise SourceError(f"{path}: {ROWS} ends within its header; it is damaged")
    count, dim, places, choices = np.frombuffer(data, "<u4", 4).tolist()
    check_header(path, count, dim, needed=count * places, held=len(data) - 16)
    if not places or dim % places or len(data) != 16 + count * places + 4 * choices * dim:
        raise SourceError(
            f"{path}: {ROWS} holds {len(data):,} bytes, which do not fit {count} rows of {dim} numbers in {places} "
            f"pieces, each one of {choices}; it is damaged"
        )

    indexes = np.frombuffer(data, np.uint8, count * places, 16).reshape(count, places)
    if indexes.max() >= choices:
        raise SourceError(f"{path}: {ROWS} names piece {indexes.max()} of {choices}; it is damaged")
    codes = np.frombuffer(data, "<f4", choices * dim, 16 + count * places)
    return codes.reshape(places, choices, dim // places), indexes


def _parse_words(path: Path, packed: bytes, count: int) -> list[str]:
    """Parse the words, which lie behind their number and how often each was counted."""
    limit = 4 + count * (4 + LONGEST)
    unpacker = zlib.decompressobj(wbits=31)  # gzip
    try:
        data = unpacker.decompress(packed, limit)
        words = data[4 + 4 * count :].decode().split("\n")
    except (UnicodeDecodeError, zlib.error) as error:
        raise SourceError(f"{path}: {VOCABULARY} is damaged: {error}") from None

    if not unpacker.eof or data[:4] != count.to_bytes(4, "little") or len(words) != count:
        raise SourceError(
            f"{path}: {VOCABULARY} holds {len(words)} words for {count} rows, or is truncated, or unpacks to more "
            f"than {limit:,} bytes; it is damaged"
        )
    return words
