"""Classifiers and regressors: the checkpoint's own head, or pooled states of any encoder under a small head."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification

from nlp_transfer.models.data_units import find_deviation, standardise_target
from nlp_transfer.models.encoding.batches import Batch
from nlp_transfer.models.encoding.text_pairs import settle_frame
from nlp_transfer.models.layer_choice import Layers, reading
from nlp_transfer.models.portable.pooled import PooledClassifier, PooledConfig
from nlp_transfer.models.source import LoadedModel, Source

NUMBER = "LABEL_0"  # as transformers calls the one output of a regression


def build_classifier(
    source: Source,
    labels: Sequence[str],
    *,
    head: Literal["native", "pooled"],
    pooling: Sequence[str] = ("mean",),
    layers: Layers = "last",
    frozen: bool = False,
    hidden: Sequence[int] = (),
    dropout: float = 0.1,
    several: bool = False,
    pair: Literal["together", "apart"] | None = None,
    numbers: Sequence[float] | None = None,
) -> LoadedModel:
    """Put a classification head on a source, or take the one that it brings.

    Args:
        source: any.
        labels: class names, in the order of their ids.
        head: `native` is the one its architecture has in `transformers`; `pooled` fits every source, and a run of ours
            may bring one that is the same.
        pooling: any of cls, mean, max; several are concatenated.
        layers: which the head reads; see `nlp_transfer.models.layer_choice`.
        frozen: whether the encoder stays as it is, for `layers: auto`.
        hidden: units of hidden layers with ReLU.
        dropout: before each linear layer of a pooled head.
        several: a text may have any number of the labels, each with a probability of its own.
        pair: two texts are read: `together` in one unit, or `apart`, which needs a pooled head.
        numbers: of train, where the model is to answer with a number in place of a label.

    Raises:
        ConfigError: a layer the encoder lacks; or the head, which is to give a number, ends in no linear layer.
    """
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
    kind: dict[str, Any] = {}  # a pooled head of one label of several is known as such without a word
    if several:
        kind = {"problem_type": "multi_label_classification"}
    elif numbers is not None:
        names, kind = {"id2label": {0: NUMBER}, "label2id": {NUMBER: 0}}, {"problem_type": "regression"}
    elif head == "native":
        kind = {"problem_type": "single_label_classification"}
    if head == "native":
        built = source.model(AutoModelForSequenceClassification, **names, **kind)
    else:
        encoder = source.encoder()
        config = PooledConfig(
            encoder=encoder.values(),
            pooling=list(pooling),
            hidden=list(hidden),
            dropout=dropout,
            pairs=pair == "apart",
            pad_token_id=source.tokenizer.pad_token_id,
            **reading(source, encoder.model, layers, frozen=frozen, key="task.head.layers"),
            **names,
            **kind,
        )

        if isinstance(source.config, PooledConfig) and source.config.shape == config.shape:
            built = source.model(
                AutoModelForSequenceClassification, **names, **{"problem_type": None, **kind}, dropout=dropout
            )
        else:
            built = encoder.under(PooledClassifier(config, encoder.model))

    if pair is not None:
        settle_frame(source.tokenizer, built.model, apart=pair == "apart")
    return built if numbers is None else _give_number(built, numbers)


def _give_number(built: LoadedModel, numbers: Sequence[float]) -> LoadedModel:
    """Let a model with one output learn in units of the deviation of numbers, and answer in theirs.

    The output layer counts as new even where the checkpoint brings it, for that learned in other units.
    """
    path, layer = standardise_target(built.model, numbers)
    output = {f"{path}.weight", f"{path}.bias"}
    if not output.isdisjoint(built.new):
        return replace(built, new=built.new | output)

    if len(numbers):
        layer.take_data_units()
    return replace(built, new=built.new | output, note="head: starts as the checkpoint's own, which gives one number")


def classification_loss(model: nn.Module, batch: Batch, *, smoothing: float = 0.0) -> Tensor:
    """Sum weighted cross-entropies (), with logits in single precision."""
    logits = model(**batch.inputs).logits.float()
    if batch.targets is None:
        raise ValueError("a batch without labels has no loss")
    losses = nn.functional.cross_entropy(logits, batch.targets, reduction="none", label_smoothing=smoothing)
    return (losses * batch.weights).sum()


def number_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Sum the weighted squared errors (), in units of the deviation of the numbers that the model was built for."""
    if batch.targets is None:
        raise ValueError("a batch without numbers has no loss")
    said = model(**batch.inputs).logits.float().flatten()
    errors = (said - batch.targets.to(said).flatten()) / find_deviation(model)
    loss: Tensor = (errors.square() * batch.weights).sum()
    return loss


def label_set_loss(model: nn.Module, batch: Batch, *, smoothing: float = 0.0) -> Tensor:
    """Sum the weighted mean binary cross-entropies (), of logits in single precision and targets (B, labels)."""
    logits = model(**batch.inputs).logits.float()
    if batch.targets is None:
        raise ValueError("a batch without labels has no loss")
    targets = batch.targets * (1 - smoothing) + smoothing / 2
    losses = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(1)
    return (losses * batch.weights).sum()


def classification_logits(model: nn.Module, batch: Batch) -> list[Any]:
    """Collect one row of logits (classes,) per unit, on the CPU."""
    return list(model(**batch.inputs).logits.float().cpu().numpy())


def mean_probabilities(
    results: Sequence[Sequence[Any]], labels: Sequence[str], *, several: bool = False
) -> list[dict[str, float]]:
    """Compute the softmax of the mean logits of each example's units, by label name; a sigmoid of each if `several`."""
    counts = np.array([len(units) for units in results])
    sums = np.add.reduceat(np.stack([unit for units in results for unit in units]), np.cumsum(counts) - counts)
    logits = torch.from_numpy(sums / counts[:, None])
    rows = (logits.sigmoid() if several else logits.softmax(-1)).tolist()
    return [dict(zip(labels, row, strict=True)) for row in rows]


def balanced_importance(labels: Sequence[int]) -> np.ndarray:
    """Weigh examples so that each class counts alike, (examples,): n / (classes x examples of the class)."""
    counts = np.bincount(labels)
    present = np.count_nonzero(counts)
    weights: np.ndarray = len(labels) / (present * counts[np.asarray(labels)])
    return weights
