"""Cutting missing splits and subsamples out of the training rows: seeded, stratified, duplicates kept together."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike


def cut(keys: ArrayLike, strata: ArrayLike, shares: Mapping[str, float], *, seed: int) -> dict[str, np.ndarray]:
    """Deal rows to new splits; what is left stays in train.

    Rows with equal keys form a group that is never divided. Within a stratum each split takes its rounded share, at
    least one row where there are groups enough to leave one for everybody, and train always keeps a group.

    Args:
        keys: (rows,) what rows that belong together have in common, such as their text.
        strata: (rows,) the class of each row; all equal where there are none.
        shares: New split -> share of all rows, dealt in this order; they sum to less than 1.
        seed: Seed of the shuffle.

    Returns:
        Split -> increasing row indices, `train` included; a split may be empty.
    """
    group, first = _by_appearance(keys)
    sizes = np.bincount(group)
    stratum_of = np.asarray(strata)[first]
    owner = np.zeros(len(sizes), dtype=np.int8)  # 0: train
    rng = np.random.default_rng(seed)
    for stratum in np.unique(stratum_of):
        members = np.flatnonzero(stratum_of == stratum)
        pool = members[rng.permutation(len(members))][:-1]  # the last stays in train
        rows = int(sizes[members].sum())
        enough = len(members) > len(shares)
        for number, share in enumerate(shares.values(), 1):
            most = int(sizes[pool].sum()) - (len(shares) - number)  # a row for each split still to come
            wanted = max(1, min(round(share * rows), most)) if enough else 0
            taken = _take(sizes[pool], wanted, most=rows // (len(shares) + 1))
            owner[pool[taken]] = number
            pool = pool[~taken]
    return {name: np.flatnonzero(owner[group] == number) for number, name in enumerate(("train", *shares))}


def _by_appearance(keys: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Assign numbers to the keys as they appear: (rows,) that of each row's key, (keys,) the first row of each."""
    _, first, number = np.unique(np.asarray(keys), return_index=True, return_inverse=True)
    order = np.argsort(first)
    appeared = np.empty_like(order)
    appeared[order] = np.arange(len(order))
    return appeared[number], first[order]


def joined_groups(keys: ArrayLike, groups: ArrayLike) -> np.ndarray:
    """Name the rows that `cut` must keep together: of one group, of one key, or linked by a chain of both.

    Args:
        keys: (rows,) equal for rows with the same text.
        groups: (rows,) equal for rows of one group; 0 for a row that belongs to none.

    Returns:
        (rows,) one number for each row, equal where rows belong together.
    """
    from scipy.sparse import coo_array  # only groups need it
    from scipy.sparse.csgraph import connected_components

    _, text = np.unique(np.asarray(keys), return_inverse=True)
    group = np.asarray(groups)
    grouped = group > 0
    # A graph of texts, and groups behind them: each row of a group links its text to it.
    links = (text[grouped], text.max() + group[grouped])
    nodes = text.max() + 1 + group.max()
    graph = coo_array((np.ones(len(links[0]), bool), links), shape=(nodes, nodes))
    _, component = connected_components(graph, directed=False)
    return np.asarray(component[text])


def _take(sizes: np.ndarray, want: int, *, most: int) -> np.ndarray:
    """Take groups until `want` rows are there, skipping a group that is too large.

    Where all are, the smallest is taken, of `most` rows at most: better too many than none of a class.

    Returns:
        (groups,) whether each is taken.
    """
    taken = np.zeros(len(sizes), dtype=bool)
    room = want
    for index, size in enumerate(sizes.tolist() if want else ()):
        if size <= room:
            taken[index] = True
            room -= size
            if not room:
                break
    if want and len(sizes) and not taken.any() and sizes.min() <= most:
        taken[sizes.argmin()] = True
    return taken


def subsample(strata: ArrayLike, size: int, *, seed: int) -> np.ndarray:
    """Choose `size` rows with the class proportions of all, at least one per class; increasing indices.

    Args:
        strata: (rows,) the class of each row.
        size: Rows to keep, from the number of classes to the number of rows.
        seed: Seed of the choice.
    """
    classes = np.asarray(strata)
    members = {name: np.flatnonzero(classes == name) for name in np.unique(classes).tolist()}
    exact = {name: size * len(rows) / len(classes) for name, rows in members.items()}
    quota = {name: max(1, int(value)) for name, value in exact.items()}
    for name in sorted(exact, key=lambda name: quota[name] - exact[name])[: max(0, size - sum(quota.values()))]:
        quota[name] += 1
    while sum(quota.values()) > size:
        quota[max(quota, key=lambda name: quota[name])] -= 1
    rng = np.random.default_rng(seed)
    chosen = [members[name][rng.permutation(len(members[name]))[:count]] for name, count in quota.items()]
    return np.sort(np.concatenate(chosen))
