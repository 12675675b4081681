"""Find rows whose label is probably wrong, by what a model that has not seen them thinks.

Northcutt, Jiang & Chuang 2021, Confident learning: a row counts for the label that the model gives it with no less
confidence than it gives that label in the mean to the rows that have it. So the number of wrong labels is estimated;
which they are is told by the margin, so that no row stands in the list before one of which the model is surer.
"""

from collections.abc import Sequence

import numpy as np

from nlp_transfer.evaluation.html_report.recorded import Answered


def find_suspects(answered: Sequence[Answered], labels: Sequence[str]) -> list[Answered]:
    """Find the rows whose label is suspect, the clearest first.

    Args:
        answered: rows with the probability of each label and the label that they have.
        labels: in order.

    Returns:
        Rows that the model answers otherwise; none if it gives no probabilities.
    """
    place = {label: i for i, label in enumerate(labels)}
    rows = [
        one for one in answered if one.right in place and place.keys() <= one.details.get("probabilities", {}).keys()
    ]
    if not rows:
        return []

    likely = np.array([[one.details["probabilities"][label] for label in labels] for one in rows])
    given = np.array([place[one.right] for one in rows])
    margin = likely.max(1) - likely[np.arange(len(rows)), given]
    order = np.argsort(-margin, kind="stable")[: estimate_wrong(likely, given)]
    return [rows[row] for row in order if margin[row] > 0]


def estimate_wrong(likely: np.ndarray, given: np.ndarray) -> int:
    """Estimate how many labels are wrong, by the confident joint of the paper, scaled to all rows of each label.

    Args:
        likely: (N, C) probabilities of a model that has not seen the rows; it may be too modest or too sure.
        given: (N,) the labels that the rows have.
    """
    count = likely.shape[1]
    usual = np.array([likely[given == i, i].mean() if (given == i).any() else np.inf for i in range(count)])
    sure = np.where(likely >= usual, likely, -1.0)
    counted = sure.max(1) > 0
    joint = np.zeros((count, count))
    np.add.at(joint, (given[counted], sure.argmax(1)[counted]), 1)

    rows, kept = np.bincount(given, minlength=count), np.maximum(joint.sum(1), 1)
    return round(float((rows * (1 - np.diag(joint) / kept))[joint.sum(1) > 0].sum()))
