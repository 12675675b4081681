"""Read vectors from binary files: word2vec .bin, fastText .bin, and .npy arrays with a file of words beside them."""

import mmap
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nlp_transfer.errors import SourceError
from nlp_transfer.sources.vectors.fasttext import Subwords
from nlp_transfer.sources.vectors.stream import BLOCK, ROWS, VectorBlock, VectorStream, check_header, stream_rows
from nlp_transfer.system.arrays import map_array

MAX_WORD = 1 << 16  # bytes of a word
FASTTEXT_MAGIC = struct.pack("<i", 793712314)
FASTTEXT_HEADER = struct.Struct("<14id")
TINY = np.finfo(float).tiny  # a float that two small whole numbers make is smaller
FASTTEXT_DICTIONARY = struct.Struct("<3iqq")
FASTTEXT_MATRIX = struct.Struct("<?qq")
END_OF_SENTENCE = "</s>"  # the only word for which fastText makes no n-grams


def read_word2vec(file: BinaryIO, path: Path, *, count: int, dim: int, counts: Counter[str]) -> Iterator[VectorBlock]:
    """Read `count` rows from behind the header; a row is a word, a space and d little-endian float32.

    Raises:
        SourceError: the file ends early, goes on behind the last row, or holds something else.
    """
    width, buffer, at = 4 * dim, b"", 0  # `at` is where the next row starts in the buffer
    words: list[str] = []
    rows: list[bytes] = []

    for row in range(1, count + 1):
        # Read until the buffer holds a whole row.
        space = buffer.find(b" ", at)
        while space < 0 or len(buffer) <= space + width:
            chunk = file.read(BLOCK)
            if not chunk:
                raise SourceError(f"{path}: ends within row {row} of {count}; it is truncated, or its header is wrong")
            buffer, at = buffer[at:] + chunk, 0
            space = buffer.find(b" ")
            if space > MAX_WORD or (space < 0 and len(buffer) > MAX_WORD):
                raise SourceError(f"{path}: row {row} holds no word; this is no word2vec binary")

        words.append(_decode(buffer[at:space].lstrip(b"\n"), counts))
        rows.append(buffer[space + 1 : space + 1 + width])
        at = space + 1 + width

        if len(rows) == ROWS or row == count:
            vectors = np.frombuffer(b"".join(rows), dtype="<f4").reshape(-1, dim)
            yield VectorBlock(words, vectors, range(row - len(rows) + 1, row + 1))
            words, rows = [], []

    if (buffer[at:] + file.read(BLOCK)).strip():
        raise SourceError(f"{path}: goes on after the {count} rows that its header promises")


def _decode(word: bytes, counts: Counter[str]) -> str:
    """Decode a word. Published binaries hold a few words cut inside a character; these are escaped and counted."""
    try:
        return word.decode()
    except UnicodeDecodeError:
        counts["not_utf8"] += 1
        return word.decode(errors="backslashreplace")


