"""Fit regressions with an L2 penalty by scikit-learn; a solution is the weights and biases of an output layer."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from nlp_transfer.config.tasks import SolvedAs

NEVER_LOGIT = -1e4  # the logit of a class that train lacks, so that it is never predicted


class Rows(NamedTuple):
    """Standardised features (N, F), targets (N,) or (N, outputs), and the weight of each row (N,)."""

    x: np.ndarray
    y: np.ndarray
    weights: np.ndarray


class Solution(NamedTuple):
    """The weights (outputs, F) and biases (outputs,) of the output layer."""

    weights: np.ndarray
    bias: np.ndarray

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Predict the outputs of rows: (N, F) -> (N, outputs)."""
        result: np.ndarray = x @ self.weights.T + self.bias
        return result


def fit_outputs(
    known: Rows, strengths: Sequence[float], count: int, *, solved_as: SolvedAs, smoothing: float = 0.0
) -> Iterator[Solution]:
    """Fit the regression that a task declares by `solved_as`, lazily, for each inverse penalty.

    Args:
        known: the rows to learn from.
        strengths: the inverse penalties.
        count: the number of classes, if they are that.
        solved_as: see `nlp_transfer.training.solver.solve`.
        smoothing: share of a target that is spread evenly over the classes.
    """
    match solved_as:
        case "softmax":
            return fit_multinomial(known, strengths, count, smoothing=smoothing)
        case "sigmoid":
            return fit_binary(known, strengths, smoothing=smoothing)
        case "identity":
            return fit_ridge(known, strengths)


def fit_multinomial(
    known: Rows, strengths: Sequence[float], count: int, *, smoothing: float = 0.0
) -> Iterator[Solution]:
    """Fit multinomial logistic regression over `count` classes for each inverse penalty.

    If all rows are of one class, that is the answer to everything.
    """
    from sklearn.linear_model import LogisticRegression

    if len(present := np.unique(known.y)) == 1:
        only = Solution(np.zeros((count, known.x.shape[1])), np.full(count, NEVER_LOGIT))
        only.bias[present] = 0.0
        yield from [only] * len(strengths)
        return

    rows = _smooth(known, smoothing) if smoothing else known
    fitted = LogisticRegression(max_iter=1000, tol=1e-3)

    for strength in strengths:
        fitted.set_params(C=strength).fit(rows.x, rows.y, sample_weight=rows.weights)
        weights, bias = fitted.coef_, fitted.intercept_
        if len(fitted.classes_) == 2:  # scikit-learn keeps one row, the log-odds of the second class
            weights, bias = np.concatenate([-weights / 2, weights / 2]), np.concatenate([-bias / 2, bias / 2])

        whole = Solution(np.zeros((count, weights.shape[1])), np.full(count, NEVER_LOGIT))
        whole.weights[fitted.classes_], whole.bias[fitted.classes_] = weights, bias
        yield whole


def fit_binary(known: Rows, strengths: Sequence[float], *, smoothing: float = 0.0) -> Iterator[Solution]:
    """Fit one logistic regression for each output, for each inverse penalty."""
    for strength in strengths:
        found = [_fit_label(Rows(known.x, y, known.weights), smoothing, strength) for y in known.y.T.astype(int)]
        yield Solution(np.stack([weights for weights, _ in found]), np.array([bias for _, bias in found]))


def _fit_label(rows: Rows, smoothing: float, strength: float) -> tuple[np.ndarray, float]:
    """Fit one logistic regression, and return weights (F,) and bias.

    A label that all rows or none have cannot be fitted: its bias is its log-odds, with half a row added on both sides.
    """
    from sklearn.linear_model import LogisticRegression

    ones = int(rows.y.sum())
    if ones in (0, len(rows.y)):
        return np.zeros(rows.x.shape[1]), math.log((ones + 0.5) / (len(rows.y) - ones + 0.5))

    if smoothing:
        rows = _smooth(rows, smoothing)
    fitted = LogisticRegression(C=strength, max_iter=1000, tol=1e-3)
    fitted.fit(rows.x, rows.y, sample_weight=rows.weights)
    return fitted.coef_[0], float(fitted.intercept_[0])


def fit_ridge(known: Rows, strengths: Sequence[float]) -> Iterator[Solution]:
    """Fit ridge regression for each inverse penalty."""
    from sklearn.linear_model import Ridge

    targets = known.y.reshape(len(known.y), -1).astype(np.float64)
    for strength in strengths:
        fitted = Ridge(alpha=1 / strength).fit(known.x.astype(np.float64), targets, sample_weight=known.weights)
        yield Solution(np.atleast_2d(fitted.coef_), np.atleast_1d(fitted.intercept_))


def _smooth(rows: Rows, smoothing: float) -> Rows:
    """Repeat each row for each class, weighted by the smoothed target, because scikit-learn takes no soft targets."""
    classes = np.unique(rows.y)
    shares = (1 - smoothing) * (rows.y[:, None] == classes) + smoothing / len(classes)
    weights = (rows.weights[:, None] * shares).ravel()
    return Rows(np.repeat(rows.x, len(classes), axis=0), np.tile(classes, len(rows.y)), weights)
