"""Fit the simple methods that a classifier should beat: the most frequent class, TF-IDF with logistic regression."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from nlp_transfer.config.tasks import SCORED
from nlp_transfer.evaluation.class_weights import SHARES, weigh_classes
from nlp_transfer.evaluation.folds import deal_folds, hold_out
from nlp_transfer.evaluation.metrics import find_score
from nlp_transfer.evaluation.one_thread import use_one_thread
from nlp_transfer.evaluation.tfidf import add_characters, flatten_columns, join_columns, measure_spent, weigh_words
from nlp_transfer.task import Baseline

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from nlp_transfer.data.splits import Splits

STRENGTHS = (1.0, 3.0, 10.0)  # inverse L2 penalties to try
JUDGES = 1000  # rows that choose between them; if validation has fewer, parts of train are held out too
TOLERANCE = 3e-5  # of the gradient; with a looser one the fit stops too early if there are many classes
WEIGHTS = 10_000_000  # most weights of a model: features times classes
LARGE = 10_000_000  # characters times classes; larger data use words only
ByMethod = dict[str, Baseline[int]]
ClassWeights = Literal["none", "balanced", "auto"]
TRIED: Mapping[ClassWeights, Sequence[float]] = {"none": (0.0,), "balanced": (1.0,), "auto": SHARES}


def classification_baselines(
    splits: "Splits",
    *,
    class_weights: ClassWeights = "none",
    selection: str = "accuracy",
    texts: Sequence[str] = ("text",),
) -> ByMethod:
    """Fit both methods on train.

    Args:
        splits: rows with texts and `label`.
        class_weights: how far classes count alike in the loss, as the model's; with `auto` the score chooses.
        selection: the score that chooses, as it chooses the model's checkpoint; see `find_score`.
        texts: the roles of the texts.

    Returns:
        Method (`majority`, `tfidf_logistic`) -> split (`validation`, `test`) -> predicted label ids.
    """
    fitted = fit_tfidf_logistic(splits, class_weights=class_weights, selection=selection, texts=texts)
    return {"majority": Baseline(predict_majority(splits)), "tfidf_logistic": fitted}


def predict_majority(splits: "Splits") -> dict[str, list[int]]:
    """Answer every text with the most frequent label of train; of several, with the first."""
    top = int(np.bincount(splits.train["label"]).argmax())
    return {name: [top] * len(getattr(splits, name)) for name in SCORED}


def fit_tfidf_logistic(
    splits: "Splits",
    *,
    class_weights: ClassWeights = "none",
    selection: str = "accuracy",
    texts: Sequence[str] = ("text",),
) -> Baseline[int]:
    """Fit logistic regression on TF-IDF of words, or of words and their characters, whichever scores better.

    Validation rows judge. If there are fewer than `JUDGES`, so do rows of train, with models fitted on the other rows.
    """
    begun = time.perf_counter()
    count, roles = len(splits.train), len(texts)
    listed = list_texts(splits, texts)
    train, validation = (np.asarray(rows["label"][:]) for rows in (splits.train, splits.validation))
    known = _Known(train, validation, find_score(selection))
    settings = [_Setting(*one) for one in product(TRIED[class_weights], STRENGTHS)]

    outputs = len(np.unique(known.train))
    size, most = roles * count, WEIGHTS // outputs // roles**2
    with use_one_thread():
        words = weigh_words(listed, size, most=most)
        scores, answers = _judge(join_columns(words.rows, roles, count), known, settings)
        best = int(np.argmax(scores))

        chosen, read, said = "words", words, answers[best]
        if sum(map(len, listed)) * outputs <= LARGE:
            both = add_characters(words, listed, size, most=most)
            also, answers = _judge(join_columns(both.rows, roles, count), known, settings[best : best + 1])
            if also[0] >= scores[best]:
                chosen, read, said = "words and characters", both, answers[0]

        tested = [*zip(*(splits.test[role][:] for role in texts), strict=True)]
        spent = measure_spent(read, tested, outputs=outputs, seconds=time.perf_counter() - begun)

    cut = len(known.validation)
    found = {"validation": said[:cut].tolist(), "test": said[cut:].tolist()}
    weighed = f", {settings[best].share:g} of balanced class weights" if class_weights == "auto" else ""
    return Baseline(found, chosen=f"{chosen}, C={settings[best].strength:g}{weighed}", spent=spent)


def list_texts(splits: "Splits", roles: Sequence[str]) -> list[str]:
    """List the texts of all splits as `flatten_columns` does, train first, then validation and test."""
    names = ("train", *SCORED)
    columns = [[text for name in names for text in getattr(splits, name)[role][:]] for role in roles]
    return flatten_columns(columns, len(splits.train))


class _Known(NamedTuple):
    """Hold label ids of train and of the validation rows behind it, and the score."""

    train: np.ndarray
    validation: np.ndarray
    score: Callable[..., float]


class _Setting(NamedTuple):
    """Hold how far classes count alike, see `weigh_classes`, and the inverse penalty."""

    share: float
    strength: float


def _judge(features: "csr_matrix", known: _Known, settings: Sequence[_Setting]) -> tuple[list[float], np.ndarray]:
    """Try settings; return (S,) the score of each on the judging rows, and (S, others) its answers behind train."""
    train, others = features[: len(known.train)], features[len(known.train) :]
    said = _answer(train, known.train, others, settings)
    true, judged = [known.validation], [said[:, : len(known.validation)]]
    for out in _choose_judges(known.train, JUDGES - len(known.validation)):
        true.append(known.train[out])
        judged.append(_answer(train[~out], known.train[~out], train[out], settings))
    return [known.score(np.concatenate(true), tried) for tried in np.concatenate(judged, axis=1)], said


def _choose_judges(labels: np.ndarray, wanted: int) -> Iterator[np.ndarray]:
    """Yield masks of stratified parts of train, until they hold the rows wanted; the rest has at least two classes."""
    for out in hold_out(deal_folds(labels, np.arange(len(labels)))):
        if wanted > 0 and len(np.unique(labels[~out])) > 1:
            yield out
        wanted -= int(out.sum())


def _answer(train: "csr_matrix", labels: np.ndarray, others: "csr_matrix", settings: Sequence[_Setting]) -> np.ndarray:
    """Predict label ids, (S, others), a row for each setting; each fit starts from the one before."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(solver="newton-cg", max_iter=1000, tol=TOLERANCE, warm_start=True)

    def predict(one: _Setting) -> np.ndarray:
        fitted = model.set_params(C=one.strength)
        said: np.ndarray = fitted.fit(train, labels, weigh_classes(labels, one.share)).predict(others)
        return said

    return np.stack([predict(one) for one in settings])
