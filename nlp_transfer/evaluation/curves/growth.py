"""Follow a score as the rows of train grow: how many rows it takes to reach it, and what more rows would bring."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

FEWEST_FITTED = 5  # sizes that a power law needs
FARTHEST = 4  # times the largest size; an extrapolation goes no further
STEEPEST = -5.0  # exponent of a power law


def find_rows_needed(sizes: ArrayLike, means: ArrayLike, wanted: ArrayLike) -> np.ndarray:
    """Find the rows of train with which a method reaches some scores.

    The curve is made to rise (isotonic regression, each size weighing alike), then read backwards by a monotone cubic
    (Fritsch & Carlson 1980) over the logarithm of the rows.

    Args:
        sizes: (sizes,) rows of train, increasing.
        means: (sizes,) the scores of the method at these.
        wanted: (scores,) the scores to reach.

    Returns:
        (scores,) the least rows; infinite if it is not reached, the smallest size if that reaches it already.
    """
    from scipy.interpolate import PchipInterpolator  # slow to import
    from scipy.optimize import isotonic_regression

    wanted = np.asarray(wanted, dtype=np.float64)
    levels, first = np.unique(isotonic_regression(means).x, return_index=True)
    rows = np.log(np.asarray(sizes, dtype=np.float64)[first])

    within = np.clip(wanted, levels[0], levels[-1])
    logarithms = PchipInterpolator(levels, rows)(within) if len(levels) > 2 else np.interp(within, levels, rows)
    return np.where(wanted > levels[-1], np.inf, np.exp(logarithms))


@dataclass(frozen=True)
class PowerLaw:
    """The score of a method at n rows: ceiling - scale * n ** exponent (Figueroa et al. 2012).

    Figueroa, Zeng-Treitler, Kandula & Ngo, Predicting sample size required for classification performance.

    Attributes:
        ceiling: what the score tends to.
        scale: how far below the ceiling one row would be.
        exponent: negative; how fast the score gets there.
    """

    ceiling: float
    scale: float
    exponent: float

    def predict(self, rows: ArrayLike) -> np.ndarray:
        """Predict the score at these rows of train."""
        return np.asarray(self.ceiling - self.scale * np.asarray(rows, dtype=np.float64) ** self.exponent)


def fit_power_law(sizes: Sequence[int], means: ArrayLike, *, highest: float) -> PowerLaw | None:
    """Fit a power law by least squares, the j-th of m sizes with the weight j / m: the largest sizes count most.

    Args:
        sizes: rows of train, increasing.
        means: (sizes,) the scores at these.
        highest: the score that cannot be exceeded.

    Returns:
        None if no law was found.
    """
    from scipy.optimize import curve_fit  # slow to import

    rows, scores = np.asarray(sizes, dtype=np.float64), np.asarray(means, dtype=np.float64) / highest
    weights = np.arange(1, len(rows) + 1) / len(rows)
    top, gained = scores.max(), max(np.ptp(scores), 1e-3)

    def compute(n: np.ndarray, ceiling: float, scale: float, exponent: float) -> np.ndarray:
        return np.asarray(ceiling - scale * n**exponent)

    def derive(n: np.ndarray, ceiling: float, scale: float, exponent: float) -> np.ndarray:  # noqa: ARG001 - as above
        return np.stack([np.ones_like(n), -(n**exponent), -scale * n**exponent * np.log(n)], axis=1)

    start = (min(1.0, top + gained / 4), gained * rows[0] ** 0.5, -0.5)
    try:
        (ceiling, scale, exponent), _ = curve_fit(
            compute,
            rows,
            scores,
            p0=start,
            sigma=weights**-0.5,
            bounds=([-1.0, 0.0, STEEPEST], [1.0, np.inf, 0.0]),
            jac=derive,
            ftol=1e-6,
            x_scale=(0.1, start[1], 0.5),
        )
    except RuntimeError:  # it does not converge
        return None
    return PowerLaw(float(ceiling * highest), float(scale * highest), float(exponent))
