"""Open the vectors of a spaCy model: rows in `vectors`, their keys in `key2row`, the words of these in `strings.json`.

The layout: https://spacy.io/api/vectors#to_disk. A key is the hash of a word, or the number of one of spaCy's symbols.
"""

import json
import re
import struct
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlp_transfer.errors import SourceError
from nlp_transfer.sources.vectors.floret import open_hashed
from nlp_transfer.sources.vectors.shared import SharedRows
from nlp_transfer.sources.vectors.stream import VectorStream
from nlp_transfer.system.arrays import map_array

VECTORS, KEYS, STRINGS, SETTINGS = "vectors", "key2row", "strings.json", "vectors.cfg"
MULTIPLIER, SHIFT, SEED = np.uint64(0xC6A4A7935BD1E995), np.uint64(47), 1  # of MurmurHash64A, as spaCy calls it
# A whole number in MessagePack (https://github.com/msgpack/msgpack): itself, or a mark and then 1, 2, 4 or 8 bytes.
NUMBER = re.compile(rb"[\x00-\x7f]|\xcc.|\xcd..|\xce.{4}|\xcf.{8}", re.DOTALL)
MAPS = {0xDE: struct.Struct(">H"), 0xDF: struct.Struct(">I")}
SYMBOLS = {  # the first number of a run -> words that have a number instead of a hash, from spacy/symbols.pyx
    64: "ID ORTH LOWER NORM SHAPE PREFIX SUFFIX LENGTH CLUSTER LEMMA POS TAG DEP",
    79: "HEAD",
    81: "SPACY PROB LANG ADJ ADP ADV AUX CONJ CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X EOL SPACE",
    380: "PERSON NORP FACILITY ORG GPE LOC PRODUCT EVENT",
    389: "LANGUAGE LAW DATE TIME PERCENT MONEY QUANTITY ORDINAL CARDINAL",
    398: "acomp advcl advmod agent amod appos attr aux auxpass cc ccomp complm conj cop csubj csubjpass dep det dobj "
    "expl hmod hyph infmod intj iobj mark meta neg nmod nn npadvmod nsubj nsubjpass num number oprd obj obl parataxis "
    "partmod pcomp pobj poss possessive preconj prep prt punct quantmod relcl rcmod root xcomp acl",
    453: "MORPH",
    455: "IDX _",
}


def find_spacy(path: Path) -> Path | None:
    """Find the folder of vectors in a package, a model or a `vocab` folder of spaCy, or beside its file `vectors`.

    Raises:
        SourceError: there are several to choose from.
    """
    if path.is_file():
        return path.parent if path.name == VECTORS and (path.parent / KEYS).is_file() else None
    for places in ([path], [path / "vocab"], sorted(path.glob("*/vocab"))):
        found = [one for one in places if (one / VECTORS).is_file() and (one / KEYS).is_file()]
        if len(found) > 1:
            raise SourceError(f"{path}: holds several models of spaCy; name one, such as {found[0].parent}")
        if found:
            return found[0]
    return None


def open_spacy(folder: Path) -> tuple[list[str], SharedRows, Counter[str]] | None:
    """Read the words of a folder in the order of its keys, and their vectors; several words may share a row.

    Keys whose word `strings.json` does not tell are left out, and counted as `keys_without_word`; so are words that no
    list of words holds, as `unusable_words`.

    Returns:
        None if the vectors are those of floret, which belong to no words.

    Raises:
        SourceError: a file is missing or damaged.
    """
    if _read_settings(folder / SETTINGS).get("mode") == "floret":
        return None
    matrix = _map_rows(folder / VECTORS)
    keys, rows = _read_keys(folder / KEYS)
    if len(rows) and rows.max() >= len(matrix):
        raise SourceError(f"{folder / KEYS}: names row {rows.max()}, and {VECTORS} holds {len(matrix)}")

    words, known = _find_words(keys, _read_strings(folder / STRINGS))
    usable = known & (words != "")
    if not usable.any():
        raise SourceError(f"{folder / KEYS}: {len(keys)} keys, and {STRINGS} tells the word of none")
    counts = Counter(keys_without_word=int((~known).sum()), unusable_words=int((known & ~usable).sum()))
    return words[usable].tolist(), SharedRows(matrix, rows[usable]), +counts


def open_parts(folder: Path) -> VectorStream:
    """Read vectors of floret, which `open_spacy` does not.

    Raises:
        SourceError: a file is missing or damaged.
    """
    settings = folder / SETTINGS
    return open_hashed(folder / VECTORS, _map_rows(folder / VECTORS), settings, _read_settings(settings))


def _map_rows(path: Path) -> np.ndarray:
    try:
        matrix = map_array(path)
    except ValueError as error:
        raise SourceError(f"{path}: not readable: {error}") from None
    if matrix.ndim != 2 or matrix.dtype.kind != "f" or 0 in matrix.shape:
        raise SourceError(f"{path}: expected floats of shape (rows, dimension), received {matrix.dtype} {matrix.shape}")
    return matrix


