"""Score classification with offline `evaluate` metrics, and find the bootstrap interval of a difference.

The scores are those of scikit-learn, counted here, because its checks take longer than the sums. `evaluate.load` is
never called, because it needs the Hub and runs files of the current folder.
"""

import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nlp_transfer.errors import DataError
from nlp_transfer.system.room import guard_temporary

if TYPE_CHECKING:
    import evaluate

logger = logging.getLogger(__name__)
Ids = Sequence[int]
BLOCK = 1_000_000  # rows that are drawn at once: one sample at a time takes long, all together fill memory


@dataclass(frozen=True)
class Interval:
    """Hold a difference of two scores and its 95 % interval."""

    difference: float
    low: float
    high: float


def classification_scores(predictions: Ids, references: Ids, labels: tuple[str, ...]) -> dict[str, Any]:
    """Score predicted label ids; fast enough for every epoch of a loop.

    Args:
        predictions: label ids, indices into `labels`, one for each example.
        references: the true ids, in the same order.
        labels: the names of the classes.

    Returns:
        `{"accuracy", "macro_f1", "mcc", "per_class": {name: {"precision", "recall", "f1", "support"}}}`. A class
        without references has no recall and no F1 (`None`); the macro average leaves it out, with a warning.

    Raises:
        DataError: there is nothing to score, the lists have unequal lengths, or an id is outside `labels`.
    """
    check_paired(predictions, references)
    _check_ids(predictions, references, len(labels))

    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)  # rows of each true class and predicted class
    np.add.at(counts, (np.asarray(references), np.asarray(predictions)), 1)
    right, true, said = counts.diagonal(), counts.sum(1), counts.sum(0)
    columns = _divide(right, said), _divide(right, true), _divide(2 * right, true + said), true
    per_class = {
        name: _make_class_scores(precision, recall, f1, int(support))
        for name, precision, recall, f1, support in zip(labels, *columns, strict=True)
    }

    absent = [name for name, scores in per_class.items() if scores["f1"] is None]
    if absent:
        logger.warning("No example of %s to score: recall and F1 are null, macro-F1 leaves it out", ", ".join(absent))

    present = [scores["f1"] for scores in per_class.values() if scores["f1"] is not None]
    return {
        "accuracy": float(right.sum() / len(references)),
        "macro_f1": float(np.mean(present)),
        "mcc": _correlate(right, true, said),
        "per_class": per_class,
    }


