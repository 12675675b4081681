"""What a model reads a batch at a time: token ids, or activations that stand in for a part of the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from nlp_transfer.models.encoding.batches import Batch, Encoded, collate, mask, pad, padded, targets_of

EMBEDDED = ("input_ids", "ngram_ids")  # inputs that nothing above the embeddings reads


@dataclass(frozen=True)
class Boundary:
    """Where activations are taken.

    `pooled` encoder states, of texts or of sentences; the `encoder`'s states, for a decoder; or the input of `layer`
    (its number counts from 0).
    """

    kind: Literal["pooled", "encoder", "layer"]
    layer: int = 0


class TokenUnits:
    """Units that go through the whole model as token ids."""

    def __init__(self, encoded: Encoded, pad_token_id: int) -> None:
        """Keep the encoded split; batches are padded when asked for."""
        self.encoded = encoded
        self.pad_token_id = pad_token_id

    def batch(self, units: np.ndarray) -> Batch:
        """Pad the given units to one batch."""
        return collate(self.encoded, units, self.pad_token_id)


class ReplayUnits:
    """Units that enter the model at a boundary, as stored activations."""

    def __init__(self, encoded: Encoded, rows: Sequence[np.ndarray], boundary: Boundary) -> None:
        """Pair an encoded split with its activations, one array per unit."""
        self.encoded = encoded
        self.rows = rows
        self.boundary = boundary

    def batch(self, units: np.ndarray) -> Batch:
        """`features` (B, L, 3, H) or (B, S, F), `encoder_states` or `inputs_embeds` (B, T, H); with their mask."""
        chosen = [self.rows[unit] for unit in units]
        name = {"pooled": "features", "encoder": "encoder_states", "layer": "inputs_embeds"}[self.boundary.kind]
        inputs = {name: pad(chosen, 0.0), "attention_mask": mask(np.array([len(row) for row in chosen]))}
        if self.boundary.kind == "layer":
            inputs |= padded(self.encoded, units, 0, but=EMBEDDED)
        weights = torch.from_numpy(self.encoded.weights[units])
        return Batch(inputs, targets_of(self.encoded, units), weights, units)


Units = TokenUnits | ReplayUnits


def are_pooled(units: Units) -> bool:
    """Tell whether units are stored pooled states: the encoder, and all that padding does in it, lies behind them."""
    return isinstance(units, ReplayUnits) and units.boundary.kind == "pooled"
