"""Score how well features suit labels without training anything: H-score and LogME.

Both read features and targets of train alone. A higher score is better; scores of other rows cannot be compared.
"""

import math

import numpy as np

ENOUGH = 1e-6  # relative change of the ratio of the two precisions at which LogME has settled
ROUNDS = 200  # at most, to settle; ten are usual


def h_score(features: np.ndarray, classes: np.ndarray) -> float:
    """Compute the H-score with a shrunk covariance: tr(cov(f)^-1 (1 - a) cov(E[f | y])).

    It is the H-score of Bao et al. 2019 (An information-theoretic approach to transferability in task transfer
    learning, definition 2). The covariance is shrunk by the share `a` of Ledoit & Wolf 2004, as Ibrahim et al. 2021
    propose (Newer is not always better, section 4): else it is of no use where rows are few.

    Args:
        features: (N, F), N > 1.
        classes: (N,) the class of each row, integers.

    Returns:
        A number from 0 to the number of classes less 1. It does not change when features are shifted, rotated or scaled
        by one factor.
    """
    from sklearn.covariance import LedoitWolf

    centred = features.astype(np.float64) - features.mean(0, dtype=np.float64)
    fitted = LedoitWolf(assume_centered=True, store_precision=False).fit(centred)

    # The covariance of the class means is a sum over classes: no matrix of it is needed.
    _, owner, counts = np.unique(classes, return_inverse=True, return_counts=True)
    means = np.zeros((len(counts), centred.shape[1]))
    np.add.at(means, owner, centred)
    means /= counts[:, None]

    explained = (means * np.linalg.lstsq(fitted.covariance_, means.T, rcond=None)[0].T).sum(1)
    return float((1 - fitted.shrinkage_) * explained @ counts / len(classes))


def log_me(features: np.ndarray, targets: np.ndarray) -> float:
    """Compute LogME: the mean over targets of the greatest log-evidence of a linear model, for each row.

    From You et al. 2021 (LogME: practical assessment of pre-trained models for transfer learning, section 4), with the
    iteration of You et al. 2022 (Ranking and tuning pre-trained models, algorithm 3). Weights are drawn from N(0, 1/a),
    targets have noise of N(0, 1/b), and a and b are those under which the targets are likeliest.

    Args:
        features: (N, F).
        targets: (N, outputs) the columns to explain: one of zeros and ones for each class or label, or numbers.

    Returns:
        It does not change when features are rotated or scaled by one factor. Numbers that are scaled by c shift it by
        -log c, for all features alike.
    """
    directions, singular, _ = np.linalg.svd(features.astype(np.float64), full_matrices=False)
    energy = singular**2
    if energy.max(initial=0.0) > 0:
        energy = energy / energy.max()  # a factor in all features changes nothing, and so the floors below fit any
    kept = energy > 1e-12
    columns = targets.astype(np.float64)
    return float(np.mean([_find_evidence(energy[kept], directions[:, kept].T @ one, one) for one in columns.T]))


def _find_evidence(energy: np.ndarray, along: np.ndarray, target: np.ndarray) -> float:
    """Find the greatest log-evidence of one target for each row.

    Args:
        energy: (K,) squared singular values of the features.
        along: (K,) the target along the directions of these.
        target: (N,).
    """
    rows, squares = len(target), along**2
    beyond = max(float(target @ target - squares.sum()), 0.0)  # what no weights can explain
    floor = 1e-12 * max(float(target @ target), 1e-300)

    ratio = 1.0  # a / b
    for _ in range(ROUNDS):
        used = float((energy / (energy + ratio)).sum())  # the effective number of weights
        length = float((energy * squares / (energy + ratio) ** 2).sum())  # of the weights, squared
        error = float((squares * (ratio / (energy + ratio)) ** 2).sum()) + beyond
        alpha, beta = used / max(length, floor), (rows - used) / max(error, floor)
        before, ratio = ratio, min(max(alpha / beta, 1e-12), 1e12)
        if abs(ratio - before) <= ENOUGH * before:
            break

    beta = rows / (float((squares * ratio / (energy + ratio)).sum()) + beyond + floor)  # the best one for this ratio
    determinant = float(np.log1p(energy / ratio).sum())
    return (rows * math.log(beta) - rows - determinant - rows * math.log(2 * math.pi)) / (2 * rows)
