"""Turn texts into TF-IDF features: words, pairs of words, and the characters inside words, in any script."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from scipy.sparse import csr_matrix, hstack, vstack

from nlp_transfer.data.text.scripts import split_runs, split_tokens

GRAMS = (2, 5)  # fewest and most characters in a row, with a space before and behind each word
COMMON = 1000  # with so many training rows, a feature must occur in two of them


def flatten_columns(columns: Sequence[Sequence[str]], train: int) -> list[str]:
    """List the texts of several columns, those of train first, column by column; see `join_columns`."""
    return [text for part in (slice(train), slice(train, None)) for column in columns for text in column[part]]


def join_columns(features: csr_matrix, columns: int, train: int) -> csr_matrix:
    """Put the features of the texts of a row beside each other again: (texts, features) -> (rows, more features).

    Of two texts there are those of both, their distance and product, and their cosine, which a penalty on each word
    alone would hide.

    Args:
        features: of the texts as `flatten_columns` lists them.
        columns: how many there were.
        train: rows of train.
    """
    if columns == 1:
        return features
    cut, others = columns * train, features.shape[0] // columns - train
    sides = [
        vstack([features[at * train : (at + 1) * train], features[cut + at * others : cut + (at + 1) * others]])
        for at in range(columns)
    ]
    blocks = list(sides)
    for one, other in combinations(sides, 2):
        product = one.multiply(other)
        blocks += [abs(one - other), product, csr_matrix(product.sum(axis=1))]
    return hstack(blocks, format="csr")


def weigh_words(texts: Sequence[str], train: int, *, most: int) -> csr_matrix:
    """Compute TF-IDF of words, marks and pairs of them.

    Args:
        texts: the texts, those of train first.
        train: the number of train's texts; the others have only the features of these.
        most: how many features to keep, the most common ones.

    Returns:
        (texts, features) float32 sublinear TF-IDF, rows of length 1.
    """
    from sklearn.feature_extraction.text import CountVectorizer  # takes a second to import

    pairs = CountVectorizer(
        tokenizer=split_tokens, token_pattern=None, lowercase=False, ngram_range=(1, 2), dtype=np.float32
    )
    return _weigh(pairs.fit_transform(texts), train, most)


def add_characters(words: csr_matrix, texts: Sequence[str], train: int, *, most: int) -> csr_matrix:
    """Add to the features of words those of their characters, `GRAMS` in a row, weighted in the same way.

    The characters of a text are those of its words, so each different word is analysed once.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    runs = CountVectorizer(tokenizer=split_runs, token_pattern=None, lowercase=False, dtype=np.float32)
    counts = runs.fit_transform(texts)
    grams = CountVectorizer(analyzer="char_wb", ngram_range=GRAMS, lowercase=False, dtype=np.float32)
    inside = grams.fit_transform(runs.get_feature_names_out())
    return hstack([words, _weigh(counts @ inside, train, most)], format="csr")


def _weigh(counts: csr_matrix, train: int, most: int) -> csr_matrix:
    from sklearn.feature_extraction.text import TfidfTransformer

    found = np.bincount(counts[:train].indices, minlength=counts.shape[1])  # number of rows that hold each feature
    least = 2 if train >= COMMON and found.max() > 1 else 1
    kept = np.flatnonzero(found >= least)
    kept = np.sort(kept[np.argsort(-found[kept], kind="stable")[:most]])
    counts = counts[:, kept]
    weights = TfidfTransformer(sublinear_tf=True).fit(counts[:train])
    return weights.transform(counts)
