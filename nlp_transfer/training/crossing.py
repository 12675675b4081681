"""Cross-validate a linear probe on fixed features: answer each row by a solution that has not seen it."""

import numpy as np

from nlp_transfer.config.tasks import SolvedAs
from nlp_transfer.evaluation.one_thread import use_one_thread
from nlp_transfer.training.regression import Rows, fit_outputs
from nlp_transfer.training.solver import choose_solution, weigh

LEAST_DEVIATION = 1e-6  # a feature that deviates less is left as it is


def cross_validate(
    rows: Rows,
    folds: np.ndarray,
    *,
    solved_as: SolvedAs,
    count: int,
    selection: str = "accuracy",
    weighing: bool = False,
) -> np.ndarray:
    """Answer the rows of each fold by a regression on the others.

    The next fold chooses the penalty, and how far classes count alike where that is open; then the solution is fitted
    again to all folds but the one to be answered.

    Args:
        rows: features, not standardised, with targets and weights.
        folds: (N,) the fold of each row, from 0.
        solved_as: as in `nlp_transfer.training.solver.solve`.
        count: the number of classes or outputs.
        selection: the score that chooses among penalties of classes.
        weighing: choose also how far classes count alike.

    Returns:
        (N, outputs) logits, or numbers.
    """
    answers = np.zeros((len(rows.y), count))
    total = int(folds.max()) + 1

    for fold in range(total):
        held, judging = folds == fold, folds == (fold + 1) % total
        known = _standardise(rows, ~held & ~judging)
        chosen = choose_solution(
            _select(known, ~held & ~judging),
            _select(known, judging),
            solved_as=solved_as,
            count=count,
            selection=selection,
            weighing=weighing,
        )

        known = _standardise(rows, ~held)
        with use_one_thread():
            others = weigh(_select(known, ~held), chosen.share)
            (solution,) = fit_outputs(others, [chosen.strength], count, solved_as=solved_as)
        answers[held] = solution.predict(known.x[held])
    return answers


def _standardise(rows: Rows, known: np.ndarray) -> Rows:
    """Shift and scale all features by the mean and deviation of the known rows."""
    mean, deviation = rows.x[known].mean(0), rows.x[known].std(0)
    return rows._replace(x=(rows.x - mean) / np.where(deviation > LEAST_DEVIATION, deviation, 1.0))


def _select(rows: Rows, chosen: np.ndarray) -> Rows:
    return Rows(rows.x[chosen], rows.y[chosen], rows.weights[chosen])
