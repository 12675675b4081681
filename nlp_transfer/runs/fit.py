"""Fit a model for a caller who measures it: trained and calibrated as by `run`, but with no test and no run folder."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from accelerate import Accelerator

from nlp_transfer.config.run import RunConfig
from nlp_transfer.models.data_units import write_in_data_units
from nlp_transfer.runs.answering.predictor import Predictor
from nlp_transfer.runs.calibrate import decide_answers
from nlp_transfer.runs.prepare import Prepared, prepare
from nlp_transfer.runs.run import name_causes, use_threads
from nlp_transfer.runs.train import make_accelerator, open_checkpoints, train
from nlp_transfer.strategies import Plan
from nlp_transfer.system.alone import claim_process
from nlp_transfer.training.history import History


def fit(config: RunConfig, *, progress: bool = False) -> Predictor:
    """Train on train, and choose the state on validation, which is cut from train where it is missing.

    Args:
        config: of one seed. Its `output` is not used: while this trains, its checkpoints are in a temporary folder.
        progress: show bars.

    Raises:
        ConfigError: another training is at work in this process.
        TransferError: as `run`.
    """
    with claim_process(), name_causes(), use_threads(config.training.threads):
        prepared = prepare(config, tested=False)
        plan, accelerator, _ = _train(prepared, progress=progress)

        model = write_in_data_units(plan.finish(plan.model))
        otherwise = accelerator.mixed_precision != "no" or bool(prepared.task.sample)
        prepared, *_ = decide_answers(prepared, plan, model, otherwise=otherwise, progress=progress)
        return Predictor(prepared.task, model, prepared.tokenizers, {})


def validate(
    config: RunConfig,
    check: Callable[[Prepared, Plan], None],
    watch: Callable[[Mapping[str, float]], None],
    *,
    progress: bool,
) -> float:
    """Train as `run` would, and return the validation score of the state that is kept; test is not answered.

    Args:
        config: of one seed.
        check: is given what was prepared and planned, before it trains.
        watch: is given the scores of each look at validation; what it raises ends the training.
        progress: show bars.

    Raises:
        TransferError: as `run`.
    """
    with name_causes(), use_threads(config.training.threads):
        prepared = prepare(config)
        *_, history = _train(prepared, check, watch, progress=progress)
        return float(history.scores[prepared.task.selection])


def _train(
    prepared: Prepared,
    check: Callable[[Prepared, Plan], None] | None = None,
    watch: Callable[[Mapping[str, float]], None] | None = None,
    *,
    progress: bool,
) -> tuple[Plan, Accelerator, History]:
    """Train in a temporary folder; return the plan with the model, and what happened."""
    with tempfile.TemporaryDirectory(prefix="nlp-transfer-") as name:
        training, folder = prepared.config.training, Path(name)
        accelerator = make_accelerator(training, folder, None)
        plan = prepared.adapt()
        if check is not None:
            check(prepared, plan)
        checkpoints = open_checkpoints(prepared.list_contents(), training, plan, accelerator, folder, None)
        history = train(prepared, plan, accelerator, folder, checkpoints, watch=watch, progress=progress)
        return plan, accelerator, history
