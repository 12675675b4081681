"""Pad units of text to batches of similar lengths, planned in the same way by all processes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nlp_transfer.models.encoding.flat import FlatUnits, Ragged, flatten_units

MEGABATCH = 50  # how many batches are shuffled together, before they are sorted by length
PADDING = {"ngram_ids": -1, "sentence_ids": -1, "token_type_ids": 0}  # other inputs are padded with the pad token
IGNORED = -100  # a label that cross-entropy skips


@dataclass(frozen=True)
class Encoded:
    """Hold the model inputs of a split.

    A unit is what goes through the model as one row. An example is one unit, or several windows of a long document.

    Attributes:
        inputs: for each unit, name of an input -> ids; the attention mask follows from the lengths. A sequence of
            mappings may be given; it is kept as flat arrays.
        example: (units,) the number of the example that each unit belongs to.
        targets: for each unit a class id, token ids, or a number per sentence or label; None without labels.
        examples: the number of examples; each has at least one unit.
        truncated: the number of examples of which the model does not see a part.
        unknown: share of the tokens that the vocabulary lacks.
        unknown_examples: the numbers of the examples with a text of which the vocabulary has no word.
        importance: (examples,) the weight of each example in the loss; None means 1 for each.
        warnings: what a user should know about the targets.
        owner: (units,) the number of the task that each unit belongs to; None if all belong to one.
    """

    inputs: FlatUnits
    example: np.ndarray
    targets: Sequence[Any] | np.ndarray | Ragged | None
    examples: int
    truncated: int = 0
    unknown: float = 0.0
    unknown_examples: Sequence[int] = ()
    importance: np.ndarray | None = None
    warnings: tuple[str, ...] = ()
    owner: np.ndarray | None = None

    def __post_init__(self) -> None:
        """Flatten inputs that are a mapping for each unit, as a task may give them."""
        object.__setattr__(self, "inputs", flatten_units(self.inputs))

    @property
    def lengths(self) -> np.ndarray:
        """(units,) the number of tokens in each unit."""
        return self.inputs.lengths

    @cached_property
    def weights(self) -> np.ndarray:
        """(units,) the example's importance divided by the number of its units, so that a long document counts once."""
        whole = np.ones(self.examples) if self.importance is None else self.importance
        share: np.ndarray = (whole / np.bincount(self.example, minlength=self.examples))[self.example]
        return share.astype(np.float32)

    @cached_property
    def mean_weight(self) -> float:
        """Mean of the units' weights."""
        return float(self.weights.mean())


@dataclass(frozen=True)
class Batch:
    """Hold the padded tensors of some units.

    Attributes:
        inputs: name of the model's argument -> (B, T) and the like.
        targets: (B,) class ids; or (B, T) token ids or (B, S) numbers, padded with -100.
        weights: (B,) the weight of each unit.
        units: (B,) the numbers of the units.
    """

    inputs: dict[str, Tensor]
    targets: Tensor | None
    weights: Tensor
    units: np.ndarray

    def to(self, device: torch.device) -> "Batch":
        """Copy the batch to a device."""
        inputs = {name: tensor.to(device, non_blocking=True) for name, tensor in self.inputs.items()}
        targets = None if self.targets is None else self.targets.to(device, non_blocking=True)
        return Batch(inputs, targets, self.weights.to(device, non_blocking=True), self.units)


def pad(rows: Sequence[Any], value: float) -> Tensor:
    """Stack ragged rows (T,), or (T, K) for n-grams, to (B, T) or (B, T, K), and pad them with `value`."""
    arrays = [np.asarray(row) for row in rows]
    shapes = {array.shape for array in arrays}
    if len(shapes) == 1 and arrays[0].dtype.kind == "f":
        return torch.from_numpy(np.stack(arrays))

    shape = np.max(list(shapes), axis=0)
    kind = np.int64 if arrays[0].dtype.kind in "iu" else arrays[0].dtype
    out = np.full((len(arrays), *shape), value, dtype=kind)
    for target, array in zip(out, arrays, strict=True):
        target[tuple(slice(size) for size in array.shape)] = array
    return torch.from_numpy(out)


def collate(encoded: Encoded, units: np.ndarray, pad_token_id: int) -> Batch:
    """Pad some units to the longest of them, as a batch."""
    inputs = pad_inputs(encoded, units, pad_token_id)
    inputs["attention_mask"] = make_mask(encoded.lengths[units])
    return Batch(inputs, collect_targets(encoded, units), torch.from_numpy(encoded.weights[units]), units)


def pad_inputs(encoded: Encoded, units: np.ndarray, pad_token_id: int, *, but: Sequence[str] = ()) -> dict[str, Tensor]:
    """Pad every input of some units but those named in `but`, to the longest unit."""
    inputs: dict[str, Tensor] = {}
    for name in encoded.inputs.columns:
        rows = [] if name in but else [encoded.inputs.read(name, unit) for unit in units]
        if any(row.size for row in rows):  # else all of these units lack it
            inputs[name] = pad(rows, PADDING.get(name, pad_token_id))
    return inputs


def make_mask(lengths: np.ndarray) -> Tensor:
    """Make an attention mask: (B,) lengths -> (B, T), one where there is a token."""
    return torch.from_numpy((np.arange(lengths.max()) < lengths[:, None]).astype(np.int64))


def collect_targets(encoded: Encoded, units: np.ndarray) -> Tensor | None:
    """Collect the targets of some units: class ids (B,), or token ids (B, T) or numbers (B, S) padded with -100."""
    if encoded.targets is None:
        return None
    targets = [encoded.targets[unit] for unit in units]
    if np.ndim(targets[0]) == 0:
        return torch.tensor(np.array(targets).tolist())  # numbers of Python: int64, or float32
    return pad(targets, IGNORED)


def plan_batches(lengths: np.ndarray, batch_size: int, *, seed: int, epoch: int) -> list[np.ndarray]:
    """Plan the batches of one epoch: units of similar length together, in an order that only seed and epoch decide.

    Units are shuffled, cut into megabatches, and sorted by length inside each; then the batches are shuffled. The batch
    with the longest unit comes first, so that a lack of memory shows at once.
    """
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(lengths))

    batches: list[np.ndarray] = []
    for start in range(0, len(order), MEGABATCH * batch_size):
        mega = order[start : start + MEGABATCH * batch_size]
        mega = mega[np.argsort(-lengths[mega], kind="stable")]
        batches += [mega[i : i + batch_size] for i in range(0, len(mega), batch_size)]

    shuffled = [batches[i] for i in generator.permutation(len(batches))]
    longest = max(range(len(shuffled)), key=lambda i: int(lengths[shuffled[i]].max()))
    shuffled[0], shuffled[longest] = shuffled[longest], shuffled[0]
    return shuffled


def sort_batches(
    lengths: np.ndarray, budget: int, *, most: int | None = None, alike: bool = False
) -> Iterator[np.ndarray]:
    """Yield batches for inference, the longest units first.

    Args:
        lengths: (units,) the number of tokens in each.
        budget: the most padded tokens in a batch; a batch has at least one unit.
        most: the most units in a batch.
        alike: put only units of one length into a batch, so that nothing is padded.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0

    while start < len(order):
        length = int(lengths[order[start]])
        size = max(1, min(most or budget, budget // max(1, length)))
        batch = order[start : start + size]
        if alike:
            batch = batch[lengths[batch] == length]
        yield batch
        start += len(batch)
