"""Keep all units of a split on a device, end to end, so that a batch is a selection of rows there.

Only the numbers of its units travel at each step. A batch is padded to widths that the caller chooses, which lets many
batches have one shape.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nlp_transfer.models.encoding.batches import PADDING, Batch, collect_targets
from nlp_transfer.models.encoding.flat import Ragged
from nlp_transfer.models.encoding.units import EMBEDDED, STORED_AS, CachedInputs, Inputs

STEP = 8  # widths are multiples of this, as tensor cores like them; the longest unit is a width of its own
Widths = tuple[int, int]  # tokens of the inputs and of the targets; 0 where each unit has one target


@dataclass(frozen=True)
class ResidentInputs:
    """Hold the units of a split on a device.

    Attributes:
        lengths: (units,) in main memory, the number of tokens, or of stored rows.
        target_lengths: (units,) the same for targets; None if each unit has one target.
        columns: name of an input -> (all tokens, ...) of all units, end to end.
        padding: name of an input -> what it is padded with.
        starts: (units,) where each unit begins.
        sizes: (units,) the lengths, on the device.
        targets: (units,) or (units, T).
        weights: (units,) the weight of each unit.
    """

    lengths: np.ndarray
    target_lengths: np.ndarray | None
    columns: Mapping[str, Tensor]
    padding: Mapping[str, float]
    starts: Tensor
    sizes: Tensor
    targets: Tensor
    weights: Tensor

    def choose_widths(self, units: np.ndarray) -> Widths:
        """Choose the widths that a batch of some units is padded to."""
        lengths, targets = self.lengths, self.target_lengths
        width = _round_up(int(lengths[units].max()), self._longest[0])
        return width, 0 if targets is None else _round_up(int(targets[units].max()), self._longest[1])

    @functools.cached_property
    def _longest(self) -> Widths:
        return int(self.lengths.max()), 0 if self.target_lengths is None else int(self.target_lengths.max())

    def make_batch(self, units: Tensor, widths: Widths) -> Batch:
        """Select units (B,) as a batch of the given widths. Nothing here waits for the device."""
        width, target_width = widths
        offsets = torch.arange(width, device=units.device)
        there = offsets < self.sizes[units][:, None]
        places = (self.starts[units][:, None] + offsets).masked_fill(~there, 0)

        inputs = {}
        for name, column in self.columns.items():
            values = column[places]
            values = values if values.is_floating_point() else values.long()
            blank = ~there.view(*there.shape, *[1] * (values.ndim - 2))
            inputs[name] = values.masked_fill(blank, self.padding[name])

        inputs["attention_mask"] = there.long()
        targets = self.targets[units]
        if self.target_lengths is not None:
            targets = targets[:, :target_width]
        return Batch(inputs, targets, self.weights[units], np.arange(len(units)))


def _round_up(length: int, longest: int) -> int:
    """Round a length up to a multiple of `STEP`, but not above the longest: a model may have no more positions."""
    return min(-(-length // STEP) * STEP, longest)


def keep_on_device(train: Inputs, device: torch.device, room: float) -> ResidentInputs | str:
    """Copy the units of a split to a device; or say why they stay where they are.

    Args:
        train: the units, with targets.
        device: where they go.
        room: the most bytes that they may take.
    """
    encoded = train.encoded
    names = _name_inputs(train)
    rows = train.rows if isinstance(train, CachedInputs) else []
    lengths = np.array([len(row) for row in rows]) if len(rows) else encoded.lengths

    size = sum(row.nbytes for row in rows) + sum(encoded.inputs.columns[name].values.nbytes for name in names)
    if size > room:
        return f"the training data take {size / 1e9:.1f} GB, too much to be kept on the device"

    targets = collect_targets(encoded, np.arange(len(lengths)))
    assert targets is not None  # noqa: S101 - there is something to learn
    assert encoded.targets is not None  # noqa: S101 - the same
    if any(name in encoded.inputs.wide or not _has(encoded.inputs.columns[name], lengths) for name in names):
        return "some inputs have not one number for each token"

    columns = {name: encoded.inputs.columns[name].values for name in names}
    pad = 0 if isinstance(train, CachedInputs) else train.pad_token_id
    if isinstance(train, CachedInputs):
        columns[STORED_AS[train.boundary.kind]] = np.concatenate([np.asarray(row) for row in rows])

    varies = targets.ndim > 1 and len({len(one) for one in encoded.targets}) > 1
    return ResidentInputs(
        lengths=lengths,
        target_lengths=np.array([len(one) for one in encoded.targets]) if varies else None,
        columns={name: torch.tensor(column, device=device) for name, column in columns.items()},
        padding={name: PADDING.get(name, pad) for name in columns},
        starts=torch.from_numpy(np.cumsum(lengths) - lengths).to(device),
        sizes=torch.from_numpy(lengths).to(device),
        targets=targets.to(device),
        weights=torch.from_numpy(encoded.weights).to(device),
    )


def _has(column: Ragged, lengths: np.ndarray) -> bool:
    return np.array_equal(column.lengths, lengths)


def _name_inputs(train: Inputs) -> list[str]:
    """Name the inputs of whole numbers that a batch has: all for tokens, and those beside stored inputs of a layer."""
    names = list(train.encoded.inputs.columns)
    if not isinstance(train, CachedInputs):
        return names
    return [name for name in names if name not in EMBEDDED] if train.boundary.kind == "layer" else []