def _find_words(keys: np.ndarray, strings: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Find the word of each key, (n,), empty if it has several lines, and whether anything tells it, (n,) bool."""
    hashes = hash_words(strings)
    order, asked = np.argsort(hashes), np.argsort(keys)  # both in order, which is searched in a third of the time
    found = np.empty(len(keys), np.int64)
    found[asked] = np.searchsorted(hashes[order], keys[asked])
    found = np.append(order, len(strings))[found]  # that of a key beyond the largest hash is behind the last
    known = np.append(hashes, np.uint64(0))[found] == keys
    listed = np.array([*strings, ""], dtype=object)
    listed[[at for at, string in enumerate(strings) if "\n" in string]] = ""
    words = listed[found]

    symbols = {start + i: word for start, run in SYMBOLS.items() for i, word in enumerate(run.split())}
    for at in np.flatnonzero(keys <= max(symbols)).tolist():
        if (word := symbols.get(int(keys[at]))) is not None:
            words[at], known[at] = word, True
    return words, known


def hash_words(words: Sequence[str]) -> np.ndarray:
    """Hash each word as spaCy does, (n,) uint64: MurmurHash64A (Austin Appleby, MurmurHash2.cpp) of its UTF-8.

    Words of one length are hashed together, eight bytes at a time.
    """
    data = np.frombuffer("\0".join([*words, ""]).encode(errors="surrogatepass"), np.uint8)
    ends = np.flatnonzero(data == 0)
    if len(ends) != len(words):  # a word holds such a mark itself
        ends = np.cumsum([len(word.encode(errors="surrogatepass")) + 1 for word in words]) - 1
    starts = np.append(0, ends[:-1] + 1)
    lengths = ends - starts
    hashes = np.empty(len(words), dtype=np.uint64)

    order = np.argsort(lengths, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1) if len(words) else []:
        length = int(lengths[same[0]])
        padded = np.zeros((len(same), -(-length // 8) * 8), dtype=np.uint8)
        padded[:, :length] = data[starts[same][:, None] + np.arange(length)]
        hashes[same] = _hash_blocks(padded.view("<u8"), length)
    return hashes


def _hash_blocks(blocks: np.ndarray, length: int) -> np.ndarray:
    """Hash rows of `length` bytes, which are padded with zeros to whole numbers of eight bytes."""
    with np.errstate(over="ignore"):
        value = np.full(len(blocks), np.uint64(SEED) ^ (np.uint64(length) * MULTIPLIER))
        for block in blocks.T[: length // 8]:
            mixed = block * MULTIPLIER
            mixed ^= mixed >> SHIFT
            value = (value ^ mixed * MULTIPLIER) * MULTIPLIER
        if length % 8:
            value = (value ^ blocks[:, -1]) * MULTIPLIER
        value ^= value >> SHIFT
        value = value * MULTIPLIER
        return np.asarray(value ^ value >> SHIFT)


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:  # older versions write none
        return {}
    except (ValueError, TypeError, RecursionError) as error:
        raise SourceError(f"{path}: not readable: {error!s:.200}") from None


def _read_keys(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a map of whole numbers in MessagePack: n keys, (n,) uint64, and the row of each, (n,) int64."""
    data = path.read_bytes()
    try:
        count, at = _read_count(data)
    except (IndexError, KeyError, struct.error):
        count, at = 0, len(data) + 1
    found = NUMBER.findall(data, at)
    lengths = np.fromiter(map(len, found), np.int64, len(found))
    if at + lengths.sum() != len(data):
        raise SourceError(f"{path}: expected keys and rows, whole numbers in MessagePack; damaged or truncated")
    if len(found) != 2 * count:
        raise SourceError(f"{path}: {len(found)} numbers for {count} keys and their rows; damaged or truncated")

    packed, starts = np.frombuffer(data, np.uint8), at + np.cumsum(lengths) - lengths
    numbers = np.empty(len(found), np.uint64)
    for length in np.unique(lengths).tolist():
        chosen = np.flatnonzero(lengths == length)
        digits = packed[starts[chosen][:, None] + np.arange(min(1, length - 1), length)]  # without the mark
        numbers[chosen] = digits.view(f">u{digits.shape[1]}").ravel()
    return numbers[::2], numbers[1::2].astype(np.int64)


def _read_count(data: bytes) -> tuple[int, int]:
    """Read how many pairs a map in MessagePack has, and where they start; raise KeyError if it is none."""
    if data[0] & 0xF0 == 0x80:
        return data[0] & 0x0F, 1
    form = MAPS[data[0]]
    return form.unpack_from(data, 1)[0], 1 + form.size


def _read_strings(path: Path) -> list[str]:
    try:
        strings = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceError(f"{path}: missing; without it nobody knows the words of the vectors beside it") from None
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path}: not readable: {error!s:.200}") from None
    if not isinstance(strings, list) or not set(map(type, strings)) <= {str}:
        raise SourceError(f"{path}: expected a list of words")
    return strings
