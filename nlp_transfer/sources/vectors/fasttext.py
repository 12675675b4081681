"""Compute vectors for unknown words from their character n-grams, as fastText does (Bojanowski et al. 2017)."""

from dataclasses import dataclass

import numpy as np


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

    def list_ids(self, word: str) -> list[int]:
        """List the buckets of the n-grams of `<word>`, in fastText's order."""
        from nlp_transfer.models.portable.static import ngram_ids  # brings torch, which a known word does not need

        return ngram_ids(word, self.min_n, self.max_n, len(self.ngrams))

    def find_ids(self, word: str) -> np.ndarray:
        """Find the buckets of the n-grams of `<word>`, in fastText's order; (number of n-grams,) int64."""
        return np.array(self.list_ids(word), dtype=np.int64)

    def compute_vector(self, word: str) -> np.ndarray:
        """Average the vectors of a word's n-grams, (d,) float32; zeros if it has none."""
        ids = self.find_ids(word)
        if not len(ids):
            return np.zeros(self.ngrams.shape[1], dtype=np.float32)
        mean: np.ndarray = self.ngrams[ids].mean(axis=0, dtype=np.float32)
        return mean
