"""Cutting missing splits and subsamples out of the training rows: seeded, stratified, duplicates kept together."""

from collections.abc import Mapping, Sequence

import numpy as np


def cut(texts: Sequence[str], strata: Sequence[str], shares: Mapping[str, float], *, seed: int) -> dict[str, list[int]]:
    """Deal rows to new splits; what is left stays in train.

    Equal texts form a group that is never divided. Within a stratum each split takes its rounded share, at least one
    row where there are groups enough to leave one for everybody, and train always keeps a group.

    Args:
        texts: The text of each row.
        strata: The class of each row; all equal where there are none.
        shares: New split -> share of all rows, dealt in this order; they sum to less than 1.
        seed: Seed of the shuffle.

    Returns:
        Split -> increasing row indices, `train` included; a split may be empty.
    """
    groups: dict[str, list[int]] = {}
    for index, text in enumerate(texts):
        groups.setdefault(text, []).append(index)
    by_stratum: dict[str, list[list[int]]] = {}
    for group in groups.values():
        by_stratum.setdefault(strata[group[0]], []).append(group)
    splits: dict[str, list[int]] = {name: [] for name in ("train", *shares)}
    rng = np.random.default_rng(seed)
    for stratum in sorted(by_stratum):
        members = by_stratum[stratum]
        pool = [members[i] for i in rng.permutation(len(members))]
        splits["train"] += pool.pop()
        rows = sum(map(len, members))
        enough = len(members) > len(shares)
        for later, (name, share) in zip(reversed(range(len(shares))), shares.items(), strict=True):
            most = sum(map(len, pool)) - later  # a row for each split still to come
            wanted = max(1, min(round(share * rows), most)) if enough else 0
            taken, pool = _take(pool, wanted, most=rows // (len(shares) + 1))
            splits[name] += taken
        splits["train"] += [index for group in pool for index in group]
    return {name: sorted(indices) for name, indices in splits.items()}


def joined_groups(texts: Sequence[str], groups: Sequence[str | None]) -> list[str]:
    """Name the rows that `cut` must keep together: of one group, of one text, or linked by a chain of both.

    Args:
        texts: The text of each row.
        groups: The group of each row; None for a row that belongs to none.

    Returns:
        One name for each row, equal where rows belong together.
    """
    parent = list(range(len(texts)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = index = parent[parent[index]]
        return index

    first: dict[tuple[str, str], int] = {}
    for index, (text, group) in enumerate(zip(texts, groups, strict=True)):
        for mark in (("text", text), *([("group", group)] if group is not None else [])):
            one, other = sorted((root(first.setdefault(mark, index)), root(index)))
            parent[other] = one
    return [str(root(index)) for index in range(len(texts))]


def _take(pool: Sequence[list[int]], want: int, *, most: int) -> tuple[list[int], list[list[int]]]:
    """Take groups until `want` rows are there, skipping a group that is too large; return the rest too.

    Where all are, the smallest is taken, of `most` rows at most: better too many than none of a class.
    """
    taken: list[int] = []
    rest = []
    for group in pool:
        if len(taken) + len(group) <= want:
            taken += group
        else:
            rest.append(group)
    if want and rest and not taken and len(smallest := min(rest, key=len)) <= most:
        rest.remove(smallest)
        return smallest, rest
    return taken, rest


def subsample(strata: Sequence[str], size: int, *, seed: int) -> list[int]:
    """Choose `size` rows with the class proportions of all, at least one per class; increasing indices.

    Args:
        strata: The class of each row.
        size: Rows to keep, from the number of classes to the number of rows.
        seed: Seed of the choice.
    """
    members: dict[str, list[int]] = {}
    for index, stratum in enumerate(strata):
        members.setdefault(stratum, []).append(index)
    exact = {name: size * len(members[name]) / len(strata) for name in sorted(members)}
    quota = {name: max(1, int(value)) for name, value in exact.items()}
    for name in sorted(exact, key=lambda name: quota[name] - exact[name])[: max(0, size - sum(quota.values()))]:
        quota[name] += 1
    while sum(quota.values()) > size:
        quota[max(quota, key=lambda name: quota[name])] -= 1
    rng = np.random.default_rng(seed)
    chosen = [members[name][i] for name, count in quota.items() for i in rng.permutation(len(members[name]))[:count]]
    return sorted(chosen)
