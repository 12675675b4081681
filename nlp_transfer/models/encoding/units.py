"""Hold what a model reads a batch at a time: token ids, or stored activations that replace a part of the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from nlp_transfer.models.encoding.batches import Batch, Encoded, collate, collect_targets, make_mask, pad, pad_inputs

EMBEDDED = ("input_ids", "ngram_ids")  # inputs that only the embeddings read
STORED_AS = {"pooled": "features", "encoder": "encoder_states", "layer": "inputs_embeds"}  # boundary -> input


@dataclass(frozen=True)
class Boundary:
    """Say where in the model activations are taken.

    `pooled`: the pooled encoder states of texts or of sentences. `encoder`: the encoder's states, for a decoder.
    `layer`: the input of a layer, whose number counts from 0. `mean`: the mean of the encoder's states over the tokens,
    which is looked at and enters no model.
    """

    kind: Literal["pooled", "encoder", "layer", "mean"]
    layer: int = 0


class TokenInputs:
    """Hold units that go through the whole model as token ids."""

    def __init__(self, encoded: Encoded, pad_token_id: int) -> None:
        """Keep the encoded split; its units are padded when a batch is asked for."""
        self.encoded = encoded
        self.pad_token_id = pad_token_id

    def make_batch(self, units: np.ndarray) -> Batch:
        """Pad some units to one batch."""
        return collate(self.encoded, units, self.pad_token_id)


class CachedInputs:
    """Hold units that enter the model at a boundary, as stored activations."""

    def __init__(self, encoded: Encoded, rows: Sequence[np.ndarray], boundary: Boundary) -> None:
        """Pair an encoded split with its activations, one array for each unit."""
        self.encoded = encoded
        self.rows = rows
        self.boundary = boundary

    def make_batch(self, units: np.ndarray) -> Batch:
        """Pad stored activations to one batch, with their mask.

        They are `features` (B, L, 3, H) or (B, S, F), `encoder_states` (B, T, H), or `inputs_embeds` (B, T, H).
        """
        chosen = [self.rows[unit] for unit in units]
        inputs = {
            STORED_AS[self.boundary.kind]: pad(chosen, 0.0),
            "attention_mask": make_mask(np.array([len(row) for row in chosen])),
        }
        if self.boundary.kind == "layer":
            inputs |= pad_inputs(self.encoded, units, 0, but=EMBEDDED)
        weights = torch.from_numpy(self.encoded.weights[units])
        return Batch(inputs, collect_targets(self.encoded, units), weights, units)


Inputs = TokenInputs | CachedInputs


def are_pooled(units: Inputs) -> bool:
    """Tell whether units are stored pooled states, which neither the encoder nor its padding can change any more."""
    return isinstance(units, CachedInputs) and units.boundary.kind == "pooled"
