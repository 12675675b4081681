"""Make a classifier's confidence honest: fit a temperature on validation, and put it into the last layer."""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import PreTrainedModel

from nlp_transfer.config.tasks import LABELLED
from nlp_transfer.evaluation.confidence import (
    FEWEST,
    choose_temperature,
    list_answers,
    list_log_frequencies,
    measure_confidence,
)
from nlp_transfer.evaluation.metrics_file import Confidence
from nlp_transfer.models.anatomy import change_outputs, find_output_layer
from nlp_transfer.models.classification import mean_logits
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.runs.measure import infer_split
from nlp_transfer.runs.prepare import Prepared
from nlp_transfer.strategies import Plan

log = logging.getLogger(__name__)
TRIED = 8  # units of validation, the shortest, that show whether the layer that was found gives the logits
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the log-frequencies, to try
TOLERANCE = 1e-3  # relative


class Calibration(NamedTuple):
    """What the logits are divided by, and why; before, each is lowered by a share of its label's log-frequency."""

    temperature: float
    note: str
    rebalanced: float = 0.0


def decide_answers(
    prepared: Prepared, plan: Plan, model: PreTrainedModel, *, otherwise: bool, progress: bool
) -> tuple[Prepared, Calibration, list[list[Any]] | None]:
    """Fit the temperature of the logits, then choose the calibrated options, such as thresholds, by validation.

    Args:
        prepared: the run.
        plan: of its training.
        model: that the training left, which is changed.
        otherwise: validation was judged otherwise than it will be answered, so infer it in any case.
        progress: show bars.

    Returns:
        The run with its options, what was fitted, and the raw results for validation; None if they are as before.
    """
    if not (otherwise or prepared.task.undecided or _is_fitted(prepared)):
        return prepared, Calibration(1.0, find_obstacle(prepared) or ""), None
    return settle_answers(prepared, model, infer_split(prepared, model, "validation", plan, progress=progress))


def settle_answers(
    prepared: Prepared, model: PreTrainedModel, results: Sequence[Sequence[Any]]
) -> tuple[Prepared, Calibration, list[list[Any]]]:
    """Do what `decide_answers` does where validation is inferred already; `results` are the raw ones for it."""
    calibration, found = Calibration(1.0, find_obstacle(prepared) or ""), [*map(list, results)]
    if _is_fitted(prepared):
        calibration, found = calibrate_model(prepared, model, results)
    return prepared.calibrate(found), calibration, found


def _is_fitted(prepared: Prepared) -> bool:
    """Tell whether the logits are to be calibrated."""
    return bool(prepared.task.probabilities) and (not find_obstacle(prepared) or is_rebalanced(prepared))


def find_obstacle(prepared: Prepared) -> str | None:
    """Say why no temperature is to be fitted, as far as that is known before validation is inferred; None if it is."""
    training, rows = prepared.config.training, len(prepared.splits.validation)
    if training.temperature == "none":
        return "not fitted, as training.temperature says"
    if training.label_smoothing:
        return "not fitted: training.label_smoothing has set the confidence"
    if rows < FEWEST:
        return f"not fitted: {rows} rows of validation are too few, {FEWEST} are needed"
    return None


def is_rebalanced(prepared: Prepared) -> bool:
    """Tell whether logits are to be rebalanced: the user wants it, and there are rows of validation enough."""
    wanted = prepared.config.training.rebalance == "auto" and prepared.task.probabilities == "softmax"
    if wanted and (rows := len(prepared.splits.validation)) < FEWEST:
        log.warning("training.rebalance: not done: %d rows of validation are too few, %d are needed", rows, FEWEST)
        return False
    return wanted


