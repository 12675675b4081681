"""Simple methods that every classifier has to beat: the most frequent class, and TF-IDF with logistic regression."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nlp_transfer.config.tasks import SCORED
from nlp_transfer.evaluation.metrics import label_score
from nlp_transfer.evaluation.tfidf import beside_characters, word_features
from nlp_transfer.task import Baseline

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from nlp_transfer.data.splits import Splits

STRENGTHS = (1.0, 3.0, 10.0)  # inverse L2 penalties tried
JUDGES = 1000  # rows that choose; where validation has fewer, parts of train are held out as well
FOLDS = 5  # parts of train
TOLERANCE = 3e-5  # of the gradient: with a looser one, where classes are many, the fit ends before it begins
WEIGHTS = 10_000_000  # of a model at most: features times classes
LARGE = 10_000_000  # characters times classes, beyond which words alone must do
ByMethod = dict[str, Baseline[int]]


def classification_baselines(splits: "Splits", *, balanced: bool = False, selection: str = "accuracy") -> ByMethod:
    """Fit both methods on train.

    Args:
        splits: with `text` and `label`.
        balanced: classes count alike in the loss, as `class_weights: balanced` has it for the model.
        selection: the score that chooses, as it chooses the model's checkpoint; see `label_score`.

    Returns:
        Method (`majority`, `tfidf_logistic`) -> split (`validation`, `test`) -> predicted label ids.
    """
    fitted = tfidf_logistic(splits, balanced=balanced, selection=selection)
    return {"majority": Baseline(majority(splits)), "tfidf_logistic": fitted}


def majority(splits: "Splits") -> dict[str, list[int]]:
    """The most frequent label of train, for every text; the first of several."""
    top = int(np.bincount(splits.train["label"]).argmax())
    return {name: [top] * len(getattr(splits, name)) for name in SCORED}


def tfidf_logistic(splits: "Splits", *, balanced: bool = False, selection: str = "accuracy") -> Baseline[int]:
    """TF-IDF under logistic regression: of words, or of words and their characters, whichever scores better.

    Validation judges, and where it has fewer than `JUDGES` rows, so do rows of train, by models of the others.
    """
    from threadpoolctl import threadpool_limits

    texts = [text for name in ("train", *SCORED) for text in getattr(splits, name)["text"][:]]
    train, validation = (np.asarray(rows["label"][:]) for rows in (splits.train, splits.validation))
    known = _Known(train, validation, balanced, label_score(selection))
    outputs = len(np.unique(known.train))
    size, most = len(known.train), WEIGHTS // outputs
    with threadpool_limits(1):  # each step is too small for several: they would only wait for each other
        words = word_features(texts, size, most=most)
        scores, answers = _judge(words, known, STRENGTHS)
        best = int(np.argmax(scores))
        chosen, said = "words", answers[best]
        if sum(map(len, texts)) * outputs <= LARGE:
            both = beside_characters(words, texts, size, most=most)
            also, answers = _judge(both, known, STRENGTHS[best : best + 1])
            if also[0] >= scores[best]:
                chosen, said = "words and characters", answers[0]
    cut = len(known.validation)
    return Baseline(
        {"validation": said[:cut].tolist(), "test": said[cut:].tolist()}, chosen=f"{chosen}, C={STRENGTHS[best]:g}"
    )


class _Known(NamedTuple):
    """The label ids of train, and of validation, which stands behind it; how classes count, and what is scored."""

    train: np.ndarray
    validation: np.ndarray
    balanced: bool
    score: Callable[..., float]


def _judge(features: "csr_matrix", known: _Known, strengths: Sequence[float]) -> tuple[list[float], np.ndarray]:
    """Try penalties: (S,) the score of each on the judging rows, (S, others) its answers behind train."""
    train, others = features[: len(known.train)], features[len(known.train) :]
    said = _answer(train, known.train, others, strengths, balanced=known.balanced)
    true, judged = [known.validation], [said[:, : len(known.validation)]]
    for out in _parts(known.train, JUDGES - len(known.validation)):
        true.append(known.train[out])
        judged.append(_answer(train[~out], known.train[~out], train[out], strengths, balanced=known.balanced))
    return [known.score(np.concatenate(true), tried) for tried in np.concatenate(judged, axis=1)], said


def _parts(labels: np.ndarray, wanted: int) -> Iterator[np.ndarray]:
    """Masks of stratified parts of train, no more than hold the rows wanted; the others have two classes at least."""
    part = np.empty(len(labels), dtype=np.int64)
    part[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % FOLDS
    for number in range(FOLDS):
        out = part == number
        if wanted > 0 and out.any() and len(np.unique(labels[~out])) > 1:
            yield out
        wanted -= int(out.sum())


def _answer(
    train: "csr_matrix", labels: np.ndarray, others: "csr_matrix", strengths: Sequence[float], *, balanced: bool
) -> np.ndarray:
    """(S, others) predicted label ids, a row for each strength; each fit starts from the one before."""
    from sklearn.linear_model import LogisticRegression

    weights = "balanced" if balanced else None
    model = LogisticRegression(solver="newton-cg", class_weight=weights, max_iter=1000, tol=TOLERANCE, warm_start=True)
    return np.stack([model.set_params(C=strength).fit(train, labels).predict(others) for strength in strengths])
