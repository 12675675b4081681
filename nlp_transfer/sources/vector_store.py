"""Turn a stream of rows into a checked table, and write it as a folder that appears complete or not at all."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nlp_transfer.errors import SourceError
from nlp_transfer.sources.vector_stream import Batch, VectorStream

VECTORS, WORDS, NGRAMS, DESCRIPTION = "vectors.npy", "words.txt", "ngrams.npy", "table.json"
FORMAT, VERSION = "nlp-transfer vectors", 1
NGRAM_ROWS = 1 << 14  # n-gram rows checked and copied at a time


def store(stream: VectorStream, file: BinaryIO | None, *, limit: int | None, progress: bool = False) -> list[str]:
    """Read all rows, check them, and append those kept to `file` as a .npy.

    The first row of a word wins; a word that is empty or holds a line break cannot be written down and is left out.
    Both are counted in `stream.counts`.

    Args:
        stream: the rows; used up afterwards.
        file: a new file, left at the end; None only to check.
        limit: stop after this many words.
        progress: show a progress bar.

    Returns:
        The words kept, in order.

    Raises:
        SourceError: numbers that are not finite, with the place of the first; or no rows at all.
    """
    if file:
        _write_header(file, 0, stream.dim)
    kept: dict[str, None] = {}
    broken: list[str] = []
    for batch in _show(stream) if progress else stream.batches:
        rows = []
        for row, word in enumerate(batch.words):
            if word in kept:
                stream.counts["duplicates"] += 1
            elif not word or "\n" in word:
                stream.counts["unusable_words"] += 1
            else:
                kept[word] = None
                rows.append(row)
                if len(kept) == limit:
                    break
        finite = np.isfinite(batch.vectors).all(axis=1)
        broken += [f"{stream.unit} {batch.places[row]} ('{batch.words[row]}')" for row in np.flatnonzero(~finite)[:1]]
        stream.counts["_not_finite"] += len(finite) - int(finite.sum())
        if file and rows:
            vectors = batch.vectors if len(rows) == len(batch.words) else batch.vectors[rows]
            file.write(np.ascontiguousarray(vectors, dtype=np.float32).data)
        if len(kept) == limit:
            break
    if count := stream.counts.pop("_not_finite", 0):
        raise SourceError(f"{stream.path}: {count} rows hold NaN or infinite numbers, the first at {broken[0]}")
    if not kept:
        raise SourceError(f"{stream.path}: holds no word")
    if file:
        file.seek(0)
        _write_header(file, len(kept), stream.dim)
        file.seek(0, os.SEEK_END)
    return list(kept)
