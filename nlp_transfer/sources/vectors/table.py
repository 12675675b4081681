"""Open tables of static word vectors: any vector file, or a folder imported from one, which opens at once.

nlp-transfer vectors import glove.840B.300d.txt glove-840b
"""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from tokenizers import normalizers, pre_tokenizers

from nlp_transfer.data.text.scripts import compose
from nlp_transfer.errors import SourceError
from nlp_transfer.sources.vectors.fasttext import Hashing, Subwords
from nlp_transfer.sources.vectors.formats import open_stream
from nlp_transfer.sources.vectors.pieces import read_pieces
from nlp_transfer.sources.vectors.shared import SharedRows
from nlp_transfer.sources.vectors.spacy_folder import find_spacy, open_spacy
from nlp_transfer.sources.vectors.store import (
    FORMAT,
    NGRAMS,
    TOKENIZER,
    VECTORS,
    VERSION,
    WORDS,
    check_output,
    store_rows,
    write_folder,
    write_ngrams,
)
from nlp_transfer.sources.vectors.stream import ROWS, Adapted, VectorBlock, VectorStream
from nlp_transfer.sources.vectors.token_table import TokenReader, find_tensors, open_token_table
from nlp_transfer.system.arrays import map_array
from nlp_transfer.system.layout import TABLE
from nlp_transfer.system.room import guard_temporary

SPLITTER, LOWERCASE = pre_tokenizers.BertPreTokenizer(), normalizers.Lowercase()
LOOKUPS = 1000  # words to look up at once; for more, one pass over the table is faster than its dictionary


@dataclass(frozen=True, eq=False)
class VectorTable:
    """Hold words and their vectors.

    Attributes:
        name: the name of the file or folder that the user gave.
        words: n different words, in file order; none of a table of floret.
        vectors: (n, d) float32, memory-mapped and read-only if they come from a file; or `SharedRows`.
        subwords: n-gram vectors for unknown words, of fastText; or for all words, of floret.
        counts: how often a policy applied while reading, for example `{"duplicates": 3}`.
        reader: how texts are read if the rows belong to the tokens of a tokenizer; `words` are then those tokens.
        adapted: how the table came about, one step after the other, if it was trained on further texts.
        checked: whether all numbers were looked at as they were read; see `refuse_broken`.
    """

    name: str
    words: Sequence[str]
    vectors: np.ndarray
    subwords: Subwords | None = None
    counts: dict[str, int] = field(default_factory=dict)
    reader: TokenReader | None = None
    checked: bool = True
    adapted: Sequence[Adapted] = ()

    def __repr__(self) -> str:
        """Show one line, because the words of a table would fill a book."""
        return f"VectorTable({self.name}: {len(self.words):,} words x {self.dim})"

    @property
    def dim(self) -> int:
        """The numbers in a vector."""
        return int(self.vectors.shape[1])

    @cached_property
    def _rows(self) -> dict[str, int]:
        return dict(zip(self.words, range(len(self.words)), strict=True))

    def refuse_broken(self) -> None:
        """Look at every number of a table that was opened without, before it is used.

        Raises:
            SourceError: a vector holds NaN or infinity.
        """
        vectors: Any = self.vectors
        fine = isinstance(vectors, SharedRows) and bool(np.isfinite(vectors.matrix.sum(dtype=np.float64)))
        if not self.checked and not fine:
            store_rows(_stream(self), None, limit=None)

    def find(self, words: Sequence[str]) -> np.ndarray:
        """Find the row of each word, exactly as written, or -1; (len(words),) int64."""
        if len(words) > LOOKUPS and "_rows" not in vars(self):
            # One pass over the table takes half the time of building its dictionary.
            wanted = set(words)
            rows = {word: row for row, word in enumerate(self.words) if word in wanted}
        else:
            rows = self._rows
        return np.array([rows.get(word, -1) for word in words], dtype=np.int64)

    def take_head(self, n: int) -> "VectorTable":
        """Take the first `n` rows, without copying them.

        Raises:
            SourceError: the rows are not of words, so that a text may need any of them.
        """
        self.refuse_choice()
        return replace(self, words=self.words[:n], vectors=self.vectors[:n])

    def refuse_choice(self) -> None:
        """Refuse to choose among rows that belong to parts of words.

        Raises:
            SourceError: see above.
        """
        if self.reader:
            raise SourceError(
                f"{self.name}: its rows belong to the tokens of its own tokenizer, any of which a text may need; take "
                "all of them (source.vocabulary: all, without a limit)"
            )

    def select(self, rows: Sequence[int] | np.ndarray) -> "VectorTable":
        """Copy the given rows, in the given order."""
        index = np.asarray(rows, dtype=np.int64)
        return replace(self, words=[self.words[row] for row in index], vectors=np.array(self.vectors[index]))


