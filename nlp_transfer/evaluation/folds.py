"""Deal rows of train to folds, each of which is held out in turn: what the others teach is judged on it."""

from collections.abc import Iterator

import numpy as np

from nlp_transfer.data import splitting

FOLDS = 5


def deal_folds(targets: np.ndarray, example: np.ndarray) -> np.ndarray:
    """Deal rows to `FOLDS` folds, in which classes have equal shares; all windows of a document get into one.

    Args:
        targets: (N,) or (N, outputs).
        example: (N,) the number of the document that each row belongs to.

    Returns:
        (N,) the fold of each row; there are fewer of them than `FOLDS` if there are fewer documents.
    """
    strata = targets if targets.ndim == 1 else np.zeros(len(targets))
    return splitting.deal_folds(example, strata, FOLDS, seed=None)


def hold_out(folds: np.ndarray) -> Iterator[np.ndarray]:
    """Yield a mask (N,) of the rows of each fold; nothing if nothing is left to learn from."""
    for fold in np.unique(folds):
        out = folds == fold
        if not out.all():
            yield out
