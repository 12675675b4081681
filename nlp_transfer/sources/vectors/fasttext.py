"""Compute vectors of words from their character n-grams, as fastText (Bojanowski et al. 2017) and floret do."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nlp_transfer.models.portable.words import ngram_ids


@dataclass(frozen=True)
class Hashing:
    """Say how floret hashes a word and its n-grams to rows.

    Attributes:
        count: rows of each, 1 to 4.
        seed: of the hash.
        begin: the mark before a word.
        end: the mark behind it.
        lowercase: texts are put in lower case first.
    """

    count: int
    seed: int
    begin: str
    end: str
    lowercase: bool = False


@dataclass(frozen=True, eq=False)
class Subwords:
    """Hold the hashed n-gram vectors of a fastText model, or all rows of a floret table.

    Attributes:
        ngrams: (buckets, d) float32, memory-mapped if they come from a file.
        min_n: shortest n-gram, in characters of `<word>`.
        max_n: longest n-gram.
        hashing: that of floret, which has no rows of whole words; None for fastText's.
    """

    ngrams: np.ndarray
    min_n: int
    max_n: int
    hashing: Hashing | None = None

    @property
    def settings(self) -> dict[str, Any] | None:
        """The hashing of floret as plain values, for a tokenizer or a file."""
        return None if self.hashing is None else asdict(self.hashing)

    def list_ids(self, word: str) -> list[int]:
        """List the buckets of the n-grams of `<word>`, in the order of fastText or floret."""
        return ngram_ids(word, self.min_n, self.max_n, len(self.ngrams), self.settings)

    def find_ids(self, word: str) -> np.ndarray:
        """Find the buckets of the n-grams of `<word>`, in that order; (number of n-grams,) int64."""
        return np.array(self.list_ids(word), dtype=np.int64)

    def compute_vector(self, word: str) -> np.ndarray:
        """Average the vectors of a word's n-grams, (d,) float32; zeros if it has none."""
        ids = self.find_ids(word)
        if not len(ids):
            return np.zeros(self.ngrams.shape[1], dtype=np.float32)
        mean: np.ndarray = self.ngrams[ids].mean(axis=0, dtype=np.float32)
        return mean

    def compute_vectors(self, words: Sequence[str]) -> np.ndarray:
        """Average for several words, (len(words), d) float32."""
        return np.array([self.compute_vector(word) for word in words], np.float32).reshape(-1, self.ngrams.shape[1])
