"""Find test rows whose label is probably wrong, by what a model that has not seen them thinks.

Northcutt, Jiang & Chuang 2021, Confident learning: a row is a suspect if the model takes it for another label with
more confidence than it has in the mean for rows of that label.
"""

from collections.abc import Sequence

import numpy as np

from nlp_transfer.evaluation.html_report.recorded import Answered


def find_suspects(answered: Sequence[Answered], labels: Sequence[str]) -> list[Answered]:
    """Find the rows whose label is suspect, the clearest first.

    Args:
        answered: rows of test, with the probability of each label and the label that they have.
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
    every = np.arange(len(rows))
    usual = np.array([likely[given == i, i].mean() if (given == i).any() else np.inf for i in range(len(labels))])

    sure = np.where(likely >= usual, likely, -1.0)
    best = sure.argmax(1)
    suspect = (sure[every, best] > 0) & (best != given)
    margin = likely[every, best] - likely[every, given]
    order = sorted(np.flatnonzero(suspect).tolist(), key=lambda row: -margin[row])
    return [rows[row] for row in order]