def tokenize_words(text: str, *, lowercase: bool = True) -> list[str]:
    """Split composed text at white space and around every punctuation mark, as BERT and our static tokenizers do."""
    text = compose(text)
    if lowercase:
        text = LOWERCASE.normalize_str(text)
    return [word for word, _ in SPLITTER.pre_tokenize_str(text)]


def open_vectors(path: Path, *, limit: int | None = None) -> VectorTable:
    """Open an imported folder, or any vector file by its content.

    An imported folder, a table of tokens, rows of spaCy and a float32 .npy are memory-mapped. Every other format is
    read once into an unnamed temporary file, so that memory stays bounded. If a word appears twice, its first row wins.
    The numbers of tables of tokens and of spaCy are looked at by `refuse_broken`.

    Args:
        path: the folder or file.
        limit: the number of words to use, from the top.

    Raises:
        SourceError: the file is missing, of unknown format, broken, a pickle, or holds numbers that are not finite.
        DiskError: the disk has no room for the temporary file.
    """
    path = Path(path)
    _check_limit(limit)
    if table := _open_at_once(path):
        return table if limit is None else table.take_head(limit)

    with open_stream(path) as stream:
        if stream.mapped is None:
            return _read(stream, limit)
        words = store_rows(stream, None, limit=limit)
        if not +stream.counts:
            return VectorTable(path.name, words, stream.mapped[: len(words)], reader=read_pieces(words))

    with open_stream(path) as stream:  # some rows must be left out, so the others are copied
        return _read(stream, limit)


def _open_at_once(path: Path) -> VectorTable | None:
    """Open an imported folder or a table of tokens; None for what is read row by row."""
    if not path.exists():
        return None  # the reader of files says so
    if (path / TABLE).is_file():
        return _open_folder(path)

    if folder := find_spacy(path):
        found = open_spacy(folder)
        if found is None:
            return None
        words, shared, counts = found
        return VectorTable(path.name, words, cast(np.ndarray, shared), counts=dict(counts), checked=False)
    if file := find_tensors(path):
        tokens, rows, reader = open_token_table(file)
        return VectorTable(path.name, tokens, rows, reader=reader, checked=False)
    return None


def _read(stream: VectorStream, limit: int | None) -> VectorTable:
    with guard_temporary(f"a copy of {stream.path}", stream.estimate_size(limit)), tempfile.TemporaryFile() as file:
        words = store_rows(stream, file, limit=limit)
        shape = (len(words), stream.dim)
        vectors = np.memmap(file, "<f4", "r", offset=file.tell(), shape=shape) if words else np.empty(shape, np.float32)
    if stream.subwords:
        write_ngrams(stream.subwords, stream.path, None)
    reader = None if stream.subwords else read_pieces(words)
    return VectorTable(stream.path.name, words, vectors, stream.subwords, dict(+stream.counts), reader)


