"""Fit simple methods that predict a number, for a model to beat: the mean, and ridge regression on TF-IDF."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nlp_transfer.config.tasks import SCORED
from nlp_transfer.evaluation.baselines import LARGE, WEIGHTS, list_texts
from nlp_transfer.evaluation.correlations import number_scores
from nlp_transfer.evaluation.one_thread import use_one_thread
from nlp_transfer.evaluation.tfidf import Features, add_characters, join_columns, measure_spent, weigh_words
from nlp_transfer.task import Baseline

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from nlp_transfer.data.splits import Splits

PENALTIES = (30.0, 10.0, 3.0, 1.0, 0.3, 0.1)  # L2 penalties to try, the strongest first


def number_baselines(
    splits: "Splits", *, selection: str = "spearman", texts: Sequence[str] = ("text",)
) -> dict[str, Baseline[float]]:
    """Fit both methods on train.

    Args:
        splits: rows with texts and `number`.
        selection: the score of `number_scores` that chooses the penalty on validation.
        texts: the roles of the texts.

    Returns:
        Method (`mean`, `tfidf_ridge`) -> split (`validation`, `test`) -> predicted numbers.
    """
    mean = float(np.mean(splits.train["number"][:]))
    constant = {name: [mean] * len(getattr(splits, name)) for name in SCORED}
    return {"mean": Baseline(constant), "tfidf_ridge": _fit_tfidf_ridge(splits, selection, texts)}


def _fit_tfidf_ridge(splits: "Splits", selection: str, texts: Sequence[str]) -> Baseline[float]:
    """Fit ridge regression on TF-IDF of words, or of words and characters, whichever scores better on validation."""
    begun = time.perf_counter()
    train, judges = np.asarray(splits.train["number"][:]), list(splits.validation["number"][:])
    listed, count, roles = list_texts(splits, texts), len(train), len(texts)
    most = WEIGHTS // roles**2

    def judge(features: Features, penalty: float) -> tuple[float, np.ndarray]:
        """Return the score on validation, and the numbers predicted for validation and test."""
        said = _predict_others(join_columns(features.rows, roles, count), train, penalty)
        return number_scores(said[: len(judges)].tolist(), judges)[selection], said

    with use_one_thread():
        words = weigh_words(listed, roles * count, most=most)
        tried = [judge(words, penalty) for penalty in PENALTIES]
        best = int(np.argmax([score for score, _ in tried]))

        (score, said), chosen, read = tried[best], "words", words
        if sum(map(len, listed)) <= LARGE:
            both = add_characters(words, listed, roles * count, most=most)
            also, answers = judge(both, PENALTIES[best])
            if also >= score:
                said, chosen, read = answers, "words and characters", both

        tested = [*zip(*(splits.test[role][:] for role in texts), strict=True)]
        spent = measure_spent(read, tested, outputs=1, seconds=time.perf_counter() - begun)

    cut = len(judges)
    by_split = {"validation": said[:cut].tolist(), "test": said[cut:].tolist()}
    return Baseline(by_split, chosen=f"{chosen}, penalty {PENALTIES[best]:g}", spent=spent)


def _predict_others(features: "csr_matrix", train: np.ndarray, penalty: float) -> np.ndarray:
    """Fit on the rows of train, which come first, and predict the others, (others,)."""
    from sklearn.linear_model import Ridge

    # scikit-learn computes in the float32 of the features, where numbers of the data may overflow or become equal.
    mean, deviation = train.mean(), train.std() or 1.0
    fitted = Ridge(alpha=penalty).fit(features[: len(train)], (train - mean) / deviation)
    said: np.ndarray = fitted.predict(features[len(train) :]).astype(np.float64) * deviation + mean
    return said
