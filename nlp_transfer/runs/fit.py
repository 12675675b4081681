"""Fit a model for a caller who measures it: trained and calibrated as by `run`, but with no test and no run folder."""

import tempfile
from pathlib import Path

from nlp_transfer.config.sections import RunConfig
from nlp_transfer.models.data_units import write_in_data_units
from nlp_transfer.runs.calibrate import decide_answers
from nlp_transfer.runs.predictor import Predictor
from nlp_transfer.runs.prepare import Prepared, prepare
from nlp_transfer.runs.run import name_causes, use_threads
from nlp_transfer.runs.train import make_accelerator, open_checkpoints, train
from nlp_transfer.system.alone import claim_process


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
        with tempfile.TemporaryDirectory(prefix="nlp-transfer-") as folder:
            return _train(prepared, Path(folder), progress=progress)


def _train(prepared: Prepared, folder: Path, *, progress: bool) -> Predictor:
    accelerator = make_accelerator(prepared.config.training, folder, None)
    plan = prepared.adapt()
    checkpoints = open_checkpoints(prepared.list_contents(), prepared.config.training, plan, accelerator, folder, None)
    train(prepared, plan, accelerator, folder, checkpoints, progress=progress)

    model = write_in_data_units(plan.finish(plan.model))
    otherwise = accelerator.mixed_precision != "no" or bool(prepared.task.sample)
    prepared, *_ = decide_answers(prepared, plan, model, otherwise=otherwise, progress=progress)
    return Predictor(prepared.task, model, prepared.tokenizers, {})