def import_vectors(path: Path, output: Path, *, limit: int | None = None, progress: bool = False) -> VectorTable:
    """Convert a vector file once into a folder that opens at once.

    The folder is complete or absent, and replaces an earlier import of the same name.

    Args:
        path: anything that `open_vectors` takes.
        output: the folder for `vectors.npy`, `words.txt`, `table.json` and, for fastText, `ngrams.npy`.
        limit: the number of words to keep, from the top.
        progress: show a progress bar.

    Raises:
        SourceError: as `open_vectors`, or `output` is something else than an earlier import.
        DiskError: the disk has no room, or refuses.
    """
    path, output = Path(path), Path(output)
    _check_limit(limit)
    check_output(output)
    if table := _open_at_once(path):
        return write_table(table, output, limit=limit, progress=progress)
    with open_stream(path) as stream:
        write_folder(stream, output, limit=limit, progress=progress)
    return open_vectors(output)


def write_table(table: VectorTable, output: Path, *, limit: int | None = None, progress: bool = False) -> VectorTable:
    """Write a table as an imported folder, and open that folder.

    Raises:
        SourceError: `output` is something else than an earlier import, or a number is not finite.
        DiskError: the disk has no room, or refuses.
    """
    if limit is not None:
        table = table.take_head(limit)
    write_folder(_stream(table), output, progress=progress)
    return open_vectors(output)


def _stream(table: VectorTable) -> VectorStream:
    done = 0

    def yield_blocks() -> Iterator[VectorBlock]:
        nonlocal done  # read by the progress bar
        for start in range(0, len(table.words), ROWS):
            words = table.words[start : start + ROWS]
            done = start + len(words)
            yield VectorBlock(words, np.asarray(table.vectors[start:done]), range(start + 1, done + 1))

    return VectorStream(
        path=Path(table.name),
        dim=table.dim,
        blocks=yield_blocks(),
        unit="row",
        size=len(table.words),
        position=lambda: done,
        counts=Counter(table.counts),
        subwords=table.subwords,
        rows=len(table.words),
        reader=table.reader,
        adapted=table.adapted,
    )


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise SourceError(f"limit: expected a count of words from 1, received {limit}")


def _open_folder(folder: Path) -> VectorTable:
    """Map an imported folder into memory; only sizes are checked, because the import has checked the numbers."""
    if not (folder / TABLE).is_file():
        raise SourceError(
            f"{folder}: a folder without {TABLE}; name a vector file, or import one with "
            "`nlp-transfer vectors import FILE OUT`"
        )

    try:
        description = json.loads((folder / TABLE).read_text(encoding="utf-8"))
        if (description["format"], description["version"]) != (FORMAT, VERSION):
            raise SourceError(f"{folder / TABLE}: not '{FORMAT}' version {VERSION}; import the vectors again")
        counts = {str(key): int(count) for key, count in description["counts"].items()}
        adapted = [Adapted(**one) for one in description.get("adapted", [])]
        shape = (int(description["count"]), int(description["dim"]))

        subwords = None
        if ngrams := description["subwords"]:
            rows = _map(folder / NGRAMS, (int(ngrams["buckets"]), shape[1]))
            hashing = Hashing(**ngrams["hashing"]) if ngrams.get("hashing") else None
            subwords = Subwords(rows, int(ngrams["min_n"]), int(ngrams["max_n"]), hashing)

        vectors = _map(folder / VECTORS, shape)
        if tokens := description.get("tokens"):
            reader = TokenReader.parse(folder / TOKENIZER, drops_unknown=bool(tokens["drops_unknown"]))
            return VectorTable(folder.name, reader.list_tokens(len(vectors)), vectors, reader=reader)
        text = (folder / WORDS).read_bytes().decode()
        words = text.split("\n") if text or shape[0] else []
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, OSError) as error:
        raise SourceError(f"{folder}: a damaged import ({error}); import the vectors again") from None

    if len(words) != shape[0]:
        raise SourceError(f"{folder / WORDS}: {len(words)} words for {shape[0]} rows; import the vectors again")
    pieces = None if subwords else read_pieces(words)
    return VectorTable(folder.name, words, vectors, subwords, counts, pieces, adapted=adapted)


def _map(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Map a .npy into memory, or raise ValueError if it is not float32 of that shape."""
    array = map_array(path)
    if array.shape != shape or array.dtype != np.float32:
        raise ValueError(f"{path.name} holds {array.dtype} {array.shape}, expected float32 {shape}")
    return array
