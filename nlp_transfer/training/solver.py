"""A linear head on fixed features has one best solution, which needs no epochs: that of a generalised linear model."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from nlp_transfer.config.tasks import SolvedAs
from nlp_transfer.evaluation.class_weights import SHARES, weigh_classes
from nlp_transfer.evaluation.folds import deal_folds, hold_out
from nlp_transfer.evaluation.metrics import find_score
from nlp_transfer.evaluation.one_thread import use_one_thread
from nlp_transfer.inference.activations import PooledModel
from nlp_transfer.models.data_units import Rescaled
from nlp_transfer.models.encoding.units import CachedInputs
from nlp_transfer.models.portable.pooled import PooledClassifier
from nlp_transfer.strategies import Adaptation
from nlp_transfer.training.domain import change_rows, follow_confident
from nlp_transfer.training.regression import Rows, Solution, fit_outputs

log = logging.getLogger(__name__)
STRENGTHS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # inverse L2 penalties to try
FEW = 100  # examples of validation; fewer do not choose a penalty alone, and train is cross-validated beside them


@dataclass(frozen=True)
class Choice:
    """What was chosen for a head that is solved.

    Attributes:
        strength: the inverse penalty.
        share: how far classes count alike, see `weigh_classes`; 0 also where that was not to be chosen.
        scores: each share that was tried -> the best score with it.
        solution: fitted so to all rows of train.
        judges: how many examples have judged, in all.
    """

    strength: float
    share: float
    scores: Mapping[float, float]
    solution: Solution
    judges: int = 0

    def describe(self) -> dict[str, Any]:
        """Describe it for the record of an epoch; the class weights only where they were chosen."""
        said: dict[str, Any] = {"inverse_penalty": self.strength}
        if len(self.scores) > 1:
            scores = {f"{share:g}": score for share, score in self.scores.items()}
            said["class_weights"] = {"share": self.share, "scores": scores, "rows": self.judges}
        return said


def standardise(model: PooledModel, rows: Sequence[np.ndarray]) -> None:
    """Set shift and scale of the head by the mean and deviation of training features, an array for each unit."""
    if getattr(model.head, "mix", None) is not None:  # a trained mix of layers changes the features while it trains
        return
    inputs = _stack_inputs(model, rows)
    deviation = inputs.std(0)
    model.head.shift.copy_(torch.from_numpy(inputs.mean(0)))
    model.head.scale.copy_(torch.from_numpy(1.0 / np.where(deviation > 1e-6, deviation, 1.0)))


def solve(
    model: PooledClassifier,
    train: CachedInputs,
    validation: CachedInputs,
    *,
    solved_as: SolvedAs = "softmax",
    smoothing: float = 0.0,
    selection: str = "accuracy",
    weighing: bool = False,
    towards: tuple[Adaptation, CachedInputs] | None = None,
) -> Choice:
    """Solve the output layer by the regression that has the task's loss; validation chooses the L2 penalty.

    Where validation has fewer than `FEW` examples, train judges too: each of its rows is answered by a solution that
    has seen neither it nor another window of its document. Penalties of classes are judged by the selection score.
    Those of label sets and numbers are judged by the loss, which needs no thresholds.

    Args:
        model: its head must be linear and standardised.
        train: stored features with targets, as `TaskDeclaration.solved_as` says.
        validation: the same for validation; of two equal results the stronger penalty is chosen.
        solved_as: `softmax` for multinomial logistic regression, `sigmoid` for one logistic regression for each output,
            `identity` for ridge regression.
        smoothing: share of a target that is spread evenly over the classes.
        selection: the score that chooses among penalties of classes, see `find_score`.
        weighing: choose also how far classes count alike.
        towards: how to move towards another domain, and features of it.
    """
    known, judges = _apply_standard(model, train), _apply_standard(model, validation)
    way, there = (None, None) if towards is None else (towards[0], _apply_standard(model, towards[1]))
    if way and there:
        known, judges = change_rows(way, known, judges, there)
    examples = validation.encoded.examples  # documents, not their windows
    few = examples < FEW
    chosen = choose_solution(
        known,
        judges,
        solved_as=solved_as,
        count=model.head.output.out_features,
        smoothing=smoothing,
        selection=selection,
        weighing=weighing,
        folds=deal_folds(known.y, train.encoded.example) if few else None,
    )
    solution = chosen.solution
    if way and there and way.kind == "self_training":
        weighed = weigh(known, chosen.share)
        solution = follow_confident(
            way, solution, weighed, there, strength=chosen.strength, solved_as=solved_as, smoothing=smoothing
        )
    _write(model, solution)
    how = "in closed form" if solved_as == "identity" else "by L-BFGS"
    by = f"cross-validation on train too, for {examples} rows are too few ({FEW})" if few else "validation"
    log.info("linear head solved %s, C=%g chosen by %s", how, chosen.strength, by)
    judged = examples + train.encoded.examples if few else examples
    if weighing:
        tried = ", ".join(f"{share:g}: {score:.4f}" for share, score in chosen.scores.items())
        log.info("class weights: %g of balanced ones, by %s on %d rows (%s)", chosen.share, selection, judged, tried)
    return replace(chosen, judges=judged)


def solve_again(
    model: PooledClassifier,
    train: CachedInputs,
    validation: CachedInputs,
    chosen: Choice,
    *,
    solved_as: SolvedAs = "softmax",
    smoothing: float = 0.0,
) -> None:
    """Solve the output layer on the rows of validation too, by what was chosen before; else as `solve`."""
    parts = [_apply_standard(model, units) for units in (train, validation)]
    rows = weigh(Rows(*(np.concatenate(columns) for columns in zip(*parts, strict=True))), chosen.share)
    log.info("solved again on train and validation together, %d rows, after validation has judged", len(rows.y))
    with use_one_thread():
        count = model.head.output.out_features
        (solution,) = fit_outputs(rows, (chosen.strength,), count, solved_as=solved_as, smoothing=smoothing)
    _write(model, solution)


def choose_solution(
    known: Rows,
    judges: Rows,
    *,
    solved_as: SolvedAs,
    count: int,
    smoothing: float = 0.0,
    selection: str = "accuracy",
    weighing: bool = False,
    folds: np.ndarray | None = None,
) -> Choice:
    """Fit a solution to `known` for each strength, and choose the one that does best on `judges`.

    Of equally good ones the one with the least share of class weights is chosen, then that with the stronger penalty.

    Args:
        known: standardised rows to learn from.
        judges: other rows, standardised by the same shift and scale.
        solved_as: as in `solve`.
        count: the number of classes or outputs.
        smoothing: as in `solve`.
        selection: as in `solve`.
        weighing: as in `solve`; try each of `SHARES` with each strength.
        folds: (N,) the fold of each row of `known`; each is held out in turn, and judges beside `judges`.
    """
    parts = [(known, judges), *([] if folds is None else _divide(known, folds))]
    held = Rows(*(np.concatenate(columns) for columns in zip(*(out for _, out in parts), strict=True)))
    match solved_as:
        case "softmax":
            score = _score_classes(held, selection)
        case "sigmoid":
            score = _negate_loss(held, _compute_cross_entropy)
        case "identity":
            score = _negate_loss(held, _square_error)

    shares = SHARES if weighing else (0.0,)
    settings = [(share, strength) for share in shares for strength in STRENGTHS]

    def fit(rows: Rows) -> list[Solution]:
        return [
            one
            for share in shares
            for one in fit_outputs(weigh(rows, share), STRENGTHS, count, solved_as=solved_as, smoothing=smoothing)
        ]

    with use_one_thread():
        fitted = [fit(rows) for rows, _ in parts]
    said = [[one.predict(out.x) for one in tried] for tried, (_, out) in zip(fitted, parts, strict=True)]
    scores = np.array([score(np.concatenate(answers)) for answers in zip(*said, strict=True)])
    best = int(np.argmax(scores))
    by_share = scores.reshape(len(shares), -1).max(1)
    share, strength = settings[best]
    return Choice(strength, share, dict(zip(shares, by_share.tolist(), strict=True)), fitted[0][best])


def weigh(rows: Rows, share: float) -> Rows:
    """Let classes count alike as far as a share says; see `weigh_classes`."""
    return rows._replace(weights=weigh_classes(rows.y, share, rows.weights)) if share else rows


def _divide(known: Rows, folds: np.ndarray) -> Iterator[tuple[Rows, Rows]]:
    """Yield the rows without a fold, and that fold, for each fold."""
    for out in hold_out(folds):
        yield Rows(*(column[~out] for column in known)), Rows(*(column[out] for column in known))


@torch.no_grad()
def _stack_inputs(model: PooledModel, rows: Sequence[np.ndarray]) -> np.ndarray:
    copies = [torch.tensor(row) for row in rows]  # stored rows are read-only
    stacked: np.ndarray = model.stacked(copies).numpy()
    return stacked


def _apply_standard(model: PooledClassifier, units: CachedInputs) -> Rows:
    shift, scale = model.head.shift.numpy(), model.head.scale.numpy()
    x = (_stack_inputs(model, units.rows) - shift) * scale
    return Rows(x, np.asarray(units.encoded.targets), np.asarray(units.encoded.weights))


def _score_classes(judges: Rows, selection: str) -> Callable[[np.ndarray], float]:
    """Make a function that scores logits (N, classes) by the classes that they predict."""
    score = find_score(selection)
    return lambda said: float(score(judges.y, said.argmax(1), sample_weight=judges.weights))


def _negate_loss(judges: Rows, loss: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[[np.ndarray], float]:
    """Make a function that scores outputs by their negative loss; `loss` takes outputs and targets (N, outputs)."""
    true = judges.y.reshape(len(judges.y), -1)
    return lambda said: -float(np.average(loss(said, true).mean(1), weights=judges.weights))


def _compute_cross_entropy(said: np.ndarray, true: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.logaddexp(0, said) - said * true
    return result


def _square_error(said: np.ndarray, true: np.ndarray) -> np.ndarray:
    result: np.ndarray = (said - true) ** 2
    return result


@torch.no_grad()
def _write(model: PooledClassifier, solution: Solution) -> None:
    output = model.head.output
    output.weight.copy_(torch.from_numpy(solution.weights))
    output.bias.copy_(torch.from_numpy(solution.bias))
    if isinstance(output, Rescaled):  # targets are in the units of the data
        output.take_data_units()
