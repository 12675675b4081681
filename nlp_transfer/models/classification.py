"""Build classifiers and regressors, with the checkpoint's own head or a small head on pooled states of any encoder."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification

from nlp_transfer.errors import ConfigError
from nlp_transfer.models.data_units import find_deviation, standardise_target
from nlp_transfer.models.encoding.batches import Batch
from nlp_transfer.models.encoding.text_pairs import settle_frame
from nlp_transfer.models.layer_choice import Layers, choose_layers
from nlp_transfer.models.portable.pooled import OWN, PooledClassifier, PooledConfig
from nlp_transfer.models.source import LoadedModel, OwnEmbedding, Source

REGRESSION_LABEL = "LABEL_0"  # the name that transformers gives to the output of a regression


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
    """Put a classification head on a source, or use the one that it brings.

    Args:
        source: the pretrained part.
        labels: class names, in the order of their ids.
        head: `native` for the head that the architecture has in `transformers`; `pooled` for one that fits every
            source. A finished run as a source may bring a pooled head of the same shape, which is used.
        pooling: any of cls, mean, max; several are concatenated. Or `own` alone, for the embedding that the modules of
            a sentence-transformers folder make, which stay as they are.
        layers: the layers that the head reads; see `nlp_transfer.models.layer_choice`.
        frozen: whether the encoder stays as it is, for `layers: auto`.
        hidden: the widths of hidden layers with ReLU.
        dropout: before each linear layer of a pooled head.
        several: whether a text may have any number of labels, each with a probability of its own.
        pair: how two texts are read: `together` in one unit, or `apart`, which needs a pooled head; None: one text.
        numbers: the numbers of train, for a model that answers with a number instead of a label.

    Raises:
        ConfigError: the encoder lacks a layer, or the source an embedding of its own; or a head that should answer with
            a number ends in no linear layer.
    """
    # What the configuration says about the outputs. For a pooled head, one label for each text is the default.
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
    kind: dict[str, Any] = {}
    if several:
        kind = {"problem_type": "multi_label_classification"}
    elif numbers is not None:
        names, kind = (
            {"id2label": {0: REGRESSION_LABEL}, "label2id": {REGRESSION_LABEL: 0}},
            {"problem_type": "regression"},
        )
    elif head == "native":
        kind = {"problem_type": "single_label_classification"}

    if head == "native":
        built = source.model(AutoModelForSequenceClassification, **names, **kind)
    else:
        encoder = source.encoder()
        own = _require_embedding(source) if OWN in pooling else None
        config = PooledConfig(
            encoder=encoder.values(),
            pooling=list(pooling),
            hidden=list(hidden),
            dropout=dropout,
            pairs=pair == "apart",
            embedding=own.values if own else None,
            pad_token_id=source.tokenizer.pad_token_id,
            **choose_layers(source, encoder.model, layers, frozen=frozen, key="task.head.layers"),
            **names,
            **kind,
        )

        if isinstance(source.config, PooledConfig) and source.config.shape == config.shape:
            built = source.model(
                AutoModelForSequenceClassification, **names, **{"problem_type": None, **kind}, dropout=dropout
            )
        else:
            model = PooledClassifier(config, encoder.model)
            if own and model.embedding is not None:
                model.embedding.load_state_dict(dict(own.tensors), strict=bool(own.tensors))
            built = replace(encoder.under(model), note=own.note if own else "")

    if pair is not None:
        settle_frame(source.tokenizer, built.model, apart=pair == "apart")
    return built if numbers is None else _give_number(built, numbers)


def _require_embedding(source: Source) -> OwnEmbedding:
    """Return the source's own embedding.

    Raises:
        ConfigError: it has none, or one of which not all is computed here.
    """
    found = source.embedding
    if found is None or not found.whole:
        lacking = "is no sentence-transformers folder" if found is None else f"has {', '.join(found.strange)}"
        raise ConfigError(f"task.head.pooling: own cannot be computed, for '{source.name}' {lacking}; take mean or cls")
    return found


def _give_number(built: LoadedModel, numbers: Sequence[float]) -> LoadedModel:
    """Let a model with one output learn standardised numbers, and answer in the units of the data.

    The output layer counts as new even if the checkpoint brings it, because that one has learned other units.
    """
    path, layer = standardise_target(built.model, numbers)
    output = {f"{path}.weight", f"{path}.bias"}
    if not output.isdisjoint(built.new):
        return replace(built, new=built.new | output)

    if len(numbers):
        layer.take_data_units()
    return replace(built, new=built.new | output, note="head: starts as the checkpoint's own, which gives one number")


def classification_loss(model: nn.Module, batch: Batch, *, smoothing: float = 0.0) -> Tensor:
    """Sum the weighted cross-entropies of a batch to one number (), with logits in single precision."""
    logits = model(**batch.inputs).logits.float()
    if batch.targets is None:
        raise ValueError("a batch without labels has no loss")
    losses = nn.functional.cross_entropy(logits, batch.targets, reduction="none", label_smoothing=smoothing)
    return (losses * batch.weights).sum()


def number_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Sum the weighted squared errors of a batch to one number (), in units of the training numbers' deviation."""
    if batch.targets is None:
        raise ValueError("a batch without numbers has no loss")
    said = model(**batch.inputs).logits.float().flatten()
    errors = (said - batch.targets.to(said).flatten()) / find_deviation(model)
    loss: Tensor = (errors.square() * batch.weights).sum()
    return loss


def label_set_loss(model: nn.Module, batch: Batch, *, smoothing: float = 0.0) -> Tensor:
    """Sum the weighted binary cross-entropies of a batch to one number (), each the mean over all labels."""
    logits = model(**batch.inputs).logits.float()
    if batch.targets is None:
        raise ValueError("a batch without labels has no loss")
    targets = batch.targets * (1 - smoothing) + smoothing / 2
    losses = nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(1)
    return (losses * batch.weights).sum()


def classification_logits(model: nn.Module, batch: Batch) -> list[Any]:
    """Compute a row of logits (classes,) for each unit, and move them to the CPU."""
    return list(model(**batch.inputs).logits.float().cpu().numpy())


def mean_probabilities(
    results: Sequence[Sequence[Any]], labels: Sequence[str], *, several: bool = False
) -> list[dict[str, float]]:
    """Compute probabilities by label from the mean logits of each example's units: softmax, or sigmoid if `several`."""
    logits = torch.from_numpy(mean_logits(results))
    rows = (logits.sigmoid() if several else logits.softmax(-1)).tolist()
    return [dict(zip(labels, row, strict=True)) for row in rows]


def mean_logits(results: Sequence[Sequence[Any]]) -> np.ndarray:
    """Average the logits of each example's units: (examples, labels)."""
    counts = np.array([len(units) for units in results])
    sums = np.add.reduceat(np.stack([unit for units in results for unit in units]), np.cumsum(counts) - counts)
    means: np.ndarray = sums / counts[:, None]
    return means


def choose_likeliest(probabilities: Mapping[str, float]) -> dict[str, Any]:
    """Answer with the likeliest label; its probability is the confidence."""
    label = max(probabilities, key=lambda name: probabilities[name])
    return {"label": label, "confidence": probabilities[label], "probabilities": probabilities}


def balanced_importance(labels: Sequence[int]) -> np.ndarray:
    """Weigh examples so that all classes count the same, (examples,): n / (classes x examples of the class)."""
    counts = np.bincount(labels)
    present = np.count_nonzero(counts)
    weights: np.ndarray = len(labels) / (present * counts[np.asarray(labels)])
    return weights
