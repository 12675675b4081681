"""Embed texts by a trained model: what its head reads of them."""

import numpy as np
from transformers import PreTrainedModel

from nlp_transfer.inference.activations import PooledModel, compute
from nlp_transfer.inference.layer_mean import POOLED, stack_features
from nlp_transfer.models.encoding.batches import Encoded
from nlp_transfer.models.encoding.units import Boundary, TokenInputs
from nlp_transfer.models.portable.pooled import PooledClassifier

MEAN = Boundary("mean")


def choose_boundary(model: PreTrainedModel) -> Boundary:
    """Choose where embeddings are read: what enters a head on pooled states, else the mean of the last token states."""
    return POOLED if isinstance(model, PooledModel) else MEAN


def embed(model: PreTrainedModel, units: TokenInputs) -> np.ndarray:
    """Compute the embeddings of encoded texts: (texts, F) in float32, see `average_units`."""
    every = np.arange(len(units.encoded.inputs))
    return average_units(model, units.encoded, compute(model, units, choose_boundary(model), every, progress=False))


def average_units(model: PreTrainedModel, encoded: Encoded, found: list[np.ndarray]) -> np.ndarray:
    """Average what was computed of units, such as windows or sentences, over each text: (texts, F)."""
    items = stack_features(model, found) if isinstance(model, PooledModel) else np.concatenate(found)
    single = isinstance(model, PooledClassifier)  # else a unit has as many rows of features as sentences
    owners = np.repeat(encoded.example, [1 if single else len(one) for one in found])

    sums = np.zeros((encoded.examples, items.shape[1]), dtype=np.float32)
    np.add.at(sums, owners, items)
    means: np.ndarray = sums / np.bincount(owners, minlength=encoded.examples)[:, None]
    return means
