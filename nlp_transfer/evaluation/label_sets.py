"""Score sets of labels, choose the threshold of each label, and fit simple methods to compare with."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from nlp_transfer.config.tasks import SCORED
from nlp_transfer.evaluation.baselines import STRENGTHS, TOLERANCE, WEIGHTS
from nlp_transfer.evaluation.metrics import check_paired
from nlp_transfer.evaluation.one_thread import use_one_thread
from nlp_transfer.evaluation.tfidf import measure_spent, weigh_words
from nlp_transfer.task import Baseline

if TYPE_CHECKING:
    from nlp_transfer.data.splits import Splits

DEFAULT_THRESHOLD = 0.5  # of a label that no example has
Ids = Sequence[int]
ByMethod = dict[str, Baseline[list[int]]]


def multi_hot(sets: Sequence[Ids], count: int) -> np.ndarray:
    """Write sets of ids as an array (N, count) of float32: 1 for the labels that an example has, else 0."""
    found = np.zeros((len(sets), count), np.float32)
    for row, labels in zip(found, sets, strict=True):
        row[list(labels)] = 1.0
    return found


def label_set_f1(predictions: Sequence[Ids], references: Sequence[Ids]) -> list[float]:
    """Compute the F1 of each set against its reference; 1 if both are empty."""
    pairs = [(set(said), set(true)) for said, true in zip(predictions, references, strict=True)]
    return [2 * len(said & true) / (len(said) + len(true)) if said or true else 1.0 for said, true in pairs]


def label_set_scores(predictions: Sequence[Ids], references: Sequence[Ids], labels: Sequence[str]) -> dict[str, Any]:
    """Score sets of label ids.

    Args:
        predictions: a set of indices into `labels` for each example.
        references: the true sets, in the same order.
        labels: the names of the labels.

    Returns:
        `{"micro_f1", "macro_f1", "example_f1", "subset_accuracy", "per_label": {name: {"precision", "recall", "f1",
        "support"}}}`. A label that is in no reference has no recall and no F1 (`None`), and macro-F1 leaves it out.

    Raises:
        DataError: there is nothing to score, or the lists have unequal lengths.
    """
    from sklearn.metrics import f1_score, precision_recall_fscore_support

    check_paired(predictions, references)
    said, true = multi_hot(predictions, len(labels)), multi_hot(references, len(labels))
    columns = precision_recall_fscore_support(true, said, average=None, zero_division=0.0)

    per_label = {}
    for name, precision, recall, f1, support in zip(labels, *columns, strict=True):
        seen = support > 0
        known = {"recall": float(recall) if seen else None, "f1": float(f1) if seen else None}
        per_label[name] = {"precision": float(precision), **known, "support": int(support)}

    present = [one["f1"] for one in per_label.values() if one["f1"] is not None]
    alone = not said.any() and not true.any()  # all sets are empty, and rightly so
    return {
        "micro_f1": 1.0 if alone else float(f1_score(true, said, average="micro", zero_division=0.0)),
        "macro_f1": float(np.mean(present)) if present else float(alone),
        "example_f1": float(np.mean(label_set_f1(predictions, references))),
        "subset_accuracy": float((said == true).all(axis=1).mean()),
        "per_label": per_label,
    }


def choose_thresholds(probabilities: ArrayLike, references: Sequence[Ids]) -> list[float]:
    """Choose the threshold of each label with the best F1 on some examples.

    A label is predicted if its probability reaches the threshold. The threshold lies half way between two probabilities
    that occurred. Of equally good ones the nearest to 0.5 is chosen, and 0.5 for a label that no example has.

    Args:
        probabilities: (N, labels).
        references: the true sets, as indices of labels.
    """
    likely = np.asarray(probabilities)
    true = multi_hot(references, likely.shape[1]) > 0
    return [_choose_threshold(column, has) for column, has in zip(likely.T, true.T, strict=True)]


def _choose_threshold(probabilities: np.ndarray, true: np.ndarray) -> float:
    if not true.any():
        return DEFAULT_THRESHOLD

    # The F1 of predicting the label for the likeliest example, the two likeliest, and so on.
    order = np.argsort(-probabilities, kind="stable")
    sizes = np.arange(1, len(order) + 1)
    f1 = 2 * np.cumsum(true[order]) / (sizes + true.sum())

    ranked = probabilities[order].astype(np.float64)
    middles = (ranked + np.append(ranked[1:], 0.0)) / 2
    apart = np.append(ranked[1:] < ranked[:-1], ranked[-1] > 0)  # no threshold lies between equal ones
    if not apart.any():
        return DEFAULT_THRESHOLD

    best = apart & np.isclose(f1, f1[apart].max())
    chosen: float = min(middles[best], key=lambda one: abs(one - DEFAULT_THRESHOLD)).item()
    return chosen


def label_set_baselines(splits: "Splits", *, selection: str = "micro_f1") -> ByMethod:
    """Fit simple methods on train.

    Args:
        splits: rows with `text` and `labels`.
        selection: the score of `label_set_scores` that chooses the penalty on validation.

    Returns:
        Method -> split (`validation`, `test`) -> predicted label ids. `most_frequent_set` and `most_frequent_labels`
        give all texts the same answer: the commonest set of train, and as many of the commonest labels as score best
        on train. `tfidf_logistic` is one logistic regression for each label, with thresholds chosen as for the model.
    """
    train = splits.train["labels"][:]
    constant = {
        "most_frequent_set": _find_commonest_set(train),
        "most_frequent_labels": _choose_commonest_labels(train),
    }
    found: ByMethod = {
        name: Baseline({split: [said] * len(getattr(splits, split)) for split in SCORED})
        for name, said in constant.items()
    }
    found["tfidf_logistic"] = _fit_tfidf_logistic(splits, selection)
    return found


def _find_commonest_set(train: Sequence[Ids]) -> list[int]:
    """Find the set that most rows of train have."""
    (labels, _), *_ = Counter(map(tuple, train)).most_common(1)
    return list(labels)


def _choose_commonest_labels(train: Sequence[Ids]) -> list[int]:
    """Choose the commonest labels, as many as give the best mean F1 on train."""
    ranked = [label for label, _ in Counter(label for labels in train for label in labels).most_common()]
    answers = [sorted(ranked[:size]) for size in range(len(ranked) + 1)]
    return max(answers, key=lambda one: np.mean(label_set_f1([one] * len(train), train)))


def _fit_tfidf_logistic(splits: "Splits", selection: str) -> Baseline[list[int]]:
    """Fit a logistic regression for each label; thresholds and penalty are chosen on validation."""
    begun = time.perf_counter()
    texts = [text for name in ("train", *SCORED) for text in getattr(splits, name)["text"][:]]
    train, validation = splits.train["labels"][:], splits.validation["labels"][:]
    names = splits.labels
    with use_one_thread():
        features = weigh_words(texts, len(train), most=WEIGHTS // len(names))
        known, others = features.rows[: len(train)], features.rows[len(train) :]
        tried = list(_stream_probabilities(known, multi_hot(train, len(names)), others))
        rows = [(text,) for text in splits.test["text"][:]]
        spent = measure_spent(features, rows, outputs=len(names), seconds=time.perf_counter() - begun)

    best, chosen, answers = -1.0, 0.0, [list[int]()]
    for strength, probabilities in zip(STRENGTHS, tried, strict=True):
        thresholds = choose_thresholds(probabilities[: len(validation)], validation)
        said = [np.flatnonzero(row >= thresholds).tolist() for row in probabilities]
        score = label_set_scores(said[: len(validation)], validation, names).get(selection, 0.0)
        if score > best:
            best, chosen, answers = score, strength, said

    cut = len(validation)
    return Baseline({"validation": answers[:cut], "test": answers[cut:]}, chosen=f"words, C={chosen:g}", spent=spent)


def _stream_probabilities(train: Any, targets: np.ndarray, others: Any) -> Iterator[np.ndarray]:
    """Yield the probabilities (others, labels) for each inverse penalty.

    A label that all rows of train have, or none, cannot be fitted: its probability is its share, 1 or 0.
    """
    from sklearn.linear_model import LogisticRegression

    shares = targets.mean(axis=0)
    models = [
        LogisticRegression(solver="newton-cg", max_iter=1000, tol=TOLERANCE, warm_start=True) if 0 < share < 1 else None
        for share in shares
    ]

    for strength in STRENGTHS:
        found = np.tile(shares, (others.shape[0], 1))
        for label, model in enumerate(models):
            if model is not None:
                fitted = model.set_params(C=strength).fit(train, targets[:, label])
                found[:, label] = fitted.predict_proba(others)[:, 1]
        yield found
