"""Answer the rows of train of a frozen run by heads that have not seen them, so that their labels can be doubted."""

import sys
from pathlib import Path

import numpy as np
from accelerate.utils import set_seed

from nlp_transfer.config.load import load_saved
from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.tasks import TaskDeclaration
from nlp_transfer.data.locations import refuse_gone
from nlp_transfer.data.report import may_be_same
from nlp_transfer.data.splits import TrainRows, load_train
from nlp_transfer.errors import ConfigError, DataError
from nlp_transfer.evaluation.html_report.recorded import Answered, make_answer
from nlp_transfer.evaluation.metrics_file import Metrics, read_metrics
from nlp_transfer.inference.activations import open_store, replay
from nlp_transfer.inference.layer_mean import POOLED, stack_features
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.runs.measure import describe_answer
from nlp_transfer.runs.prepare import open_model
from nlp_transfer.runs.ranking.measure_source import answer_unseen, require_pooled
from nlp_transfer.runs.run import use_threads
from nlp_transfer.runs.train import make_accelerator
from nlp_transfer.system.alone import claim_process
from nlp_transfer.system.caches import find_cache_folder
from nlp_transfer.task import Task, make_task
from nlp_transfer.training.regression import Rows

FOLDS = 5


def answer_train(folder: Path, task: type[TaskDeclaration] | None = None) -> list[Answered]:
    """Answer the rows of train of a finished run, each by a head that was solved without it.

    The features of a frozen encoder do not depend on labels, so cross-validation of the head is enough; the run has
    left them in the cache.

    Args:
        folder: of the run.
        task: of the run, where that is none of ours; see `load`.

    Raises:
        ConfigError: answers are no single labels, or the run has no frozen features under a solved head.
        DataError: the rows are gone, or have changed since the training.
        SourceError: the source of the run cannot be loaded.
    """
    config, metrics = load_saved(folder, task), read_metrics(folder)
    _refuse_strategy(config, folder)
    train = _read_train(config, metrics)
    kind = make_task(config.task_class, config.task, train.labels)

    with claim_process(), use_threads(config.training.threads):
        set_seed(metrics.seed)
        return _answer(folder, config, kind, train)


def _refuse_strategy(config: RunConfig, folder: Path) -> None:
    """Refuse a run whose model has learned from the labels of all rows of train, or gives no single label."""
    kind, strategy = config.task_class, config.strategy.kind
    if "label" not in kind.roles.values() or kind.solved_as != "softmax":
        raise ConfigError(f"train_labels: task '{config.task.name}' has no single label for each row; leave it out")
    if strategy != "frozen":
        raise ConfigError(
            f"train_labels: the model of {folder} has learned from the labels of train by strategy '{strategy}', so it "
            "cannot doubt them; train a run of strategy 'frozen' on the same rows, and name that"
        )


def _read_train(config: RunConfig, metrics: Metrics) -> TrainRows:
    """Read train again, dealt to folds that share no text and no group.

    Raises:
        DataError: see `answer_train`.
    """
    kind = config.task_class
    refuse_gone(config.data.train)
    train = load_train(
        config.data, kind.roles, most=sys.maxsize, folds=FOLDS, inputs=kind.input_roles(), seed=metrics.seed
    )
    if not may_be_same(metrics.data.splits["train"].fingerprint, train.fingerprint):
        raise DataError(f"{train.origin}: the train rows are not those that the run was trained with")
    return train


def _answer(folder: Path, config: RunConfig, task: Task, train: TrainRows) -> list[Answered]:
    source, loaded, tokenizers = open_model(config, task, train.rows)
    encoded = task.encode(train.rows, tokenizers, training=True)
    model = require_pooled(loaded, task)
    quiet = config.training.model_copy(update={"tracker": "none"})
    accelerator = make_accelerator(quiet, folder, None)

    with accelerator.autocast():
        model.to(accelerator.device)
        store = open_store(model, POOLED, find_cache_folder())
        found = replay(model, TokenInputs(encoded, source.tokenizer.pad_token_id), POOLED, store)
    if found is None:
        raise ConfigError("train_labels: the features of train do not fit into memory; leave it out")

    rows = Rows(stack_features(model, list(found.rows)), np.asarray(encoded.targets), np.asarray(encoded.weights))
    said = answer_unseen(task, tokenizers, train, encoded, rows, np.ones(len(found.rows), dtype=np.int64))
    return [
        make_answer(describe_answer(row, one, task), type(task), {}) for row, one in zip(train.rows, said, strict=True)
    ]
