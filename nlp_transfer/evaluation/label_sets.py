"""Sets of labels: how well they are found, from which probability on a label is given, and simple methods beside."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from nlp_transfer.config.tasks import SCORED
from nlp_transfer.evaluation.baselines import STRENGTHS, TOLERANCE, WEIGHTS
from nlp_transfer.evaluation.metrics import check_paired
from nlp_transfer.evaluation.tfidf import weigh_words
from nlp_transfer.task import Baseline

if TYPE_CHECKING:
    from nlp_transfer.data.splits import Splits

HALF = 0.5  # the threshold of a label of which nothing is known
Ids = Sequence[int]
ByMethod = dict[str, Baseline[list[int]]]


def multi_hot(sets: Sequence[Ids], count: int) -> np.ndarray:
    """Write (N, count) float32: 1 for the labels that each of N examples has."""
    found = np.zeros((len(sets), count), np.float32)
    for row, labels in zip(found, sets, strict=True):
        row[list(labels)] = 1.0
    return found


def label_set_f1(predictions: Sequence[Ids], references: Sequence[Ids]) -> list[float]:
    """Compute the F1 of the set of each example; 1 where both are empty."""
    pairs = [(set(said), set(true)) for said, true in zip(predictions, references, strict=True)]
    return [2 * len(said & true) / (len(said) + len(true)) if said or true else 1.0 for said, true in pairs]


def label_set_scores(predictions: Sequence[Ids], references: Sequence[Ids], labels: Sequence[str]) -> dict[str, Any]:
    """Score sets of label ids.

    Args:
        predictions: one set per example, of indices into `labels`.
        references: the true ones, in the same order.
        labels: names.

    Returns:
        `{"micro_f1", "macro_f1", "example_f1", "subset_accuracy", "per_label": {name: {"precision", "recall", "f1",
        "support"}}}`. A label that no reference has has neither recall nor F1 (`None`), and macro-F1 leaves it out.

    Raises:
        DataError: nothing to score, or lists of unequal lengths.
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
    alone = not said.any() and not true.any()  # all are right to be empty
    return {
        "micro_f1": 1.0 if alone else float(f1_score(true, said, average="micro", zero_division=0.0)),
        "macro_f1": float(np.mean(present)) if present else float(alone),
        "example_f1": float(np.mean(label_set_f1(predictions, references))),
        "subset_accuracy": float((said == true).all(axis=1).mean()),
        "per_label": per_label,
    }


def choose_thresholds(probabilities: ArrayLike, references: Sequence[Ids]) -> list[float]:
    """Choose the probability from which on each label is given: the best F1 on these examples.

    It lies half way between two probabilities that occurred; of equally good ones the nearest to a half is taken. A
    label that no example has keeps a half.

    Args:
        probabilities: (N, labels).
        references: the true sets, as indices of labels.
    """
    likely = np.asarray(probabilities)
    true = multi_hot(references, likely.shape[1]) > 0
    return [_choose(column, has) for column, has in zip(likely.T, true.T, strict=True)]


def _choose(probabilities: np.ndarray, true: np.ndarray) -> float:
    if not true.any():
        return HALF
    order = np.argsort(-probabilities, kind="stable")
    sizes = np.arange(1, len(order) + 1)  # of what is given, the likeliest first
    f1 = 2 * np.cumsum(true[order]) / (sizes + true.sum())

    ranked = probabilities[order].astype(np.float64)
    middles = (ranked + np.append(ranked[1:], 0.0)) / 2
    apart = np.append(ranked[1:] < ranked[:-1], ranked[-1] > 0)  # equal ones cannot be parted
    if not apart.any():
        return HALF
    best = apart & np.isclose(f1, f1[apart].max())
    chosen: float = min(middles[best], key=lambda one: abs(one - HALF)).item()
    return chosen


def label_set_baselines(splits: "Splits", *, selection: str = "micro_f1") -> ByMethod:
    """Fit simple methods on train.

    Args:
        splits: with `text` and `labels`.
        selection: the score of `label_set_scores` that chooses the penalty on validation.

    Returns:
        Method -> split (`validation`, `test`) -> predicted label ids. `most_frequent_set` and `most_frequent_labels`
        answer all texts alike: with the commonest set of train, and with as many of the commonest labels as score best
        there. `tfidf_logistic` is one logistic regression for each label, with thresholds chosen as for the model.
    """
    train = splits.train["labels"][:]
    constant = {"most_frequent_set": _commonest_set(train), "most_frequent_labels": _commonest_labels(train)}
    found: ByMethod = {
        name: Baseline({split: [said] * len(getattr(splits, split)) for split in SCORED})
        for name, said in constant.items()
    }
    found["tfidf_logistic"] = _tfidf(splits, selection)
    return found


def _commonest_set(train: Sequence[Ids]) -> list[int]:
    (labels, _), *_ = Counter(map(tuple, train)).most_common(1)
    return list(labels)


def _commonest_labels(train: Sequence[Ids]) -> list[int]:
    """Take the commonest labels, so many that the mean F1 of the sets is best."""
    ranked = [label for label, _ in Counter(label for labels in train for label in labels).most_common()]
    answers = [sorted(ranked[:size]) for size in range(len(ranked) + 1)]
    return max(answers, key=lambda one: np.mean(label_set_f1([one] * len(train), train)))


def _tfidf(splits: "Splits", selection: str) -> Baseline[list[int]]:
    from threadpoolctl import threadpool_limits

    texts = [text for name in ("train", *SCORED) for text in getattr(splits, name)["text"][:]]
    train, validation = splits.train["labels"][:], splits.validation["labels"][:]
    names = splits.labels
    with threadpool_limits(1):  # each step is too small for several: they would only wait for each other
        features = weigh_words(texts, len(train), most=WEIGHTS // len(names))
        tried = list(_fit(features[: len(train)], multi_hot(train, len(names)), features[len(train) :]))

    best, chosen, answers = -1.0, 0.0, [list[int]()]
    for strength, probabilities in zip(STRENGTHS, tried, strict=True):
        thresholds = choose_thresholds(probabilities[: len(validation)], validation)
        said = [np.flatnonzero(row >= thresholds).tolist() for row in probabilities]
        score = label_set_scores(said[: len(validation)], validation, names).get(selection, 0.0)
        if score > best:
            best, chosen, answers = score, strength, said
    cut = len(validation)
    return Baseline({"validation": answers[:cut], "test": answers[cut:]}, chosen=f"words, C={chosen:g}")


def _fit(train: Any, targets: np.ndarray, others: Any) -> Iterator[np.ndarray]:
    """Estimate (others, labels) probabilities for each inverse penalty; its share for a label of all or no rows."""
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
