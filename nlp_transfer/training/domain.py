"""Move the solution of a linear head towards another domain, of which there are features without labels.

Importance weights and CORAL change the rows to learn from before the head is solved; self-training solves it again. The
head stays one linear layer in each of them, so nothing is added to the model.
"""

import logging
from collections.abc import Iterator

import numpy as np

from nlp_transfer.config.tasks import SolvedAs
from nlp_transfer.evaluation.one_thread import use_one_thread
from nlp_transfer.strategies import Adaptation
from nlp_transfer.training.regression import Rows, Solution, fit_outputs

log = logging.getLogger(__name__)
DOMAIN_STRENGTH = 0.01  # inverse penalty of the classifier that tells the domains apart
LARGEST_LOGIT = 50.0  # its exponential is far above any clip
RIDGE = 1.0  # added to the variance of each standardised feature (Sun et al. 2016, algorithm 1)


def change_rows(way: Adaptation, known: Rows, judges: Rows, there: Rows) -> tuple[Rows, Rows]:
    """Change the rows to learn from, and those that choose the penalty, as far as the way of adaptation asks for it.

    Args:
        way: what to do.
        known: standardised rows with targets.
        judges: the same, of validation.
        there: rows of the other domain, standardised by the same shift and scale; their targets mean nothing.
    """
    match way.kind:
        case "importance":
            return weigh(known, judges, there, clip=way.clip)
        case "coral":
            return recolour(known, judges, there)
    return known, judges


def weigh(known: Rows, judges: Rows, there: Rows, *, clip: float) -> tuple[Rows, Rows]:
    """Weigh rows by how much likelier they are in the other domain: by the odds of a classifier of the two domains.

    Importance weighting (Shimodaira 2000) by a logistic regression (Bickel et al. 2007, Discriminative learning for
    differing training and test distributions). Weights are clipped, and their mean is 1.
    """
    sides = np.repeat([0, 1], [len(known.x), len(there.x)])
    both = Rows(np.concatenate([known.x, there.x]), sides, np.concatenate([known.weights, there.weights]))
    with use_one_thread():
        (told,) = fit_outputs(both, [DOMAIN_STRENGTH], 2, solved_as="softmax")

    def weigh_rows(rows: Rows) -> Rows:
        here, elsewhere = told.predict(rows.x).T
        odds = np.exp(np.minimum(elsewhere - here, LARGEST_LOGIT))
        odds = np.minimum(odds / odds.mean(), clip)
        return rows._replace(weights=rows.weights * (odds / odds.mean()).astype(rows.weights.dtype))

    weighed = weigh_rows(known)
    worth = weighed.weights.sum() ** 2 / (weighed.weights**2).sum()
    log.info("importance weights: the %d rows of train are worth %.0f of equal weight", len(known.x), worth)
    return weighed, weigh_rows(judges)


def recolour(known: Rows, judges: Rows, there: Rows) -> tuple[Rows, Rows]:
    """Give features the mean and covariance of the other domain: whiten them, then colour them anew.

    CORAL (Sun et al. 2016, Return of frustratingly easy domain adaptation).
    """
    move = _take_power(known, -0.5) @ _take_power(there, 0.5)
    start, end = known.x.mean(0), there.x.mean(0)

    def move_rows(rows: Rows) -> Rows:
        return rows._replace(x=((rows.x - start) @ move + end).astype(rows.x.dtype))

    return move_rows(known), move_rows(judges)


def _take_power(rows: Rows, power: float) -> np.ndarray:
    """Take a power of the covariance of features, with `RIDGE` on its diagonal: (F, F)."""
    covariance = np.cov(rows.x, rowvar=False, aweights=rows.weights) if len(rows.x) > 1 else 0.0
    values, vectors = np.linalg.eigh(np.atleast_2d(covariance) + RIDGE * np.eye(rows.x.shape[1]))
    result: np.ndarray = (vectors * values**power) @ vectors.T
    return result


def follow_confident(
    way: Adaptation,
    solution: Solution,
    known: Rows,
    there: Rows,
    *,
    strength: float,
    solved_as: SolvedAs,
    smoothing: float,
) -> Solution:
    """Solve the head again in each round, with its own most confident answers in the other domain as labels.

    The same share of the texts of each predicted label is taken, so that an easy label does not crowd out the others;
    it grows from round to round (Zou et al. 2018, Unsupervised domain adaptation for semantic segmentation via
    class-balanced self-training). Of texts with several labels the least sure one counts, and no balance is kept.
    """
    for share in np.linspace(*way.confident, way.rounds):
        said = solution.predict(there.x)
        taken = np.concatenate(list(_take_surest(said, share, solved_as)))
        targets = said.argmax(1) if solved_as == "softmax" else (said > 0).astype(known.y.dtype)

        added = Rows(there.x[taken], targets[taken], there.weights[taken])
        both = Rows(*(np.concatenate(pair) for pair in zip(known, added, strict=True)))
        with use_one_thread():
            (solution,) = fit_outputs(both, [strength], said.shape[1], solved_as=solved_as, smoothing=smoothing)

    log.info("self-training: %d rounds, in the last of them on %d of %d texts", way.rounds, len(taken), len(there.x))
    return solution


def _take_surest(said: np.ndarray, share: float, solved_as: SolvedAs) -> Iterator[np.ndarray]:
    """Yield the numbers of the rows with the surest answers: a share of those with each answer, one at least.

    Args:
        said: (N, outputs) logits.
        share: of the rows of an answer.
        solved_as: `softmax` for one label a row, else `sigmoid`.
    """
    if solved_as == "softmax":
        sure = said.max(1) - np.logaddexp.reduce(said, axis=1)  # the logarithm of the probability
        answers = said.argmax(1)
    else:
        sure, answers = np.abs(said).min(1), np.zeros(len(said), dtype=int)

    for answer in np.unique(answers):
        rows = np.flatnonzero(answers == answer)
        yield rows[np.argsort(-sure[rows], kind="stable")][: max(1, round(share * len(rows)))]
