"""Turn texts into TF-IDF features: words, pairs of words, and the characters inside words, in any script."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix, hstack, vstack

from nlp_transfer.data.text.scripts import split_runs, split_tokens
from nlp_transfer.evaluation.timing import time_answers
from nlp_transfer.task import Spent

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

GRAMS = (2, 5)  # fewest and most characters in a row, with a space before and behind each word
BUDGET = 0.05  # of the time of a fit, for single texts and for a batch each
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


@dataclass(frozen=True)
class _Kind:
    """One kind of feature: what a text is counted by, which counts are kept, and how they are weighed."""

    prepare: Callable[[str], str]
    counter: "CountVectorizer"
    kept: np.ndarray
    weigher: "TfidfTransformer"

    def compute(self, texts: Sequence[str]) -> csr_matrix:
        """Compute the features of further texts."""
        return self.weigher.transform(self.counter.transform(map(self.prepare, texts))[:, self.kept])

    @property
    def size(self) -> int:
        """Bytes of the names and weights that are kept."""
        names = self.counter.get_feature_names_out()[self.kept]
        return sum(len(name.encode()) for name in names) + int(self.weigher.idf_.nbytes)


@dataclass(frozen=True)
class Features:
    """TF-IDF features of texts, (texts, features) float32, and what computes those of further texts."""

    rows: csr_matrix
    kinds: tuple[_Kind, ...]

    def compute(self, texts: Sequence[str]) -> csr_matrix:
        """Compute the same features of further texts."""
        return hstack([kind.compute(texts) for kind in self.kinds], format="csr")

    @property
    def size(self) -> int:
        """Bytes of what it takes to compute them."""
        return sum(kind.size for kind in self.kinds)


def weigh_words(texts: Sequence[str], train: int, *, most: int) -> Features:
    """Compute TF-IDF of words, marks and pairs of them.

    Args:
        texts: the texts, those of train first.
        train: the number of train's texts; the others have only the features of these.
        most: how many features to keep, the most common ones.

    Returns:
        Sublinear TF-IDF, rows of length 1.
    """
    from sklearn.feature_extraction.text import CountVectorizer  # takes a second to import

    pairs = CountVectorizer(
        tokenizer=split_tokens, token_pattern=None, lowercase=False, ngram_range=(1, 2), dtype=np.float32
    )
    rows, kept, weigher = _weigh(pairs.fit_transform(texts), train, most)
    return Features(rows, (_Kind(str, pairs, kept, weigher),))


def add_characters(words: Features, texts: Sequence[str], train: int, *, most: int) -> Features:
    """Add to the features of words those of their characters, `GRAMS` in a row, weighted in the same way.

    The characters of a text are those of its words, so each different word is analysed once.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    runs = CountVectorizer(tokenizer=split_runs, token_pattern=None, lowercase=False, dtype=np.float32)
    counts = runs.fit_transform(texts)
    grams = CountVectorizer(analyzer="char_wb", ngram_range=GRAMS, lowercase=False, dtype=np.float32)
    inside = grams.fit_transform(runs.get_feature_names_out())
    rows, kept, weigher = _weigh(counts @ inside, train, most)
    kind = _Kind(lambda text: " ".join(split_runs(text)), grams, kept, weigher)
    return Features(hstack([words.rows, rows], format="csr"), (*words.kinds, kind))


def _weigh(counts: csr_matrix, train: int, most: int) -> tuple[csr_matrix, np.ndarray, "TfidfTransformer"]:
    """Weigh counts; return the features, which columns of the counts they are, and what weighs them."""
    from sklearn.feature_extraction.text import TfidfTransformer

    found = np.bincount(counts[:train].indices, minlength=counts.shape[1])  # number of rows that hold each feature
    least = 2 if train >= COMMON and found.max() > 1 else 1
    kept = np.flatnonzero(found >= least)
    kept = np.sort(kept[np.argsort(-found[kept], kind="stable")[:most]])
    counts = counts[:, kept]
    weigher = TfidfTransformer(sublinear_tf=True).fit(counts[:train])
    return weigher.transform(counts), kept, weigher


def measure_spent(features: Features, rows: Sequence[Sequence[str]], *, outputs: int, seconds: float) -> Spent:
    """Measure what answers of a linear model on these features cost, for a tenth of the time of its fit at most.

    Args:
        features: that it reads.
        rows: to answer, each of one text or more.
        outputs: of the model; its weights do not matter for the time.
        seconds: that it was fitted.
    """
    columns = len(rows[0])

    def read(several: Sequence[Sequence[str]]) -> csr_matrix:
        return join_columns(features.compute(flatten_columns([*zip(*several, strict=True)], 0)), columns, 0)

    weights = np.zeros((read(rows[:1]).shape[1], outputs))
    times = time_answers(lambda several: read(several) @ weights, rows, budget=seconds * BUDGET)
    return Spent(round(seconds, 3), *times, megabytes=(features.size + weights.nbytes) / 1e6)
