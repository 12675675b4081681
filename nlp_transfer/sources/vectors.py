"""Tables of static word vectors: open any vector file, or import it once and memory-map it from then on.

    nlp-transfer vectors import glove.840B.300d.txt glove-840b
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from nlp_transfer.errors import SourceError
from nlp_transfer.sources.fasttext import Subwords
from nlp_transfer.sources.vector_binary import ROWS
from nlp_transfer.sources.vector_readers import open_stream
from nlp_transfer.sources.vector_stream import Batch, VectorStream

VECTORS, WORDS, NGRAMS, DESCRIPTION = "vectors.npy", "words.txt", "ngrams.npy", "table.json"
FORMAT, VERSION = "nlp-transfer vectors", 1


@dataclass(frozen=True, eq=False)
class VectorTable:
    """Words and their vectors.

    Attributes:
        name: how the user named it: the name of the file or folder.
        words: n different words, in file order.
        vectors: (n, d) float32, memory-mapped and read-only where it came from a file.
        subwords: n-gram vectors for unknown words; fastText models only.
        counts: policies applied while reading, for example `{"duplicates": 3}`.
    """

    name: str
    words: Sequence[str]
    vectors: np.ndarray
    subwords: Subwords | None = None
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return int(self.vectors.shape[1])

    @cached_property
    def _rows(self) -> dict[str, int]:
        return dict(zip(self.words, range(len(self.words)), strict=True))

    def find(self, words: Sequence[str]) -> np.ndarray:
        """The row of each word, exactly as written, or -1; (len(words),) int64."""
        rows = self._rows
        return np.array([rows.get(word, -1) for word in words], dtype=np.int64)

    def head(self, n: int) -> "VectorTable":
        """The first `n` rows, without copying them."""
        return replace(self, words=self.words[:n], vectors=self.vectors[:n])

    def select(self, rows: Sequence[int] | np.ndarray) -> "VectorTable":
        """The given rows, in the given order, copied."""
        rows = np.asarray(rows, dtype=np.int64)
        return replace(self, words=[self.words[row] for row in rows], vectors=np.array(self.vectors[rows]))


def tokenize_words(text: str, *, lowercase: bool = True) -> list[str]:
    """Split text at whitespace and around every punctuation mark: the rule of BERT and of our own tokenizers."""
    pre_tokenizer, normalizer = _splitter()
    if lowercase:
        text = normalizer.normalize_str(text)
    return [word for word, _ in pre_tokenizer.pre_tokenize_str(text)]


def open_vectors(path: Path, *, limit: int | None = None) -> VectorTable:
    """Open an imported folder, or any vector file by its content.

    An imported folder and a float32 .npy are memory-mapped; every other format is read once into an unnamed temporary
    file, so that memory stays bounded. Of a word that appears twice the first row wins.

    Args:
        path: the folder or file.
        limit: use only this many words, from the top.

    Raises:
        SourceError: missing, of no known format, broken, with numbers that are not finite, or a pickle.
    """
    path = Path(path)
    _check_limit(limit)
    if path.is_dir():
        table = _open_folder(path)
        return table if limit is None else table.head(limit)
    with open_stream(path) as stream:
        if stream.mapped is not None:
            words = _store(stream, None, limit=limit)
            if not stream.counts.total():
                return VectorTable(path.name, words, stream.mapped[: len(words)])
    with open_stream(path) as stream, tempfile.TemporaryFile() as file:
        words = _store(stream, file, limit=limit)
        file.flush()
        _check_ngrams(stream)
        vectors = np.memmap(file, np.float32, "r", offset=file.tell() - 4 * len(words) * stream.dim).reshape(-1, stream.dim)
        return VectorTable(path.name, words, vectors, stream.subwords, dict(+stream.counts))


def import_vectors(path: Path, output: Path, *, limit: int | None = None, progress: bool = False) -> VectorTable:
    """Convert a vector file once into a folder that opens at once.

    The folder appears complete or not at all, and replaces an earlier import of the same name.

    Args:
        path: any file that `open_vectors` takes.
        output: folder for `vectors.npy`, `words.txt`, `table.json` and, for fastText, `ngrams.npy`.
        limit: keep only this many words, from the top.
        progress: show a progress bar.

    Raises:
        SourceError: as `open_vectors`, or `output` is something else than an imported folder.
    """
    path, output = Path(path), Path(output)
    _check_limit(limit)
    check_output(output)
    if path.is_dir():
        write_table(_open_folder(path), output, limit=limit, progress=progress)
    else:
        with open_stream(path) as stream:
            _write(stream, output, limit=limit, progress=progress)
    return open_vectors(output)


def check_output(output: Path) -> None:
    """Refuse a place that holds anything but an imported table.

    Raises:
        SourceError: a file, or a folder of other things.
    """
    if not output.exists() or (output / DESCRIPTION).is_file():
        return
    if not output.is_dir() or any(output.iterdir()):
        raise SourceError(f"{output}: exists and is no imported vector folder; name another output, or remove it")


def write_table(table: VectorTable, output: Path, *, limit: int | None = None, progress: bool = False) -> None:
    """Write a table as an imported folder."""
    done = 0

    def batches() -> Iterator[Batch]:
        nonlocal done
        for start in range(0, len(table.words), ROWS):
            words = table.words[start : start + ROWS]
            done = start + len(words)
            yield Batch(words, table.vectors[start:done], range(start + 1, done + 1))

    stream = VectorStream(Path(table.name), table.dim, batches(), "row", len(table.words), lambda: done)
    stream.subwords = table.subwords
    stream.counts.update(table.counts)
    _write(stream, output, limit=limit, progress=progress)
