"""Measure a source on rows of train: by a cross-validated probe on its frozen features, and by H-score and LogME."""

from typing import Any

import numpy as np
from accelerate import Accelerator
from accelerate.utils import set_seed

from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.tasks import SolvedAs
from nlp_transfer.data.splits import TrainRows
from nlp_transfer.errors import ConfigError
from nlp_transfer.evaluation.ranking import MeasuredSource
from nlp_transfer.evaluation.transferability import h_score, log_me
from nlp_transfer.evaluation.verdicts import name_source
from nlp_transfer.inference.activations import PooledModel, find_boundary
from nlp_transfer.inference.layer_mean import POOLED, Features, read_features
from nlp_transfer.models.anatomy import find_encoder
from nlp_transfer.models.encoding.batches import Encoded
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.models.portable.sentence_scorer import SentenceScorer
from nlp_transfer.models.source import LoadedModel
from nlp_transfer.runs.prepare import open_model
from nlp_transfer.system.caches import find_cache_folder
from nlp_transfer.system.progress import Clock
from nlp_transfer.task import Prediction, Task, apply_calibration
from nlp_transfer.training.crossing import cross_validate
from nlp_transfer.training.regression import Rows


def measure_source(
    config: RunConfig, task: Task, train: TrainRows, accelerator: Accelerator, *, progress: bool
) -> MeasuredSource:
    """Measure the source of a configuration, whose strategy is `frozen`.

    Args:
        config: of a frozen run; its source is measured.
        task: of the configuration.
        train: the rows to measure on.
        accelerator: says where and in which number format to compute.
        progress: show bars.

    Raises:
        SourceError: the source cannot be loaded.
        ConfigError: the task or its options leave no fixed features to probe.
    """
    clock = Clock()
    set_seed(config.training.seed)  # whatever is drawn at random does not depend on the sources before
    source, loaded, tokenizers = open_model(config, task, train.rows)
    encoded = task.encode(train.rows, tokenizers, training=True)
    model = require_pooled(loaded, task)
    clock.note("open")

    units = TokenInputs(encoded, source.tokenizer.pad_token_id)
    with accelerator.autocast():
        model.to(accelerator.device)
        features = read_features(model, units, find_cache_folder(), has_layers=source.has_layers, progress=progress)
    clock.note("features")

    rows = _make_rows(features, encoded, sentences=isinstance(model, SentenceScorer))
    said = answer_unseen(task, tokenizers, train, encoded, rows, features.items)
    clock.note("probe")
    scores = _measure_fit(features, encoded, rows, task.solved_as or "identity")
    clock.note("scores")

    held = list(find_encoder(model).module.parameters())
    return MeasuredSource(
        source=name_source(config.source) + (" (scratch)" if config.source.scratch else ""),
        kind=config.source.kind,
        **scores,
        width=features.read.shape[1],
        parameters=sum(one.numel() for one in held),
        size=sum(one.numel() * one.element_size() for one in held),
        seconds=clock.seconds,
        computed=features.computed,
        hits=[float(hit) for hit in task.hits(said, train.rows)],
    )


def require_pooled(loaded: LoadedModel, task: Task) -> PooledModel:
    """Return the model if its features are fixed and can be probed.

    Raises:
        ConfigError: they cannot; the message names the key to change.
    """
    model = loaded.model
    if not isinstance(model, PooledModel):
        raise ConfigError(
            f"task.head: {type(model).__name__} has no pooled features to compare; leave task.head.kind out, or set it "
            "to pooled"
        )
    if find_boundary(model, loaded.new) != POOLED:
        raise ConfigError("source: a part of it is new and would have to be trained before it can be compared")
    if task.solved_as is None and not isinstance(model, SentenceScorer):
        raise ConfigError(f"task.name: {type(task).__name__} declares no solved_as, by which a probe could be solved")
    return model


def _make_rows(features: Features, encoded: Encoded, *, sentences: bool) -> Rows:
    """Pair each item with its target and weight. A unit has one target, or one for each of its sentences."""
    targets = encoded.targets
    assert targets is not None  # noqa: S101 - rows of train have answers
    if sentences:
        targets = np.concatenate([np.asarray(one)[:count] for one, count in zip(targets, features.items, strict=True)])
    return Rows(features.read, np.asarray(targets), np.repeat(encoded.weights, features.items))


def answer_unseen(
    task: Task, tokenizers: Tokenizers, train: TrainRows, encoded: Encoded, rows: Rows, items: np.ndarray
) -> list[Prediction]:
    """Answer each row of train by a probe that has not seen it; what is calibrated has not seen it either.

    Args:
        task: of the probe.
        tokenizers: of the model.
        train: the rows, with their folds.
        encoded: the same as units.
        rows: features and targets of all items.
        items: (units,) the number of items of each unit.
    """
    owners = np.repeat(encoded.example, items)
    outputs = cross_validate(
        rows,
        train.folds[owners],
        solved_as=task.solved_as or "identity",
        count=len(task.labels) or 1,
        selection=task.selection,
        weighing=task.chooses_weights,
    )

    # As a model gives them: the outputs of a unit, or the scores of its sentences.
    results: list[list[Any]] = [[] for _ in range(encoded.examples)]
    for example, one in zip(encoded.example, np.split(outputs, np.cumsum(items)[:-1]), strict=True):
        results[example].append(one[0] if task.solved_as else one[:, 0])

    said: list[Prediction] = [{} for _ in results]
    for fold in np.unique(train.folds):
        others, held = np.flatnonzero(train.folds != fold), np.flatnonzero(train.folds == fold)
        settled = apply_calibration(task, [results[row] for row in others], train.rows.select(others))
        answers = settled.decode([results[row] for row in held], train.rows.select(held), tokenizers)
        for row, answer in zip(held, answers, strict=True):
            said[row] = answer
    return said


def _measure_fit(features: Features, encoded: Encoded, rows: Rows, solved_as: SolvedAs) -> dict[str, float | None]:
    """Compute the scores on the mean of all layers: of each row, over its units, or of each sentence."""
    means, targets = features.layer_mean, rows.y
    if len(means) == len(encoded.example):  # no sentences
        counts = np.bincount(encoded.example)
        sums = np.zeros((len(counts), means.shape[1]))
        np.add.at(sums, encoded.example, means)
        first = np.searchsorted(encoded.example, np.arange(len(counts)))
        means, targets = sums / counts[:, None], targets[first]

    match solved_as:
        case "softmax":
            return {"h_score": h_score(means, targets), "log_me": log_me(means, targets[:, None] == np.unique(targets))}
        case "sigmoid":
            columns = targets[:, np.ptp(targets, axis=0) > 0]
            if not columns.size:
                return {"h_score": None, "log_me": None}
            classes = [h_score(means, column) for column in columns.T]
            return {"h_score": float(np.mean(classes)), "log_me": log_me(means, columns)}
        case "identity":  # no classes
            numbers = targets.reshape(len(targets), -1).astype(np.float64)
            return {"h_score": None, "log_me": log_me(means, (numbers - numbers.mean(0)) / numbers.std(0))}