def open_fasttext(path: Path) -> VectorStream:
    """Read an unsupervised fastText model; the vector of a word is the mean of its own row and the rows of its n-grams.

    Raises:
        SourceError: the file is truncated, quantized or supervised.
    """
    counts: Counter[str] = Counter()

    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            _, _, dim, *_, model, buckets, min_n, max_n, _, sampling = FASTTEXT_HEADER.unpack_from(data)
            if 0 < sampling < TINY:  # two more numbers stand before it, and are read for it
                raise SourceError(f"{path}: a model of floret; name the table that its save_floret_vectors writes")
            if model == 3:
                raise SourceError(
                    f"{path}: a supervised fastText classifier, not word vectors; use a cbow or skipgram model"
                )

            words, at = _read_dictionary(data, path, counts)
            quantized, rows, width = FASTTEXT_MATRIX.unpack_from(data, at)
        except struct.error:
            raise SourceError(f"{path}: ends within the fastText header; it is truncated") from None
        held = len(data) - at - FASTTEXT_MATRIX.size

    if quantized:
        raise SourceError(f"{path}: a quantized fastText model (.ftz); use the .bin it was made from")
    check_header(path, rows, width, needed=4 * rows * width, held=held)

    if width != dim or rows != len(words) + buckets or min(buckets, min_n, max_n) < 0:
        raise SourceError(
            f"{path}: {rows} x {width} numbers do not fit {len(words)} words and {buckets} n-grams of {dim}"
        )

    matrix = np.memmap(path, "<f4", "r", offset=at + FASTTEXT_MATRIX.size, shape=(rows, dim))
    subwords = Subwords(matrix[len(words) :], min_n, max_n) if buckets and max_n else None

    def take(first: int, last: int) -> np.ndarray:
        return _compose(matrix, words[first:last], first, len(words), subwords) if subwords else matrix[first:last]

    stream = stream_rows(path, words, dim, take, step=ROWS // 4 if subwords else ROWS)
    stream.counts, stream.subwords = counts, subwords
    return stream


def _read_dictionary(data: mmap.mmap, path: Path, counts: Counter[str]) -> tuple[list[str], int]:
    """Read the dictionary; return its words, and the position behind it."""
    size, _, labels, _, pruned = FASTTEXT_DICTIONARY.unpack_from(data, FASTTEXT_HEADER.size)
    at = FASTTEXT_HEADER.size + FASTTEXT_DICTIONARY.size
    if labels or pruned > 0:
        raise SourceError(f"{path}: a supervised or pruned fastText model; use a plain cbow or skipgram .bin")
    words = []
    for row in range(1, size + 1):
        end = data.find(b"\0", at, at + MAX_WORD)
        if end < 0:
            raise SourceError(f"{path}: the dictionary ends at word {row} of {size}; it is truncated")
        words.append(_decode(data[at:end], counts))
        at = end + 10  # behind the NUL that ends the word, its count (int64) and its kind (int8)
    return words, at


def open_array(path: Path) -> VectorStream:
    """Read a .npy of shape (n, d) whose words lie in a file beside it.

    Raises:
        SourceError: not a matrix of floats, no words beside it, or not one for each row.
    """
    try:
        array = map_array(path)
    except ValueError as error:
        raise SourceError(f"{path}: not a readable .npy: {error}") from None
    if array.ndim != 2 or array.dtype.kind != "f" or 0 in array.shape:
        raise SourceError(f"{path}: expected floats of shape (words, dimension), received {array.dtype} {array.shape}")

    words = _read_words_beside(path, len(array))
    stream = stream_rows(path, words, array.shape[1], lambda first, last: array[first:last])
    if array.dtype == np.float32:
        stream.mapped = array
    return stream


def _read_words_beside(path: Path, count: int) -> list[str]:
    """Read the words of X.npy from X.txt, X.words, X.vocab (`word` or `word count`), or a parquet column `index`."""
    for suffix in (".txt", ".words", ".vocab"):
        beside = path.with_suffix(suffix)
        if not beside.is_file():
            continue

        try:
            text = beside.read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = beside.read_bytes()[: error.start].count(b"\n") + 1
            raise SourceError(f"{beside}:{line}: not UTF-8; convert it with iconv") from None

        words = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
        if suffix == ".vocab" and all(word.rpartition(" ")[2].isdecimal() for word in words):
            words = [word.rpartition(" ")[0] or word for word in words]

        if len(words) != count:
            raise SourceError(
                f"{beside}: {len(words)} words for the {count} rows of {path.name}; one word a line is needed"
            )
        return words

    # A parquet of the same name, or else the only one in the folder.
    tables = (
        [path.with_suffix(".parquet")] if path.with_suffix(".parquet").is_file() else [*path.parent.glob("*.parquet")]
    )
    if len(tables) != 1:
        raise SourceError(f"{path}: no words beside it; put them, one a line, in {path.with_suffix('.txt').name}")
    return _read_parquet_words(tables[0], path, count)


def _read_parquet_words(beside: Path, path: Path, count: int) -> list[str]:
    import pyarrow as pa  # slow to import, and only this format needs it
    import pyarrow.parquet as pq

    try:
        parquet = pq.ParquetFile(beside)
        if "index" not in parquet.schema_arrow.names or parquet.metadata.num_rows != count:
            raise SourceError(f"{beside}: expected {count} words in a column 'index' for the rows of {path.name}")
        column = parquet.read(["index"]).column("index")
    except pa.ArrowInvalid as error:
        raise SourceError(f"{beside}: not a readable parquet file: {error}") from None

    if column.null_count or column.type not in {pa.string(), pa.large_string()}:
        raise SourceError(f"{beside}: the column 'index' holds something else than words")
    words: list[str] = column.to_pylist()
    return words


def _compose(matrix: np.ndarray, words: list[str], start: int, total: int, subwords: Subwords) -> np.ndarray:
    """Average each word's own row, from `start` on, with the rows of its n-grams; (k, d) float32.

    The matrix holds the rows of all `total` words first, then those of the n-grams.
    """
    rows: list[int] = []
    firsts = []
    for row, word in enumerate(words, start):
        firsts.append(len(rows))
        rows.append(row)
        if word != END_OF_SENTENCE:
            rows += [total + i for i in subwords.list_ids(word)]

    with np.errstate(over="ignore", invalid="ignore"):  # an overflow is refused later, with its row
        sums: np.ndarray = np.add.reduceat(matrix[rows], firsts, axis=0)
    sizes = np.diff([*firsts, len(rows)]).astype(np.float32)
    return np.asarray(sums / sizes[:, None])