def _divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide counts; where there is nothing to divide by, the share is zero."""
    result: np.ndarray = part / np.maximum(whole, 1)
    return result


def _correlate(right: np.ndarray, true: np.ndarray, said: np.ndarray) -> float:
    """Compute the Matthews correlation of counts for each class; zero where all answers or all rows are of one class.

    Gorodkin 2004, Comparing two K-category assignments by a K-category correlation coefficient.
    """
    rows = float(true.sum())
    spreads = (rows**2 - float(true @ true)) * (rows**2 - float(said @ said))
    return float((right.sum() * rows - float(true @ said)) / np.sqrt(spreads)) if spreads else 0.0


def _make_class_scores(precision: float, recall: float, f1: float, support: int) -> dict[str, float | int | None]:
    seen = support > 0
    return {
        "precision": float(precision),
        "recall": float(recall) if seen else None,
        "f1": float(f1) if seen else None,
        "support": support,
    }


def find_score(name: str) -> Callable[..., float]:
    """Find the function of a score: it takes true ids, predicted ids and `sample_weight`.

    A name that is not known here belongs to a task of somebody else, and gives accuracy.
    """
    if name not in ("macro_f1", "mcc"):
        return _compute_accuracy

    from sklearn.metrics import f1_score, matthews_corrcoef  # slow to import

    def compute_macro_f1(true: Any, said: Any, *, sample_weight: Any = None) -> float:
        """Leave out classes that no row has, as `classification_scores` does."""
        labels = np.unique(true)
        return float(
            f1_score(true, said, labels=labels, average="macro", sample_weight=sample_weight, zero_division=0.0)
        )

    return compute_macro_f1 if name == "macro_f1" else matthews_corrcoef


def _compute_accuracy(true: Any, said: Any, *, sample_weight: Any = None) -> float:
    return float(np.average(np.equal(true, said), weights=sample_weight))


def check_paired(predictions: Sequence[Any], references: Sequence[Any]) -> None:
    """Check that each prediction has its reference.

    Raises:
        DataError: there is nothing to score, or the lists have unequal lengths.
    """
    if len(predictions) != len(references):
        raise DataError(f"{len(predictions)} predictions cannot be scored against {len(references)} references")
    if len(references) == 0:
        raise DataError("Nothing to score: there are no references")


def _check_ids(predictions: Ids, references: Ids, classes: int) -> None:
    for name, ids in (("prediction", predictions), ("reference", references)):
        if wrong := [value for value in ids if not 0 <= value < classes]:
            raise DataError(f"{name} {wrong[0]} is not the id of a label; there are {classes} labels, from 0")


def classification_metric(labels: tuple[str, ...]) -> "evaluate.Metric":
    """Make the same scores an `evaluate.Metric`, for `add_batch`, `combine` and all that takes such a metric.

    It works offline and keeps its rows in memory. The project's own loop calls `classification_scores`, because
    importing `evaluate` takes seconds.
    """
    import datasets
    import evaluate

    class Classification(evaluate.Metric):  # type: ignore[misc]  # evaluate ships no types
        """Compute accuracy, macro-F1, Matthews correlation and the scores of each class."""

        def _info(self) -> "evaluate.MetricInfo":
            features = {"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}
            return evaluate.MetricInfo(
                description="Classification scores, the same as those of scikit-learn",
                citation="",
                inputs_description="Label ids, indices into `labels`",
                features=datasets.Features(features),
            )

        def _compute(self, predictions: Ids, references: Ids) -> dict[str, Any]:
            return classification_scores(predictions, references, labels)

    # evaluate makes a folder even for what it keeps in memory.
    with guard_temporary("a folder for evaluate"), tempfile.TemporaryDirectory() as unused:
        return Classification(keep_in_memory=True, cache_dir=unused)


def bootstrap_difference(
    correct_a: Sequence[float],
    correct_b: Sequence[float],
    *,
    counts: Sequence[int] = (),
    samples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Resample the examples to find the 95 % interval of mean(a) - mean(b).

    Both systems are judged on the same resampled examples, as in Koehn 2004 (Statistical significance tests for machine
    translation evaluation) and Berg-Kirkpatrick et al. 2012 (An empirical investigation of statistical significance in
    NLP).

    Args:
        correct_a: one outcome for each example: right or wrong, or any score that is averaged.
        correct_b: the other system's outcomes on the same examples, in the same order.
        counts: how many measurements each outcome averages, if that differs. They are drawn together with the example,
            because they are not independent (Field & Welsh 2007, Bootstrapping clustered data).
        samples: how often the examples are resampled.
        seed: the seed of the resampling.

    Raises:
        DataError: there are no outcomes, or the lists have unequal lengths.
    """
    check_paired(correct_a, correct_b)
    differences = np.asarray(correct_a, dtype=np.float64) - np.asarray(correct_b, dtype=np.float64)
    size = len(differences)
    weights = np.asarray(counts, dtype=np.float64) if len(counts) else np.ones(size)

    generator, means = np.random.default_rng(seed), []
    most = max(1, BLOCK // size)
    for start in range(0, samples, most):
        drawn = generator.integers(0, size, (min(most, samples - start), size))
        means.append(np.average(differences[drawn], axis=1, weights=weights[drawn]))
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return Interval(float(np.average(differences, weights=weights)), float(low), float(high))
