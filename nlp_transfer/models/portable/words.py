"""Find the row of a word that a vocabulary lacks: by another spelling, or by its character n-grams.

Self-contained on purpose, and without torch: a copy of this file travels with published and exported models.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any
from unicodedata import normalize

FNV_OFFSET, FNV_PRIME, MASK = 2166136261, 16777619, 0xFFFFFFFF
# fastText's C++ hashes signed characters, so bytes from 0x80 on are sign-extended before the xor.
SIGN_EXTENDED = tuple(byte if byte < 0x80 else byte | 0xFFFFFF00 for byte in range(256))
WIDE = 0xFFFFFFFFFFFFFFFF
MURMUR = (0x87C37B91114253D5, 0x4CF5AD432745937F)  # the factors of MurmurHash3


def look_up(
    word: str, find: Callable[[str], int | None], settings: Mapping[str, Any], *, lower: bool
) -> tuple[int | None, list[int]]:
    """Look an unknown word up once more: the id of a variant that is known, else the ids of its n-grams.

    Args:
        word: as it stands in the text.
        find: gives the id of a word in the vocabulary.
        settings: of a `StaticTokenizer`.
        lower: whether n-grams are those of the word in lower case.
    """
    word, hashing = normalize(settings.get("form", "NFC"), word), settings.get("hashing")
    for variant in [word] if hashing else variants(word):
        if (found := find(variant)) is not None:
            return found, []
    sizes = settings.get("min_n", 0), settings.get("max_n", 0)
    return None, ngram_ids(word.lower() if lower else word, *sizes, settings.get("ngram_buckets", 0), hashing)


def variants(word: str) -> Iterator[str]:
    """Yield the spellings to try for a word: its own, lower case, and with marks in place of digits."""
    lower = word.lower()
    yield from (word, lower)
    if any(character.isdigit() for character in lower):
        for mark in "#0":
            yield "".join(mark if character.isdigit() else character for character in lower)


def ngram_ids(word: str, min_n: int, max_n: int, buckets: int, hashing: Mapping[str, Any] | None = None) -> list[int]:
    """Hash the character n-grams of `<word>` to buckets, by fastText's 32-bit FNV-1a over signed bytes.

    A longer n-gram continues the hash of the shorter one, byte by byte. With `hashing` they are those of floret.
    """
    if not buckets:
        return []
    if hashing is not None:
        return floret_ids(word, min_n, max_n, buckets, hashing)

    text = f"<{word}>".encode("utf-8", errors="replace")
    starts = [at for at, byte in enumerate(text) if byte & 0xC0 != 0x80]
    characters = [text[start:end] for start, end in pairwise([*starts, len(text)])]
    last = len(characters) - 1

    ids = []
    for start in range(len(characters)):
        value = FNV_OFFSET
        for length, character in enumerate(characters[start : start + max_n], 1):
            for byte in character:
                value = ((value ^ SIGN_EXTENDED[byte]) * FNV_PRIME) & MASK
            # A lone `<` or `>` is no n-gram.
            if length >= min_n and not (length == 1 and start in {0, last}):
                ids.append(value % buckets)
    return ids


def floret_ids(word: str, min_n: int, max_n: int, buckets: int, hashing: Mapping[str, Any]) -> list[int]:
    """Hash a word between its marks, and its character n-grams, to `count` buckets each, as floret does.

    The hash is MurmurHash3_x64_128 (Austin Appleby, MurmurHash3.cpp), read as four numbers of 32 bits.
    """
    whole = f"{hashing['begin']}{word}{hashing['end']}"
    last = len(whole) - 1
    parts = [whole]
    for start in range(len(whole)):
        for length in range(min_n, min(max_n, len(whole) - start) + 1):
            # A lone mark is no n-gram.
            if not (length == 1 and start in {0, last}):
                parts.append(whole[start : start + length])

    ids = []
    for part in parts:
        first, second = _murmur(part.encode("utf-8", errors="replace"), hashing["seed"])
        four = (first & MASK, first >> 32, second & MASK, second >> 32)
        ids += [value % buckets for value in four[: hashing["count"]]]
    return ids


def _murmur(data: bytes, seed: int) -> tuple[int, int]:
    """Hash bytes by MurmurHash3_x64_128; two numbers of 64 bits."""
    first = second = seed
    size = len(data)
    for start in range(0, size, 16):
        low = int.from_bytes(data[start : start + 8], "little")
        high = int.from_bytes(data[start + 8 : start + 16], "little")
        first ^= _rotate(low * MURMUR[0] & WIDE, 31) * MURMUR[1] & WIDE
        if start + 16 <= size:
            first = ((_rotate(first, 27) + second) * 5 + 0x52DCE729) & WIDE
        second ^= _rotate(high * MURMUR[1] & WIDE, 33) * MURMUR[0] & WIDE
        if start + 16 <= size:
            second = ((_rotate(second, 31) + first) * 5 + 0x38495AB5) & WIDE

    first, second = first ^ size, second ^ size
    first = (first + second) & WIDE
    second = (second + first) & WIDE
    first, second = _mix(first), _mix(second)
    first = (first + second) & WIDE
    return first, (second + first) & WIDE


def _rotate(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & WIDE


def _mix(value: int) -> int:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ value >> 33) * factor & WIDE
    return value ^ value >> 33
