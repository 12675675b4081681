"""Define what every reader of vector files yields: blocks of words and vectors, with their places in the file."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nlp_transfer.errors import SourceError
from nlp_transfer.sources.vectors.fasttext import Subwords
from nlp_transfer.sources.vectors.token_table import TokenReader

BLOCK = 1 << 22  # bytes to read at once
ROWS = 4096  # rows in a block, for formats that count rows
MAX_DIM = 1 << 16  # no vectors are wider; a larger number means a broken header


@dataclass(frozen=True)
class VectorBlock:
    """Hold consecutive rows of a file.

    Attributes:
        words: k words.
        vectors: (k, d) float32.
        places: the line or row number of each word, counted from 1.
    """

    words: Sequence[str]
    vectors: np.ndarray
    places: Sequence[int]


@dataclass(frozen=True)
class Adapted:
    """Say on what a table was adapted, how, and what came of it, as its table.json keeps it.

    Attributes:
        source: the table before.
        texts: where the texts came from.
        sha256: of their words.
        settings: of the training.
        figures: what is told of the result.
    """

    source: str
    texts: str
    sha256: str
    settings: Mapping[str, Any]
    figures: Mapping[str, Any]


@dataclass
class VectorStream:
    """Read a vector file once, in bounded memory.

    Attributes:
        path: the file.
        dim: numbers in a row.
        blocks: the rows, in file order.
        unit: what `VectorBlock.places` counts, `line` or `row`.
        size: the value of `position` at the end, for the progress bar.
        position: returns how far the reading has come.
        counts: how often a policy applied while reading, such as `blank_lines`.
        subwords: the n-gram vectors of a fastText model.
        mapped: all rows as one float32 memory map, if the file can be mapped.
        rows: the number of rows, if the file states it.
        reader: how texts are read if the rows belong to the tokens of a tokenizer; then every row is kept in its place.
        adapted: how the table came about, one step after the other, if it was trained on further texts.
    """

    path: Path
    dim: int
    blocks: Iterator[VectorBlock]
    unit: str
    size: int
    position: Callable[[], int]
    counts: Counter[str] = field(default_factory=Counter)
    subwords: Subwords | None = None
    mapped: np.ndarray | None = None
    rows: int | None = None
    reader: TokenReader | None = None
    adapted: Sequence[Adapted] = ()

    def estimate_size(self, limit: int | None = None) -> int | None:
        """Compute the bytes of the vectors of at most `limit` words; None if the file does not state its rows."""
        if self.rows is None:
            return None
        grams = self.subwords.ngrams.nbytes if self.subwords else 0
        return 4 * self.dim * min(self.rows, limit or self.rows) + grams

    def name_place(self, place: int) -> str:
        """Name a place for a message: `file.txt:12`, or `file.bin, row 12`."""
        return f"{self.path}:{place}" if self.unit == "line" else f"{self.path}, row {place}"


def stream_rows(
    path: Path, words: list[str], dim: int, take: Callable[[int, int], np.ndarray], *, step: int = ROWS
) -> VectorStream:
    """Stream rows that can be had in any order: `take(first, last)` gives those of `words[first:last]`, (k, dim)."""
    done = 0

    def yield_blocks() -> Iterator[VectorBlock]:
        nonlocal done  # read by the progress bar
        for start in range(0, len(words), step):
            part = words[start : start + step]
            done = start + len(part)
            with np.errstate(over="ignore"):  # an overflow becomes infinite, and is refused later with its row
                vectors = take(start, done).astype(np.float32)
            yield VectorBlock(part, vectors, range(start + 1, done + 1))

    return VectorStream(path, dim, yield_blocks(), "row", len(words), lambda: done, rows=len(words))


def check_header(path: Path, count: int, dim: int, *, needed: int, held: int) -> None:
    """Refuse a header that cannot be true, before memory is allocated for it.

    Args:
        path: the file, for the message.
        count: the rows that it promises.
        dim: the numbers in a row that it promises.
        needed: the fewest bytes that such a table takes.
        held: the most bytes that the file can hold.

    Raises:
        SourceError: a number is not positive, or the file cannot hold so much.
    """
    if count < 1 or not 1 <= dim <= MAX_DIM:
        raise SourceError(f"{path}: the header promises {count} x {dim} vectors; this is no vector file")
    if needed > held:
        raise SourceError(
            f"{path}: the header promises {count} x {dim} vectors, at least {needed:,} bytes, but the file can hold "
            f"{held:,}; it is truncated, or its header is wrong"
        )
