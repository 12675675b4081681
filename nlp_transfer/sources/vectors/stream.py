"""What every reader of vector files gives: batches of words and rows, each row with its place in the file."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nlp_transfer.errors import SourceError
from nlp_transfer.sources.vectors.fasttext import Subwords

BLOCK = 1 << 22  # bytes read at a time
ROWS = 4096  # rows in a batch where they are counted
MAX_DIM = 1 << 16  # wider rows do not exist; a larger number is a broken header


@dataclass(frozen=True)
class Batch:
    """Consecutive rows of a file.

    Attributes:
        words: k words.
        vectors: (k, d) float32.
        places: the line or row number of each, from 1.
    """

    words: Sequence[str]
    vectors: np.ndarray
    places: Sequence[int]


@dataclass
class VectorStream:
    """A vector file being read once, in bounded memory.

    Attributes:
        path: the file.
        dim: numbers in a row.
        batches: its rows, in file order.
        unit: what `Batch.places` counts, `line` or `row`.
        size: the end of `position`, for the progress bar.
        position: how far the reading has come.
        counts: policies applied while reading, such as `blank_lines`.
        subwords: the n-gram vectors of a fastText model.
        mapped: all rows as one float32 memory map, where the file is one.
        rows: how many there are, where the file says so.
    """

    path: Path
    dim: int
    batches: Iterator[Batch]
    unit: str
    size: int
    position: Callable[[], int]
    counts: Counter[str] = field(default_factory=Counter)
    subwords: Subwords | None = None
    mapped: np.ndarray | None = None
    rows: int | None = None

    def needed(self, limit: int | None = None) -> int | None:
        """Bytes of its vectors, of at most `limit` words; None where the file does not say how many there are."""
        if self.rows is None:
            return None
        grams = self.subwords.ngrams.nbytes if self.subwords else 0
        return 4 * self.dim * min(self.rows, limit or self.rows) + grams

    def at(self, place: int) -> str:
        """Name a place for a message: `file.txt:12`, or `file.bin, row 12`."""
        return f"{self.path}:{place}" if self.unit == "line" else f"{self.path}, row {place}"


def check_header(path: Path, count: int, dim: int, *, needed: int, held: int) -> None:
    """Refuse a header before anything is allocated for it.

    Args:
        path: the file, for the message.
        count: rows promised.
        dim: numbers a row promised.
        needed: fewest bytes that such a table takes.
        held: most bytes that the file can hold.

    Raises:
        SourceError: a count that is not positive, or more than the file can hold.
    """
    if count < 1 or not 1 <= dim <= MAX_DIM:
        raise SourceError(f"{path}: the header promises {count} x {dim} vectors; this is no vector file")
    if needed > held:
        raise SourceError(
            f"{path}: the header promises {count} x {dim} vectors, at least {needed:,} bytes, but the file can hold "
            f"{held:,}; it is truncated, or its header is wrong"
        )
