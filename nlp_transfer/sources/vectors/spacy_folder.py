"""Open the vectors of a spaCy model: rows in `vectors`, their keys in `key2row`, the words of these in `strings.json`.

The layout: https://spacy.io/api/vectors#to_disk. A key is the hash of a word, or the number of one of spaCy's symbols.
"""

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nlp_transfer.errors import SourceError
from nlp_transfer.sources.vectors.floret import open_hashed
from nlp_transfer.sources.vectors.stream import VectorStream, stream_rows
from nlp_transfer.system.arrays import map_array

VECTORS, KEYS, STRINGS, SETTINGS = "vectors", "key2row", "strings.json", "vectors.cfg"
MULTIPLIER, SHIFT, SEED = np.uint64(0xC6A4A7935BD1E995), np.uint64(47), 1  # of MurmurHash64A, as spaCy calls it
WHOLE = {  # the first byte of a whole number in MessagePack -> how it goes on; https://github.com/msgpack/msgpack
    0xCC: struct.Struct(">B"),
    0xCD: struct.Struct(">H"),
    0xCE: struct.Struct(">I"),
    0xCF: struct.Struct(">Q"),
}
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


def open_spacy(folder: Path) -> VectorStream:
    """Read the words of a folder in the order of its keys; several words may share a row. Vectors of floret have none.

    Keys whose word `strings.json` does not tell are left out, and counted as `keys_without_word`.

    Raises:
        SourceError: a file is missing or damaged.
    """
    path = folder / VECTORS
    settings = _read_settings(folder / SETTINGS)
    try:
        matrix = map_array(path)
    except ValueError as error:
        raise SourceError(f"{path}: not readable: {error}") from None
    if matrix.ndim != 2 or matrix.dtype.kind != "f" or 0 in matrix.shape:
        raise SourceError(f"{path}: expected floats of shape (rows, dimension), received {matrix.dtype} {matrix.shape}")

    if settings.get("mode") == "floret":
        return open_hashed(path, matrix, folder / SETTINGS, settings)
    keys, rows = _read_keys(folder / KEYS)
    if len(rows) and rows.max() >= len(matrix):
        raise SourceError(f"{folder / KEYS}: names row {rows.max()}, and {path.name} holds {len(matrix)}")
    strings = _read_strings(folder / STRINGS)
    names = dict(zip(hash_words(strings).tolist(), strings, strict=True))
    names |= {start + i: word for start, run in SYMBOLS.items() for i, word in enumerate(run.split())}

    known = [at for at, key in enumerate(keys) if key in names]
    if not known:
        raise SourceError(f"{folder / KEYS}: {len(keys)} keys, and {STRINGS} tells the word of none")
    rows = rows[known]

    def take(first: int, last: int) -> np.ndarray:
        return np.asarray(matrix[rows[first:last]])

    stream = stream_rows(path, [names[keys[at]] for at in known], matrix.shape[1], take)
    stream.counts["keys_without_word"] = len(keys) - len(known)
    return stream


def hash_words(words: Sequence[str]) -> np.ndarray:
    """Hash each word as spaCy does, (n,) uint64: MurmurHash64A (Austin Appleby, MurmurHash2.cpp) of its UTF-8.

    Words of one length are hashed together, eight bytes at a time.
    """
    encoded = [word.encode(errors="surrogatepass") for word in words]
    lengths = np.array([len(word) for word in encoded], dtype=np.int64)
    hashes = np.empty(len(words), dtype=np.uint64)

    order = np.argsort(lengths, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1) if len(words) else []:
        length = int(lengths[same[0]])
        padded = np.zeros((len(same), -(-length // 8) * 8), dtype=np.uint8)
        padded[:, :length] = np.frombuffer(b"".join(encoded[i] for i in same), np.uint8).reshape(len(same), length)
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


def _read_keys(path: Path) -> tuple[list[int], np.ndarray]:
    """Read a map of whole numbers in MessagePack: n keys, and the row of each, (n,) int64."""
    data = path.read_bytes()
    try:
        count, at = _read_count(data)
        numbers = []
        while at < len(data):
            number, at = data[at], at + 1
            if number >= 0x80:
                form = WHOLE[number]
                (number,) = form.unpack_from(data, at)
                at += form.size
            numbers.append(number)
        rows = np.array(numbers[1::2], dtype=np.int64)
    except (IndexError, KeyError, OverflowError, struct.error):
        raise SourceError(
            f"{path}: expected keys and rows, whole numbers in MessagePack; damaged or truncated"
        ) from None

    if len(numbers) != 2 * count:
        raise SourceError(f"{path}: {len(numbers)} numbers for {count} keys and their rows; damaged or truncated")
    return numbers[::2], rows


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
    if not isinstance(strings, list) or not all(isinstance(one, str) for one in strings):
        raise SourceError(f"{path}: expected a list of words")
    return strings
