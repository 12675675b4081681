"""Let rare classes count more in a loss: as they are, all alike, or half way."""

import numpy as np

SHARES = (0.0, 0.5, 1.0)  # to try: none, the square root of the balanced weights, balanced


def weigh_classes(labels: np.ndarray, share: float, weights: np.ndarray | None = None) -> np.ndarray:
    """Weigh rows by their class: n / (classes x rows of the class), to the power of `share`.

    Args:
        labels: (N,) class ids.
        share: 0 leaves the rows as they are, with 1 all classes count alike.
        weights: (N,) what each row counts before, as one of several windows of a document; by default 1.

    Returns:
        (N,) the new weights.
    """
    before = np.ones(len(labels)) if weights is None else weights
    if not share:
        return before
    counts = np.bincount(labels, weights=before)
    balanced = counts.sum() / (np.count_nonzero(counts) * counts[labels])
    result: np.ndarray = before * balanced**share
    return result
