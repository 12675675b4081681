"""Check a stream of rows and write it to a file, or to a folder that is complete or absent."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nlp_transfer.errors import SourceError
from nlp_transfer.sources.vectors.fasttext import Subwords
from nlp_transfer.sources.vectors.pieces import holds_pieces
from nlp_transfer.sources.vectors.stream import VectorBlock, VectorStream
from nlp_transfer.system.disk import flush, hash_file
from nlp_transfer.system.escaping import escape_line
from nlp_transfer.system.layout import LOCK, TABLE, UNFINISHED
from nlp_transfer.system.room import guard_writing

VECTORS, WORDS, NGRAMS, TOKENIZER = "vectors.npy", "words.txt", "ngrams.npy", "tokenizer.json"
FORMAT, VERSION = "nlp-transfer vectors", 1
NGRAM_ROWS = 1 << 14  # n-gram rows to check and copy at once


def store_rows(stream: VectorStream, file: BinaryIO | None, *, limit: int | None, progress: bool = False) -> list[str]:
    """Read the rows, check them, and write those that are kept to `file` as a .npy.

    The first row of a word wins. A word that is empty or holds a line break is left out, since no list of words holds
    it. Both are counted in `stream.counts`.

    Args:
        stream: the rows; used up afterwards.
        file: a new file; None to check only.
        limit: the number of words after which to stop.
        progress: show a progress bar.

    Returns:
        The words that are kept, in order.

    Raises:
        SourceError: a vector is not finite (the message names its place), there are no words at all, or a limit would
            take some of the pieces of words.
    """
    if file:
        _write_header(file, 0, stream.dim)

    kept: dict[str, None] = {}
    broken, first = 0, ""
    for block in _show_progress(stream) if progress else stream.blocks:
        rows = _keep_all(block, kept) if stream.reader else _keep(block, kept, stream.counts, limit)

        bad = _find_broken(block.vectors)
        if len(bad) and not broken:
            place, word = stream.name_place(block.places[bad[0]]), block.words[bad[0]]
            first = f"{place}: the vector of '{word}' holds NaN or infinity"
        broken += len(bad)

        if file and rows:
            vectors = block.vectors if len(rows) == len(block.words) else block.vectors[rows]
            file.write(np.ascontiguousarray(vectors, dtype="<f4").data)

        if len(kept) == limit:
            break

    if broken:
        raise SourceError(f"{first}; such vectors read: {broken}")
    parts = stream.subwords is not None and stream.subwords.hashing is not None
    if not kept and not parts:
        raise SourceError(f"{stream.path}: holds no words")

    if limit is not None and (parts or (not stream.subwords and holds_pieces(kept))):
        raise SourceError(
            f"{stream.path}: its rows belong to parts of words, any of which a text may need; take all of them "
            "(source.vocabulary: all, without a limit)"
        )

    # The header was written for no rows; now their number is known.
    if file:
        file.seek(0)
        _write_header(file, len(kept), stream.dim)
        file.flush()
    return list(kept)


def _find_broken(vectors: np.ndarray) -> np.ndarray:
    """Find the rows that hold NaN or infinity; adding all numbers up tells in less time that none does."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(vectors.sum()):
            return np.array([], dtype=np.int64)
    return np.flatnonzero(~np.isfinite(vectors).all(axis=1))


def _keep(block: VectorBlock, kept: dict[str, None], counts: Counter[str], limit: int | None) -> list[int]:
    """Add the new words of a block to `kept`; return their rows in the block."""
    rows = []
    for row, word in enumerate(block.words):
        if word in kept:
            counts["duplicates"] += 1
        elif not word or "\n" in word:
            counts["unusable_words"] += 1
        else:
            kept[word] = None
            rows.append(row)
            if len(kept) == limit:
                break
    return rows


def _keep_all(block: VectorBlock, kept: dict[str, None]) -> list[int]:
    """Keep every row, because each belongs to the token of its number; tokens are different."""
    kept.update(dict.fromkeys(block.words))
    return list(range(len(block.words)))


def _write_header(file: BinaryIO, rows: int, dim: int) -> None:
    """Write the header of a .npy, which NumPy pads so that a larger number of rows still fits."""
    header = {"descr": "<f4", "fortran_order": False, "shape": (rows, dim)}
    np.lib.format.write_array_header_1_0(file, header)


