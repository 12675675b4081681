"""Simple methods that every classifier has to beat: the most frequent class, and TF-IDF with logistic regression."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nlp_transfer.data import Splits

STRENGTHS = (0.3, 1.0, 3.0, 10.0)  # inverse L2 penalties tried; validation chooses
SCORED = ("validation", "test")
ByMethod = dict[str, dict[str, list[int]]]


def classification_baselines(splits: "Splits") -> ByMethod:
    """Fit both methods on train.

    Returns:
        Method (`majority`, `tfidf_logistic`) -> split (`validation`, `test`) -> predicted label ids.
    """
    return {"majority": majority(splits), "tfidf_logistic": tfidf_logistic(splits)}


def majority(splits: "Splits") -> dict[str, list[int]]:
    """The most frequent label of train, for every text; the first of several."""
    top = int(np.bincount(splits.train["label"]).argmax())
    return {name: [top] * len(getattr(splits, name)) for name in SCORED}


def tfidf_logistic(splits: "Splits") -> dict[str, list[int]]:
    """Sublinear TF-IDF of words and word pairs under logistic regression; validation accuracy chooses the penalty."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # a second to import
    from sklearn.linear_model import LogisticRegression

    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\S+", min_df=1)
    train = vectorizer.fit_transform(splits.train["text"])
    others = {name: vectorizer.transform(getattr(splits, name)["text"]) for name in SCORED}
    reference = np.asarray(splits.validation["label"])
    best: tuple[float, dict[str, Sequence[int]]] = (-1.0, {})
    for strength in STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=1000).fit(train, np.asarray(splits.train["label"]))
        found = {name: model.predict(matrix) for name, matrix in others.items()}
        accuracy = float((found["validation"] == reference).mean())
        if accuracy > best[0]:
            best = (accuracy, found)
    return {name: [int(label) for label in labels] for name, labels in best[1].items()}
