"""A linear head on frozen features has one best solution: L-BFGS finds it, no epochs needed."""

import logging
import math
from collections.abc import Sequence

import numpy as np
import torch

from nlp_transfer.evaluation.metrics import label_score
from nlp_transfer.inference.activations import PooledModel
from nlp_transfer.models.encoding.units import ReplayUnits
from nlp_transfer.models.portable.pooled import PooledClassifier

log = logging.getLogger(__name__)
STRENGTHS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # inverse L2 penalties tried; validation chooses


def standardise(model: PooledModel, rows: Sequence[np.ndarray]) -> None:
    """Set the head's shift and scale to the mean and inverse deviation of training features, one array a unit."""
    if getattr(model.head, "mix", None) is not None:  # the mix moves, and with it what would be standardised
        return
    inputs = _inputs(model, rows)
    deviation = inputs.std(0)
    model.head.shift.copy_(torch.from_numpy(inputs.mean(0)))
    model.head.scale.copy_(torch.from_numpy(1.0 / np.where(deviation > 1e-6, deviation, 1.0)))


def solve(
    model: PooledClassifier,
    train: ReplayUnits,
    validation: ReplayUnits,
    *,
    smoothing: float = 0.0,
    selection: str = "accuracy",
) -> float:
    """Fit the output layer by multinomial logistic regression; the L2 penalty is chosen on validation.

    Args:
        model: its head must be linear, and standardised.
        train: stored features with class ids as targets.
        validation: likewise; the stronger penalty wins a tie.
        smoothing: share of a target that is spread evenly over the classes.
        selection: the score on validation that chooses, see `label_score`.

    Returns:
        The chosen inverse penalty.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    x, y = _standardised(model, train), np.asarray(train.encoded.targets)
    x_validation, y_validation = _standardised(model, validation), np.asarray(validation.encoded.targets)
    weights = np.asarray(train.encoded.weights)
    if smoothing:
        x, y, weights = _smoothed(x, y, weights, smoothing)
    fitted = LogisticRegression(max_iter=1000, tol=1e-3)
    score, best, strength = label_score(selection), -math.inf, 0.0
    with threadpool_limits(1):  # each step is too small for several: they would only wait for each other
        for tried in STRENGTHS:
            fitted.set_params(C=tried).fit(x, y, sample_weight=weights)
            found = float(score(y_validation, fitted.predict(x_validation), sample_weight=validation.encoded.weights))
            if found > best:
                best, strength = found, tried
                _write(model, fitted.coef_, fitted.intercept_, fitted.classes_)
    log.info("linear head solved by L-BFGS, C=%g chosen on validation", strength)
    return strength


@torch.no_grad()
def _inputs(model: PooledModel, rows: Sequence[np.ndarray]) -> np.ndarray:
    copies = [torch.tensor(row) for row in rows]  # what is stored is read-only
    stacked: np.ndarray = model.stacked(copies).numpy()
    return stacked


def _standardised(model: PooledClassifier, units: ReplayUnits) -> np.ndarray:
    shift, scale = model.head.shift.numpy(), model.head.scale.numpy()
    result: np.ndarray = (_inputs(model, units.rows) - shift) * scale
    return result


def _smoothed(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray, smoothing: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each row once for each class, weighted by the share of its target: scikit-learn takes no soft targets."""
    classes = np.unique(y)
    shares = (1 - smoothing) * (y[:, None] == classes) + smoothing / len(classes)
    return np.repeat(x, len(classes), axis=0), np.tile(classes, len(y)), (weights[:, None] * shares).ravel()


@torch.no_grad()
def _write(model: PooledClassifier, weights: np.ndarray, bias: np.ndarray, classes: np.ndarray) -> None:
    """Copy the solution; with two classes scikit-learn keeps one row, the log-odds of the second class."""
    output = model.head.output
    if len(classes) == 2:
        weights, bias = np.concatenate([-weights / 2, weights / 2]), np.concatenate([-bias / 2, bias / 2])
    output.weight.zero_()
    output.bias.fill_(-1e4)  # a class that train lacks is never predicted
    output.weight[classes] = torch.from_numpy(weights).to(output.weight)
    output.bias[classes] = torch.from_numpy(bias).to(output.bias)
