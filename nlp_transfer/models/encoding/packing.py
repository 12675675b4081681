"""Lay the texts of a batch end to end, so that nothing is padded.

All of an encoder but its attention treats every token by itself, and so needs no rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import torch
from torch import Tensor


@dataclass(frozen=True)
class Packing:
    """Say where the tokens of a padded batch stand when they are laid end to end.

    Attributes:
        places: (N,) the place of each token in the padded batch, whose (B, T) places are counted row by row.
        lengths: the number of tokens of each of the B texts.
        width: T, the tokens of a padded text.
    """

    places: Tensor
    lengths: Sequence[int]
    width: int

    @classmethod
    def of(cls, mask: Tensor) -> "Packing":
        """Read a packing off an attention mask (B, T); a GPU is waited for once."""
        there = mask != 0
        lengths = there.sum(1).tolist()
        places = torch.nonzero_static(there.flatten(), size=sum(lengths))[:, 0]
        return cls(places, lengths, mask.shape[1])

    def pack(self, rows: Tensor) -> Tensor:
        """Lay padded rows (B, T, ...) end to end: (1, N, ...)."""
        return rows.flatten(0, 1)[self.places][None]

    def unpack(self, states: Tensor) -> Tensor:
        """Pad packed states (1, N, H) with zeros to (B, T, H); the first ones of texts (1, B, H) become (B, 1, H)."""
        if states.shape[1] != len(self.places):
            return states.transpose(0, 1)
        empty = states.new_zeros(len(self.lengths) * self.width, *states.shape[2:])
        rows = empty.index_copy(0, self.places, states[0])
        return rows.view(-1, self.width, *states.shape[2:])

    @cached_property
    def ends(self) -> Tensor:
        """(B + 1,) where each text begins, and after the last where it ends."""
        return torch.tensor([0, *self.lengths]).cumsum(0).to(self.places.device, torch.int32)

    def take_first(self, states: Tensor) -> Tensor:
        """Copy the first token of each text: (1, N, H) -> (1, B, H)."""
        if states.shape[1] != len(self.places):  # taken already
            return states
        return states[:, self.ends[:-1]]

    @cached_property
    def runs(self) -> list[tuple[int, int]]:
        """Neighbours of one length: (length, number of texts) of each such run."""
        return [(length, len(list(run))) for length, run in groupby(self.lengths)]