def calibrate_model(
    prepared: Prepared, model: PreTrainedModel, results: Sequence[Sequence[Any]]
) -> tuple[Calibration, list[list[Any]]]:
    """Rebalance the logits if that is wanted, fit a temperature to those of validation, and change the last layer so.

    Returns:
        What was found, and the results as the model gives them now.
    """
    frequencies = list_log_frequencies(prepared.splits.report.splits["train"].labels, prepared.task.labels)
    share = _choose_share(prepared, results, frequencies) if is_rebalanced(prepared) else 0.0
    shift = share * frequencies
    shifted = [[unit - shift for unit in units] for units in results] if share else results

    found, note = 1.0, find_obstacle(prepared) or ""
    if not note:
        found, note = choose_temperature(*_list_answers(prepared, shifted, "validation"), len(results))
    if (share or found != 1.0) and not _change_logits(prepared, model, found, shift):
        return Calibration(1.0, f"not fitted: the head of {type(model).__name__} ends in no linear layer"), [
            *map(list, results)
        ]
    return Calibration(found, note, share), [[unit / found for unit in units] for units in shifted]


def _choose_share(prepared: Prepared, results: Sequence[Sequence[Any]], frequencies: np.ndarray) -> float:
    """Choose the share of the log-frequencies to take off (Menon et al. 2021, Long-tail learning via logit adjustment).

    All of them make the labels count alike, as balanced class weights do. Of equally good ones the least is chosen.
    """

    def score(share: float) -> float:
        said = prepared.decode([[unit - share * frequencies for unit in units] for units in results], "validation")
        return float(prepared.task.score(said, prepared.splits.validation)[prepared.task.selection])

    chosen = max(SHARES, key=score)
    log.info("logits are lowered by %g of their label's log-frequency, chosen on validation", chosen)
    return chosen


def measure_test(prepared: Prepared, results: Sequence[Sequence[Any]], calibration: Calibration) -> Confidence:
    """Measure how far confidence can be trusted, by the results for test, and log it."""
    temperature, note, share = calibration
    found = measure_confidence(*_list_answers(prepared, results, "test"), temperature, note)
    before = "" if temperature == 1 else f", without it {found.error_before:.4f}"
    log.info("temperature %g, %s; expected calibration error on test %.4f%s", temperature, note, found.error, before)
    return found.model_copy(update={"rebalanced": share}) if share else found


def _list_answers(prepared: Prepared, results: Sequence[Sequence[Any]], split: str) -> tuple[np.ndarray, np.ndarray]:
    task, rows = prepared.task, getattr(prepared.splits, split)
    assert task.probabilities is not None  # noqa: S101 - the caller saw to it
    role = next(role for role, kind in task.roles.items() if kind in LABELLED)
    return list_answers(mean_logits(results), rows[role][:], task.probabilities)


def _change_logits(prepared: Prepared, model: PreTrainedModel, temperature: float, shift: np.ndarray) -> bool:
    """Lower and divide the logits of a model, and tell whether they are; if not, the model stays as it was."""
    found = find_output_layer(model, len(prepared.task.labels))
    if found is None:
        return False

    encoded = prepared.encoded["validation"]
    units = TokenInputs(encoded, prepared.tokenizers.source.pad_token_id)
    chosen = np.argsort(encoded.lengths, kind="stable")[:TRIED]
    layer = found[1]
    kept = [one.clone() for one in layer.parameters()]

    before = _infer(prepared, model, units, chosen)
    change_outputs(layer, temperature, shift.tolist() if shift.any() else ())
    after = _infer(prepared, model, units, chosen) * temperature + shift
    if np.allclose(after, before, rtol=TOLERANCE, atol=TOLERANCE * float(np.abs(before).max())):
        return True
    with torch.no_grad():
        for parameter, value in zip(layer.parameters(), kept, strict=True):
            parameter.copy_(value)
    return False


@torch.inference_mode()
def _infer(prepared: Prepared, model: PreTrainedModel, units: TokenInputs, chosen: np.ndarray) -> np.ndarray:
    """Infer the logits of some units, (units, labels)."""
    training = model.training
    model.eval()
    batch = units.make_batch(chosen).to(next(model.parameters()).device)
    found = np.stack(prepared.task.infer(model, batch))
    model.train(training)
    return found
