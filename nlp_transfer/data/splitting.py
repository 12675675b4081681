"""Cut missing splits and subsamples out of the training rows: by a seed, stratified, and with duplicates together."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from nlp_transfer.data.repeats import find_repeated


def cut(keys: ArrayLike, strata: ArrayLike, shares: Mapping[str, float], *, seed: int) -> dict[str, np.ndarray]:
    """Deal rows to new splits; the others stay in train.

    Rows with equal keys form a group, which is never divided. Of each stratum a split takes its rounded share. That is
    at least one row, if there are enough groups to leave one for every split. Train always keeps a group.

    Args:
        keys: (rows,) equal for rows that belong together, such as a hash of their text.
        strata: (rows,) the class of each row; all equal if there are no classes.
        shares: New split -> share of all rows. Splits are dealt in this order; the shares sum to less than 1.
        seed: Seed of the shuffle.

    Returns:
        Split -> increasing row indices, `train` included; a split may be empty.
    """
    group, first = _number_keys(keys)
    sizes = np.bincount(group)
    stratum_of = np.asarray(strata)[first]
    owner = np.zeros(len(sizes), dtype=np.int8)  # 0: train
    rng = np.random.default_rng(seed)

    for stratum in np.unique(stratum_of):
        members = np.flatnonzero(stratum_of == stratum)
        shuffled = rng.permutation(members)
        rows = int(sizes[members].sum())
        enough = len(members) > len(shares)

        pool, room = shuffled[:-1], sizes[shuffled[:-1]]  # the last stays in train
        for number, share in enumerate(shares.values(), 1):
            most = int(room.sum()) - (len(shares) - number)  # leaves a row for each split still to come
            wanted = max(1, min(round(share * rows), most)) if enough else 0
            taken = _take(room, wanted, most=rows // (len(shares) + 1))
            owner[pool[taken]] = number
            pool, room = pool[~taken], room[~taken]

    owners = owner[group]
    return {name: np.flatnonzero(owners == number) for number, name in enumerate(("train", *shares))}


def _number_keys(keys: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Give the keys numbers in the order in which they appear.

    Returns:
        (rows,) the number of each row's key; (keys,) the first row of each key.
    """
    keys = np.asarray(keys)
    if not len(find_repeated(keys)):
        return np.arange(len(keys)), np.arange(len(keys))
    _, first, number = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    appeared = np.empty_like(order)
    appeared[order] = np.arange(len(order))
    return appeared[number], first[order]


def join_groups(keys: ArrayLike, groups: ArrayLike) -> np.ndarray:
    """Give one number to rows that `cut` must keep together: of one group, of one key, or linked by a chain of both.

    Args:
        keys: (rows,) equal for rows with the same text.
        groups: (rows,) equal for rows of one group; 0 for a row without a group.

    Returns:
        (rows,) one number for each row, equal where rows belong together.
    """
    from scipy.sparse import coo_array  # only groups need it
    from scipy.sparse.csgraph import connected_components

    _, text = np.unique(np.asarray(keys), return_inverse=True)
    group = np.asarray(groups)
    grouped = group > 0

    # Make a graph whose nodes are the texts, then the groups. Each row links its text to its group.
    links = (text[grouped], text.max() + group[grouped])
    nodes = text.max() + 1 + group.max()
    graph = coo_array((np.ones(len(links[0]), bool), links), shape=(nodes, nodes))
    _, component = connected_components(graph, directed=False)
    return np.asarray(component[text])


def _take(sizes: np.ndarray, want: int, *, most: int) -> np.ndarray:
    """Take groups until there are `want` rows, and skip groups that are too large.

    If all are too large, take the smallest, if it has at most `most` rows: too many of a class are better than none.

    Returns:
        (groups,) whether each group is taken.
    """
    # The first groups fit, one and all; of those behind them some may be too large.
    sums = np.cumsum(sizes)
    begun = int(np.searchsorted(sums, want, side="right"))
    taken = np.arange(len(sizes)) < begun
    room = want - int(sums[begun - 1]) if begun else want

    for index, size in enumerate(sizes[begun:].tolist() if room else (), begun):
        if size <= room:
            taken[index] = True
            room -= size
            if not room:
                break

    if want and len(sizes) and not taken.any() and sizes.min() <= most:
        taken[sizes.argmin()] = True
    return taken


def subsample(strata: ArrayLike, size: int, *, seed: int) -> np.ndarray:
    """Choose `size` rows with the class proportions of all rows, at least one of each class.

    With one seed a smaller choice is part of every larger one. So the shares are those of Sainte-Lague, which add one
    row after the other; rounding the quotas of each size would now and then take a row back as the size grows.

    Args:
        strata: (rows,) the class of each row.
        size: The number of rows to keep, from the number of classes to the number of rows.
        seed: Seed of the choice.

    Returns:
        (size,) increasing row indices.
    """
    classes = np.asarray(strata)
    members = [np.flatnonzero(classes == name) for name in np.unique(classes)]

    # The next row goes to the class with the most rows for each one taken; the first rows of all classes come first.
    claims = [np.where(np.arange(len(rows)), len(rows) / (2 * np.arange(len(rows)) + 1), np.inf) for rows in members]
    claimed_by = np.repeat(np.arange(len(members)), [len(rows) for rows in members])
    first = np.argsort(-np.concatenate(claims), kind="stable")[:size]
    quota = np.bincount(claimed_by[first], minlength=len(members))

    rng = np.random.default_rng(seed)
    chosen = [rows[rng.permutation(len(rows))][:count] for rows, count in zip(members, quota, strict=True)]
    return np.sort(np.concatenate(chosen))


def deal_folds(keys: ArrayLike, strata: ArrayLike, count: int, *, seed: int | None) -> np.ndarray:
    """Deal rows to folds of about one size, so that each has about the class proportions of all rows.

    Args:
        keys: (rows,) equal for rows that belong together, such as a hash of their text.
        strata: (rows,) the class of each row.
        count: The number of folds; of fewer keys each gets a fold of its own.
        seed: Seed of the shuffle; None deals rows in their order.

    Returns:
        (rows,) the fold of each row, from 0.
    """
    group, first = _number_keys(keys)
    shuffled = np.arange(len(first)) if seed is None else np.random.default_rng(seed).permutation(len(first))
    order = np.lexsort((shuffled, np.asarray(strata)[first]))  # class by class; each goes on where the last one ended
    fold = np.empty(len(first), dtype=np.int64)
    fold[order] = np.arange(len(first)) % count
    dealt: np.ndarray = fold[group]
    return dealt