def _show_progress(stream: VectorStream) -> Iterator[VectorBlock]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress  # costs a tenth of a second, and only progress bars need it

    with Progress(transient=True, console=Console(stderr=True)) as bar:
        task = bar.add_task(escape(f"Reading {escape_line(stream.path.name)}"), total=stream.size)
        for block in stream.blocks:
            bar.update(task, completed=stream.position())
            yield block


def check_output(output: Path) -> None:
    """Refuse to write over anything but an earlier import, or a training of vectors that has not ended.

    Raises:
        SourceError: `output` is a file, or a folder with other content.
    """
    if not output.exists() or (output / TABLE).is_file():
        return
    if not output.is_dir() or {path.name for path in output.iterdir()} - {LOCK, UNFINISHED}:
        raise SourceError(f"{output}: exists and is no imported vector folder; name another output, or remove it")


def write_folder(stream: VectorStream, output: Path, *, limit: int | None = None, progress: bool = False) -> None:
    """Write a table into a temporary folder beside `output`, then rename it.

    Raises:
        SourceError: `output` is no earlier import, or the stream is broken.
        DiskError: the disk has no room, or refuses.
    """
    check_output(output)
    with guard_writing(output, stream.estimate_size(limit), way="make room, or name another folder"):
        _write_folder(stream, output, limit=limit, progress=progress)


def _write_folder(stream: VectorStream, output: Path, *, limit: int | None, progress: bool) -> None:
    temporary = output.parent / f".{output.name}.{os.getpid()}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)

        with (temporary / VECTORS).open("wb") as file:
            words = store_rows(stream, file, limit=limit, progress=progress)
        if stream.reader:
            (temporary / TOKENIZER).write_text(stream.reader.backend.to_str(), encoding="utf-8")
        else:
            (temporary / WORDS).write_bytes("\n".join(words).encode())
        if stream.subwords:
            with (temporary / NGRAMS).open("wb") as file:
                write_ngrams(stream.subwords, stream.path, file)

        # The description comes last: with it the folder counts as an import.
        description = _describe(temporary, stream, len(words))
        (temporary / TABLE).write_text(json.dumps(description, indent=2) + "\n")
        _replace(temporary, output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_ngrams(subwords: Subwords, path: Path, file: BinaryIO | None) -> None:
    """Check all n-gram vectors, and write them as a .npy unless `file` is None.

    Raises:
        SourceError: the vector of a bucket is not finite.
    """
    if file:
        _write_header(file, *subwords.ngrams.shape)
    for start in range(0, len(subwords.ngrams), NGRAM_ROWS):
        rows = np.ascontiguousarray(subwords.ngrams[start : start + NGRAM_ROWS], dtype="<f4")
        bad = _find_broken(rows)
        if len(bad):
            raise SourceError(f"{path}, n-gram bucket {start + bad[0]}: the vector holds NaN or infinity")
        if file:
            file.write(rows.data)


def _describe(folder: Path, stream: VectorStream, count: int) -> dict[str, object]:
    """Describe the table for table.json; every file of the folder is flushed to the disk on the way."""
    digests = {}
    for path in sorted(folder.iterdir()):
        flush(path)
        digests[path.name] = hash_file(path)
    subwords = stream.subwords
    return {
        "format": FORMAT,
        "version": VERSION,
        "source": stream.path.name,
        "count": count,
        "dim": stream.dim,
        "subwords": subwords
        and {
            "min_n": subwords.min_n,
            "max_n": subwords.max_n,
            "buckets": len(subwords.ngrams),
            "hashing": subwords.settings,
        },
        "tokens": stream.reader and {"drops_unknown": stream.reader.drops_unknown},
        "counts": dict(+stream.counts),
        **({"adapted": [asdict(one) for one in stream.adapted]} if stream.adapted else {}),
        "sha256": digests,
    }


def _replace(temporary: Path, output: Path) -> None:
    """Rename `temporary` to `output`; an earlier import is moved aside first and removed last."""
    old = temporary.with_suffix(".old")
    if output.exists():
        output.rename(old)
    temporary.rename(output)
    shutil.rmtree(old, ignore_errors=True)
