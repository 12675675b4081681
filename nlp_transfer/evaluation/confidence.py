"""Fit the temperature of a classifier's logits, and measure how far its confidence can be trusted.

Guo et al. 2017, On calibration of modern neural networks: all logits are divided by one number. Which label is the
likeliest stays as it is; how likely it is said to be changes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from nlp_transfer.evaluation.metrics_file import BINS, Bin, Confidence

FEWEST = 100  # rows of validation; of fewer, more than one temperature in six did harm on other rows
EVIDENCE = 3.84  # gain in twice the log-likelihood, which chance brings in 5 % of the cases (Wilks 1938)
COLDEST, HOTTEST = 0.05, 20.0
STEPS = 40  # halvings of that range
IMPOSSIBLE = 1000.0  # distance of a logit to the highest; a class that train lacks has such


def list_answers(
    logits: np.ndarray, targets: Sequence[Any], kind: Literal["softmax", "sigmoid"]
) -> tuple[np.ndarray, np.ndarray]:
    """List each choice of a classifier: its logits (N, classes), and the right class (N,).

    Where every label has a probability of its own (`sigmoid`), each is a choice between no and yes.

    Args:
        logits: (examples, labels).
        targets: the right label of each example, or all its labels.
        kind: how probabilities come from logits.
    """
    if kind == "softmax":
        return logits.astype(np.float64), np.asarray(targets, dtype=int)
    true = np.zeros(logits.shape, dtype=int)
    for row, labels in zip(true, targets, strict=True):
        row[list(labels)] = 1
    halves = logits.astype(np.float64).ravel() / 2
    return np.stack([-halves, halves], axis=1), true.ravel()


def list_log_frequencies(counts: Mapping[str, int], labels: Sequence[str]) -> np.ndarray:
    """List the log-frequency of each label among some rows, (labels,); one they lack counts once."""
    found = np.array([max(1, counts.get(label, 0)) for label in labels], dtype=np.float32)
    logs: np.ndarray = np.log(found / found.sum())
    return logs


def choose_temperature(logits: np.ndarray, right: np.ndarray, rows: int) -> tuple[float, str]:
    """Choose the temperature of validation, and say by what; 1 if validation cannot tell a better one.

    Args:
        logits: (N, classes).
        right: (N,) classes.
        rows: how many examples the choices belong to.
    """
    if rows < FEWEST:
        return 1.0, f"not fitted: {rows} rows of validation are too few, {FEWEST} are needed"
    found = round(fit_temperature(logits, right), 3)
    gained = 2 * (_sum_losses(logits, right) - _sum_losses(logits / found, right))
    if gained < EVIDENCE:
        return 1.0, f"not fitted: {rows} rows of validation do not tell {found:g} from 1"
    return found, f"fitted on {rows} rows of validation"


def fit_temperature(logits: np.ndarray, right: np.ndarray) -> float:
    """Find the temperature under which the right classes are the likeliest.

    Each row counts as a little wrong, as one row of as many is (Platt 1999, Probabilistic outputs for support vector
    machines, section 2.2): else a validation without a mistake would ask for endless confidence.

    Args:
        logits: (N, classes).
        right: (N,) classes.
    """
    rows = np.arange(len(right))
    open_ = logits > logits.max(1, keepdims=True) - IMPOSSIBLE
    known = open_[rows, right] & (open_.sum(1) > 1)
    logits, right, open_ = logits[known], right[known], open_[known]
    if not len(right):
        return 1.0

    rows, doubt = np.arange(len(right)), 1 / (len(right) + 2)
    wanted = open_ * (doubt / (open_.sum(1, keepdims=True) - 1))
    wanted[rows, right] = 1 - doubt
    logits = np.where(open_, logits, logits.max(1, keepdims=True) - IMPOSSIBLE)

    # The loss is convex in 1 / temperature, so its slope tells on which side the best one lies.
    low, high = np.log([1 / HOTTEST, 1 / COLDEST])
    for _ in range(STEPS):
        middle = (low + high) / 2
        slope = ((_apply_softmax(np.exp(middle) * logits) - wanted) * logits).sum()
        low, high = (low, middle) if slope > 0 else (middle, high)
    return float(np.exp(-(low + high) / 2))


def measure_confidence(logits: np.ndarray, right: np.ndarray, temperature: float, note: str) -> Confidence:
    """Compare confidence and right answers on test, with the temperature and without.

    Args:
        logits: (N, classes), divided by the temperature already.
        right: (N,) classes.
        temperature: that they were divided by.
        note: why it is what it is.
    """
    bins = _fill_bins(logits, right)
    before = _fill_bins(logits * temperature, right)
    return Confidence(
        temperature=temperature,
        note=note,
        error_before=_compute_error(before),
        error=_compute_error(bins),
        bins=bins,
    )


def _fill_bins(logits: np.ndarray, right: np.ndarray) -> list[Bin]:
    """Sort choices by the probability of the likeliest class into bins of equal width, and leave out empty ones."""
    probabilities = _apply_softmax(logits)
    confidence, correct = probabilities.max(1), probabilities.argmax(1) == right
    places = np.minimum((confidence * BINS + 1e-9).astype(int), BINS - 1)
    return [
        Bin(
            least=place / BINS,
            rows=int(inside.sum()),
            confidence=float(confidence[inside].mean()),
            right=float(correct[inside].mean()),
        )
        for place in range(BINS)
        if (inside := places == place).any()
    ]


def _compute_error(bins: Sequence[Bin]) -> float:
    """Compute the expected calibration error: the mean distance of confidence and share of right answers."""
    return sum(one.rows * abs(one.confidence - one.right) for one in bins) / sum(one.rows for one in bins)


def _sum_losses(logits: np.ndarray, right: np.ndarray) -> float:
    """Sum the negative log-likelihoods of the right classes."""
    likely = _apply_softmax(logits)[np.arange(len(right)), right]
    return float(-np.log(np.maximum(likely, 1e-30)).sum())


def _apply_softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(1, keepdims=True))
    result: np.ndarray = raised / raised.sum(1, keepdims=True)
    return result
