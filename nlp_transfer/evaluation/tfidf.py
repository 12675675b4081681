"""Texts as TF-IDF of their words and pairs of words, and of the characters inside words, in any script."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix, hstack

from nlp_transfer.data.text.scripts import split_runs, split_tokens

GRAMS = (2, 5)  # characters side by side, a blank before and behind each word included
COMMON = 1000  # training rows from which what stands in a single one of them is left out


def word_features(texts: Sequence[str], train: int, *, most: int) -> csr_matrix:
    """Weigh words, marks and pairs of them.

    Args:
        texts: those of train first.
        train: how many those are; the others see only what these know.
        most: features at most, the commonest.

    Returns:
        (texts, features) float32 sublinear TF-IDF, rows of length 1.
    """
    from sklearn.feature_extraction.text import CountVectorizer  # a second to import

    pairs = CountVectorizer(
        tokenizer=split_tokens, token_pattern=None, lowercase=False, ngram_range=(1, 2), dtype=np.float32
    )
    return _weigh(pairs.fit_transform(texts), train, most)


def beside_characters(words: csr_matrix, texts: Sequence[str], train: int, *, most: int) -> csr_matrix:
    """Put beside the words their characters, `GRAMS` at a time, likewise weighed.

    A text has those of its words, so each different word is looked at once.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    runs = CountVectorizer(tokenizer=split_runs, token_pattern=None, lowercase=False, dtype=np.float32)
    counts = runs.fit_transform(texts)
    grams = CountVectorizer(analyzer="char_wb", ngram_range=GRAMS, lowercase=False, dtype=np.float32)
    inside = grams.fit_transform(runs.get_feature_names_out())
    return hstack([words, _weigh(counts @ inside, train, most)], format="csr")


def _weigh(counts: csr_matrix, train: int, most: int) -> csr_matrix:
    from sklearn.feature_extraction.text import TfidfTransformer

    found = np.bincount(counts[:train].indices, minlength=counts.shape[1])  # rows that hold each
    least = 2 if train >= COMMON and found.max() > 1 else 1
    kept = np.flatnonzero(found >= least)
    kept = np.sort(kept[np.argsort(-found[kept], kind="stable")[:most]])
    counts = counts[:, kept]
    weights = TfidfTransformer(sublinear_tf=True).fit(counts[:train])
    return weights.transform(counts)
