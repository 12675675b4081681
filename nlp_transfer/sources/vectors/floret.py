"""Open tables of floret, whose rows belong to hashed words and parts of words (https://github.com/explosion/floret).

They come as text, or as the vectors of a spaCy model. No word has a row of its own; a word's vector is the mean of the
rows that it and its n-grams are hashed to.
"""

import re
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from nlp_transfer.errors import SourceError
from nlp_transfer.sources.vectors.fasttext import Hashing, Subwords
from nlp_transfer.sources.vectors.stream import VectorStream, check_header
from nlp_transfer.sources.vectors.text import read_text
from nlp_transfer.system.room import guard_temporary

# Rows, dimension, shortest and longest n-gram, rows of each, seed, and the marks around a word.
HEADER = re.compile(rb"((?:\d{1,18} ){6})([^\d\s.+-]\S*) ([^\d\s.+-]\S*)\r?\n")
MOST_HASHES = 4  # numbers of 32 bits in a hash of 128
LONGEST = 1000  # characters of an n-gram
LOWERED = (66, 67)  # spaCy's numbers of LOWER and NORM: what of a word it hashes


def open_floret(file: BinaryIO, path: Path, header: re.Match[bytes], *, held: int) -> VectorStream:
    """Read the rows behind a header into an unnamed temporary file.

    Args:
        file: to read on from behind the header.
        path: the file, for messages.
        header: as `HEADER` found it.
        held: the most bytes that the file can hold.

    Raises:
        SourceError: the header cannot be true, or a row is missing, damaged or out of order.
        DiskError: the disk has no room for the temporary file.
    """
    count, dim, min_n, max_n, hashes, seed = map(int, header[1].split())
    check_header(path, count, dim, needed=2 * count * dim, held=held)
    begin, end = (mark.decode(errors="replace") for mark in header.groups()[1:])

    with guard_temporary(f"a copy of {path}", 4 * count * dim), tempfile.TemporaryFile() as copy:
        rows = np.memmap(copy, "<f4", "w+", shape=(count, dim))
        _, blocks = read_text(file, path, header=(count, dim), counts=Counter())
        done = 0
        for block in blocks:
            for place, number in zip(block.places, block.words, strict=True):
                if number != str(done) or done == count:
                    raise SourceError(f"{path}:{place}: expected row {done} of {count}, received '{number:.40}'")
                done += 1
            rows[done - len(block.words) : done] = block.vectors
    return stream_parts(path, Subwords(rows, min_n, max_n, Hashing(hashes, seed, begin, end)))


def open_hashed(rows_path: Path, rows: np.ndarray, path: Path, settings: Mapping[str, Any]) -> VectorStream:
    """Read the vectors of a spaCy model as the settings in `path` say.

    Raises:
        SourceError: a setting is missing or damaged.
    """
    try:
        min_n, max_n, count, seed = (int(settings[name]) for name in ("minn", "maxn", "hash_count", "hash_seed"))
        begin, end = (str(settings[name]) for name in ("bow", "eow"))
    except (KeyError, ValueError, TypeError) as error:
        raise SourceError(f"{path}: damaged settings of floret ({error!s:.100})") from None
    hashing = Hashing(count, seed, begin, end, lowercase=settings.get("attr") in LOWERED)
    return stream_parts(rows_path, Subwords(rows.astype(np.float32, copy=False), min_n, max_n, hashing))


def stream_parts(path: Path, subwords: Subwords) -> VectorStream:
    """Make a stream of no words, whose rows of parts of words are checked as they are stored.

    Raises:
        SourceError: the settings cannot be.
    """
    hashing = subwords.hashing
    if not 0 <= subwords.min_n <= subwords.max_n <= LONGEST or not hashing or not 1 <= hashing.count <= MOST_HASHES:
        raise SourceError(
            f"{path}: no settings of floret: n-grams of {subwords.min_n} to {subwords.max_n} characters, "
            f"{hashing and hashing.count} rows of each"
        )
    dim = subwords.ngrams.shape[1]
    return VectorStream(path, dim, iter(()), "row", 0, lambda: 0, subwords=subwords, rows=0)
