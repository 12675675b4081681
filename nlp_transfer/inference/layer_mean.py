"""Compute, in one pass over frozen texts, what a head reads and the mean of all layers beside it.

The first is stored as a frozen run stores it, so that either finds what the other has computed.
"""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nlp_transfer.inference.activations import PooledModel, compute, open_store
from nlp_transfer.models.encoding.units import Boundary, TokenInputs
from nlp_transfer.models.portable.pooled import POOLINGS, PooledClassifier, pool

POOLED = Boundary("pooled")
MEAN = POOLINGS.index("mean")


class Features(NamedTuple):
    """Features of all units. A unit is one item; or several, its sentences, where a model scores these.

    Attributes:
        read: (items, F) what the head reads, not standardised.
        layer_mean: (items, F') mean-pooled states, averaged over all layers; of two texts u and v as a head compares
            them: u, v, |u - v| and u * v.
        items: (units,) the number of items of each unit.
        computed: the number of units that no store held.
    """

    read: np.ndarray
    layer_mean: np.ndarray
    items: np.ndarray
    computed: int


def read_features(
    model: PooledModel, units: TokenInputs, cache: Path, *, has_layers: bool, progress: bool = True
) -> Features:
    """Look up or compute the features of all units.

    Args:
        model: a head on an encoder, of which nothing moves.
        units: the inputs.
        cache: the folder of stored features.
        has_layers: False for a table of vectors, whose only state is the mean of all.
        progress: show a bar.
    """
    inputs = units.encoded.inputs
    one_pass = _OnePass(model, units, has_layers=has_layers, progress=progress)
    read = mean = open_store(model, POOLED, cache).fill(inputs, one_pass.compute_read)
    if has_layers:
        with _read_all_layers(model):
            store = open_store(model, POOLED, cache)
        mean = store.fill(inputs, one_pass.compute_mean)

    pooled = isinstance(model, PooledClassifier)
    items = np.array([1 if pooled else len(row) for row in read])
    return Features(stack_features(model, read), _select_mean(model, mean), items, len(one_pass.fresh))


class _OnePass:
    """Compute both kinds of features of a unit at once, and keep them for the second store that asks."""

    def __init__(self, model: PooledModel, units: TokenInputs, *, has_layers: bool, progress: bool) -> None:
        self.model, self.units = model, units
        self.has_layers, self.progress = has_layers, progress
        self.fresh: dict[int, np.ndarray] = {}

    def compute_read(self, chosen: np.ndarray) -> list[np.ndarray]:
        """Compute what the head reads, as a run would store it."""
        rows = self._compute(chosen)
        return [np.ascontiguousarray(self._split(row)[0]) for row in rows] if self.has_layers else rows

    def compute_mean(self, chosen: np.ndarray) -> list[np.ndarray]:
        """Compute the pooled mean of all layers, as a run would store it whose head reads that."""
        return [np.ascontiguousarray(self._split(row)[1]) for row in self._compute(chosen)]

    def _compute(self, chosen: np.ndarray) -> list[np.ndarray]:
        left = np.array([unit for unit in chosen.tolist() if unit not in self.fresh], dtype=np.int64)
        if len(left):
            with _add_layer_mean(self.model) if self.has_layers else contextlib.nullcontext():
                rows = compute(self.model, self.units, POOLED, left, progress=self.progress)
            self.fresh |= dict(zip(left.tolist(), rows, strict=True))
        return [self.fresh[unit] for unit in chosen.tolist()]

    def _split(self, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Split what was computed of a unit: what the head reads, and the pooled mean of all layers."""
        width = int(self.model.encoder.config.hidden_size)
        if not isinstance(self.model, PooledClassifier):  # of the sentences (S, 2 L H): mean and maximum of each layer
            layers = row.reshape(len(row), 2, -1, width)
            return layers[:, :, :-1].reshape(len(row), -1), layers[:, :, -1:].reshape(len(row), -1)

        # Of one text or two: (1, texts, K), with the pooled mean behind the rest.
        own, mean = np.split(row[0], [-len(POOLINGS) * width], axis=1)
        embedding = self.model.embedding
        shape = (self.model.config.depth, len(POOLINGS), width) if embedding is None else (1, 1, embedding.size)
        texts = own.reshape(len(own), *shape), mean.reshape(len(mean), 1, len(POOLINGS), width)
        return np.concatenate(list(texts[0]), axis=1), np.concatenate(list(texts[1]), axis=1)


@contextlib.contextmanager
def _add_layer_mean(model: PooledModel) -> Iterator[None]:
    """Let features hold, behind their own, the pooled mean of all layers, the embeddings among them."""
    reads, averaged = model.config.reads, model.config.combine == "mean"

    def states(attention_mask: Tensor, **inputs: Tensor | None) -> list[Tensor]:
        given = {name: value for name, value in inputs.items() if value is not None}
        output = model.encoder(attention_mask=attention_mask, output_hidden_states=True, **given)
        every = output.hidden_states
        read = [output.last_hidden_state] if reads == [-1] else [every[index] for index in reads]
        own = [torch.stack(read).mean(0)] if averaged else read
        return [*own, torch.stack(list(every)).mean(0)]

    def pool_text(mask: Tensor, inputs: Mapping[str, Tensor | None]) -> Tensor:
        """Pool a text in both ways: (B, 1, 1, K), because a head may read an embedding of another width."""
        assert isinstance(model, PooledClassifier)  # noqa: S101 - see below
        *own, mean = states(mask, **inputs)
        model.__dict__["states"] = lambda *_, **__: own  # already computed
        pooled = PooledClassifier._pool_text(model, mask, inputs)
        return torch.cat([pooled.flatten(1), pool(mean, mask).flatten(1)], dim=1)[:, None, None]

    changed = {"_pool_text": pool_text} if isinstance(model, PooledClassifier) else {"states": states}
    model.__dict__.update(changed)
    try:
        yield
    finally:
        for name in ("_pool_text", "states"):
            model.__dict__.pop(name, None)


@contextlib.contextmanager
def _read_all_layers(model: PooledModel) -> Iterator[None]:
    """Describe a head that reads the pooled mean of all layers, by which its store is found."""
    config, embedding = model.config, getattr(model, "embedding", None)
    before = config.reads, config.combine
    config.reads, config.combine = list(range(model.encoder.config.num_hidden_layers + 1)), "mean"
    if embedding is not None:
        model.embedding = None
    try:
        yield
    finally:
        config.reads, config.combine = before
        if embedding is not None:
            model.embedding = embedding


@torch.no_grad()
def stack_features(model: PooledModel, rows: list[np.ndarray]) -> np.ndarray:
    """Stack stored rows, which are read-only, to what the head reads of them: (items, F)."""
    stacked: np.ndarray = model.stacked([torch.tensor(row) for row in rows]).numpy()
    return stacked


def _select_mean(model: PooledModel, rows: list[np.ndarray]) -> np.ndarray:
    """Select the mean over tokens: (items, F')."""
    if not isinstance(model, PooledClassifier):
        return np.concatenate([row[:, : row.shape[1] // 2] for row in rows])
    pooled = np.stack([row[-1] for row in rows])  # (units, poolings, H), twice as many of pairs
    texts = np.split(pooled, 2, axis=1) if model.config.pairs else [pooled]
    means = [one[:, min(MEAN, one.shape[1] - 1)] for one in texts]  # an embedding of its own is a single one
    if len(means) == 1:
        return means[0]
    first, second = means
    return np.concatenate([first, second, abs(first - second), first * second], axis=1)
