"""Compute vectors for unknown words from their character n-grams, as fastText does (Bojanowski et al. 2017)."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

FNV_OFFSET, FNV_PRIME, MASK = 2166136261, 16777619, 0xFFFFFFFF
# fastText's C++ hashes signed characters, so bytes from 0x80 on are sign-extended before the xor.
SIGN_EXTENDED = tuple(byte if byte < 0x80 else byte | 0xFFFFFF00 for byte in range(256))


@dataclass(frozen=True, eq=False)
class Subwords:
    """Hold the hashed n-gram vectors of a fastText model.

    Attributes:
        ngrams: (buckets, d) float32, memory-mapped if they come from a file.
        min_n: shortest n-gram, in characters of `<word>`.
        max_n: longest n-gram.
    """

    ngrams: np.ndarray
    min_n: int
    max_n: int

    def find_ids(self, word: str) -> np.ndarray:
        """Find the buckets of the n-grams of `<word>`, in fastText's order; (number of n-grams,) int64."""
        return np.array(hash_ngrams(word, len(self.ngrams), self.min_n, self.max_n), dtype=np.int64)

    def compute_vector(self, word: str) -> np.ndarray:
        """Average the vectors of a word's n-grams, (d,) float32; zeros if it has none."""
        ids = self.find_ids(word)
        if not len(ids):
            return np.zeros(self.ngrams.shape[1], dtype=np.float32)
        mean: np.ndarray = self.ngrams[ids].mean(axis=0, dtype=np.float32)
        return mean


def hash_ngrams(word: str, buckets: int, min_n: int, max_n: int) -> list[int]:
    """Hash the n-grams of `<word>`; a longer n-gram continues the hash of the shorter one, byte by byte."""
    if not buckets:
        return []

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
