"""Choose the rows whose labels would teach a model most: those it is least sure of, and different ones among them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nlp_transfer.evaluation.one_thread import use_one_thread

UNSURE = 10  # least sure rows that are grouped, for each row to choose; as Zhdanov 2019 has it
LEAST_DEVIATION = 1e-6  # a feature that deviates less is left as it is


def measure_margin(answer: Mapping[str, Any]) -> float:
    """Measure how sure an answer with probabilities is, from 0: the lead of the likeliest label over the next one.

    Where each label has a threshold, it is the distance of the probability that is nearest to its own.
    """
    probabilities: Mapping[str, float] = answer["probabilities"]
    if thresholds := answer.get("thresholds"):
        return min(abs(value - float(thresholds[label])) for label, value in probabilities.items())
    *_, second, first = sorted(probabilities.values())
    return first - second


def choose_rows(features: np.ndarray, margins: Sequence[float], budget: int, *, seed: int = 0) -> list[int]:
    """Choose rows to label: the ten times as many of least margin, in groups, and of each group the middle one.

    From Zhdanov 2019 (Diverse mini-batch active learning): K-means with a group for each row to choose, in which a row
    counts the more, the less sure it is. The order is by the weight of the groups, so that who stops early has labelled
    for the largest.

    Args:
        features: (N, F), not standardised.
        margins: (N,) from 0, see `measure_margin`.
        budget: how many to choose; all are, if there are no more.
        seed: of the grouping.

    Returns:
        The numbers of the rows, the most important first.
    """
    from sklearn.cluster import KMeans

    unsure = np.argsort(np.asarray(margins), kind="stable")[: UNSURE * budget]
    deviation = features.std(0)
    x = (features[unsure] - features.mean(0)) / np.where(deviation > LEAST_DEVIATION, deviation, 1.0)
    weights = 1 - np.asarray(margins)[unsure] + LEAST_DEVIATION

    # Equal rows would leave groups empty: one of each is grouped.
    _, first = np.unique(x, axis=0, return_index=True)
    count = min(budget, len(first))
    with use_one_thread():
        grouped = KMeans(count, n_init=1, random_state=seed).fit(x, sample_weight=weights)
    distances = np.linalg.norm(x - grouped.cluster_centers_[grouped.labels_], axis=1)
    heaviest = np.argsort(-np.bincount(grouped.labels_, weights, minlength=count), kind="stable")

    chosen = []
    for group in heaviest.tolist():
        members = np.flatnonzero(grouped.labels_ == group)
        if len(members):
            chosen.append(int(unsure[members[distances[members].argmin()]]))
    taken = set(chosen)
    left = [row for row in unsure.tolist() if row not in taken]
    return chosen + left[: min(budget, len(unsure)) - len(chosen)]
