"""Score predicted numbers by their correlation with the true ones."""

from collections.abc import Sequence

import numpy as np

from nlp_transfer.config.tasks import Scores
from nlp_transfer.evaluation.metrics import check_paired


def number_scores(predictions: Sequence[float], references: Sequence[float]) -> Scores:
    """Score predicted numbers.

    Args:
        predictions: a number for each example.
        references: the true numbers, in the same order.

    Returns:
        `{"spearman", "pearson", "mean_absolute_error"}`. A correlation is 0 if all numbers of one side are equal. The
        error is in the units of the data.

    Raises:
        DataError: there is nothing to score, or the lists have unequal lengths.
    """
    check_paired(predictions, references)
    return {
        "spearman": float(np.mean(correlation_each(predictions, references, ranked=True))),
        "pearson": float(np.mean(correlation_each(predictions, references))),
        "mean_absolute_error": float(np.abs(np.subtract(predictions, references)).mean()),
    }


def correlation_each(predictions: Sequence[float], references: Sequence[float], *, ranked: bool = False) -> list[float]:
    """Compute the share of each example in Pearson's correlation, or in Spearman's if `ranked`. Their mean is that.

    The shares are the influence values (Devlin, Gnanadesikan & Kettenring 1975, Robust estimation and outlier detection
    with correlation coefficients), so resampling them shows how much the correlation depends on the examples.
    """
    from scipy.stats import rankdata, zscore  # half a second to import

    sides = [np.asarray(one, dtype=np.float64) for one in (predictions, references)]
    if any(np.ptp(side) == 0 for side in sides):  # its deviation would be divided by
        return [0.0] * len(sides[0])
    said, true = (zscore(rankdata(side) if ranked else side) for side in sides)
    products = said * true
    correlation = products.mean()
    return list(map(float, correlation + products - correlation * (said**2 + true**2) / 2))
