"""Put the units of several tasks behind one another, and plan batches of which each belongs to one task.

Within a task the batches are those that it would have alone.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from nlp_transfer.models.encoding.batches import Encoded, plan_batches
from nlp_transfer.models.encoding.flat import FlatUnits, Ragged


def join_encoded(parts: Sequence[Encoded]) -> Encoded:
    """Join the units of several tasks, whose weights count alike: in each task their mean is 1."""
    sizes = [len(part.inputs) for part in parts]
    before = np.cumsum([0, *(part.examples for part in parts)])
    joined = Encoded(
        inputs=_join_units([part.inputs for part in parts]),
        example=np.concatenate([part.example + start for part, start in zip(parts, before, strict=False)]),
        targets=list(chain.from_iterable(_list_targets(part) for part in parts)),
        examples=int(before[-1]),
        importance=np.concatenate(
            [
                (np.ones(part.examples) if part.importance is None else part.importance) / part.mean_weight
                for part in parts
            ]
        ),
    )
    return replace(joined, owner=np.repeat(np.arange(len(parts)), sizes))


def _list_targets(part: Encoded) -> Sequence[object]:
    return [None] * len(part.inputs) if part.targets is None else list(part.targets)


def _join_units(parts: Sequence[FlatUnits]) -> FlatUnits:
    names = dict.fromkeys(name for part in parts for name in part.columns)
    columns = {name: _join_rows([part.columns.get(name, _make_empty(len(part))) for part in parts]) for name in names}
    return FlatUnits(columns, frozenset().union(*(part.wide for part in parts)))


def _make_empty(rows: int) -> Ragged:
    return Ragged(np.zeros(0, np.int32), np.zeros(rows + 1, np.int64))


def _join_rows(parts: Sequence[Ragged]) -> Ragged:
    lengths = np.concatenate([part.lengths for part in parts])
    return Ragged(np.concatenate([part.values for part in parts]), np.concatenate([[0], np.cumsum(lengths)]))


def count_batches(encoded: Encoded, batch_size: int) -> int:
    """Count the batches of an epoch."""
    return sum(_count_each(encoded, batch_size))


def _count_each(encoded: Encoded, batch_size: int) -> list[int]:
    """Count for each task the batches that hold all its units once."""
    sizes = [len(encoded.inputs)] if encoded.owner is None else np.bincount(encoded.owner).tolist()
    return [math.ceil(size / batch_size) for size in sizes]


def deal_batches(counts: Sequence[int], sizes: Sequence[int], sampling: float) -> list[int]:
    """Deal the batches of an epoch to tasks in proportion to their sizes to a power; each gets one at least.

    Args:
        counts: for each task the batches that hold all its units once; their sum is dealt.
        sizes: for each task how many units it has.
        sampling: the power; with 1 each gets the batches that it has.
    """
    if sampling == 1:
        return [*counts]
    shares = np.array(sizes, dtype=float) ** sampling
    wanted = 1 + shares / shares.sum() * (sum(counts) - len(counts))
    dealt = np.floor(wanted).astype(int)
    for task in np.argsort(dealt - wanted, kind="stable")[: sum(counts) - dealt.sum()]:  # the largest remainders
        dealt[task] += 1
    return [int(one) for one in dealt]


def plan_epoch(encoded: Encoded, batch_size: int, *, seed: int, epoch: int, sampling: float = 1.0) -> list[np.ndarray]:
    """Plan the batches of one epoch, of one task or of several; see `plan_batches`.

    A task that gives fewer batches than it has goes on in the next epoch, and one that gives more begins again.
    """
    if encoded.owner is None:
        return plan_batches(encoded.lengths, batch_size, seed=seed, epoch=epoch)

    counts = _count_each(encoded, batch_size)
    sizes = np.bincount(encoded.owner)
    dealt = deal_batches(counts, sizes.tolist(), sampling)
    starts = np.cumsum(sizes) - sizes
    left = [
        _stream_batches(
            encoded.lengths[start : start + size], batch_size, seed, range(epoch * share, (epoch + 1) * share)
        )
        for start, size, share in zip(starts, sizes, dealt, strict=True)
    ]
    order = np.random.default_rng([seed, epoch]).permutation(np.repeat(np.arange(len(dealt)), dealt))
    return [next(left[task]) + starts[task] for task in order]


def _stream_batches(lengths: np.ndarray, batch_size: int, seed: int, wanted: range) -> Iterator[np.ndarray]:
    """Yield some batches of a task, counted over all passes through its units."""
    count = math.ceil(len(lengths) / batch_size)
    passes = {
        number: plan_batches(lengths, batch_size, seed=seed, epoch=number)
        for number in range(wanted.start // count, (wanted.stop - 1) // count + 1)
    }
    for place in wanted:
        yield passes[place // count][place % count]
