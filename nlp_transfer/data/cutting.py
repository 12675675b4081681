"""Cut the splits that are missing from train, limit its rows, and say what was done."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np

from nlp_transfer.config.data import DataConfig
from nlp_transfer.data.report import Part
from nlp_transfer.data.splitting import cut, join_groups, subsample
from nlp_transfer.data.store import Examples
from nlp_transfer.errors import ConfigError, DataError

LARGE_DEVIATION = 0.2  # of the number of rows that a cut should have; less is not worth a warning


def choose_seeds(data: DataConfig, seed: int) -> tuple[int, int]:
    """Choose the seeds of the cut and of the limit; `seed` is that of the training."""
    split_seed = seed if data.split_seed == "seed" else data.split_seed
    limit_seed = split_seed if data.limit_seed is None else seed if data.limit_seed == "seed" else data.limit_seed
    return split_seed, limit_seed


def cut_missing(
    parts: Mapping[str, Part], data: DataConfig, seed: int, *, given: Collection[str] = ()
) -> dict[str, Part]:
    """Cut `test` and `validation` from train if they are not among the parts, nor `given` elsewhere.

    Raises:
        ConfigError: the shares leave nothing for train.
        DataError: there are too few rows or groups.
    """
    wanted = {"test": data.test_share, "validation": data.validation_share}
    shares = {split: share for split, share in wanted.items() if split not in {*parts, *given}}
    if sum(shares.values()) >= 1:
        raise ConfigError("data.validation_share and data.test_share together must be below 1: train gets the rest")
    if not shares:
        return dict(parts)

    train = parts["train"]
    rows = train.examples
    keys = rows.keys if rows.groups is None else join_groups(rows.keys, rows.groups)
    dealt = cut(keys, assign_strata(rows), shares, seed=seed)
    _refuse_poor_cut(train, dealt, keys, data)

    how = f"grouped by '{data.group}', " if data.group else _describe_strata(rows)
    result = {"train": replace(train, examples=rows.take(dealt["train"]))}
    for split in ("validation", "test"):
        if split in parts:
            result[split] = parts[split]
        elif split in shares:
            taken = rows.take(dealt[split])
            said = f"{len(taken)} of {len(rows)} rows ({_format_percent(len(taken) / len(rows))}), {how}seed {seed}"
            odd = _warn_of_share(split, len(taken), len(rows), shares[split], data)
            result[split] = Part(taken, train.place, warnings=odd, how=said, cut=True)
    return result


def _refuse_poor_cut(train: Part, dealt: Mapping[str, np.ndarray], keys: np.ndarray, data: DataConfig) -> None:
    """Refuse a cut that leaves a split without rows, or train with a single label.

    Args:
        train: the rows that were cut.
        dealt: split -> row indices.
        keys: (rows,) equal for rows that stay together.
        data: the section of the configuration, for the message.

    Raises:
        DataError: saying what there is too little of.
    """
    rows = train.examples
    new = [split for split in dealt if split != "train"]
    if not all(map(len, dealt.values())):
        what = f"{count_units(len(np.unique(keys)), data.group)} in {len(rows)} row{'' if len(rows) == 1 else 's'}"
        given = " and ".join(f"data.{split}" for split in new)
        raise DataError(f"{train.place}: {what}, too few to cut {' and '.join(new)} from; add some or give {given}")

    if rows.labels is not None:
        kept = np.flatnonzero(np.bincount(rows.labels[dealt["train"]]))
        if len(kept) == 1 < len(np.unique(rows.labels)):
            only = ", ".join(rows.names[label] for label in rows.take(dealt["train"]).list_label_sets()[0]) or "none"
            raise DataError(
                f"{train.place}: what the cut leaves for train is all {only!r}, since other labels "
                f"stand in groups that went to {' and '.join(new)}; add groups, try another data.split_seed, or "
                "give the splits"
            )


def _warn_of_share(split: str, taken: int, rows: int, share: float, data: DataConfig) -> list[str]:
    """Warn if a split got many more or fewer rows than its share, for example because every class needs a row in it."""
    if abs(taken - share * rows) <= 1 + LARGE_DEVIATION * share * rows:
        return []
    reason = f"groups by '{data.group}' stay whole" if data.group else "each class needs a row in every split"
    return [
        f"{split}: {taken} of {rows} rows were cut from train ({_format_percent(taken / rows)}) where "
        f"data.{split}_share asks for {_format_percent(share)}: {reason}, and equal texts stay together; add rows, or "
        f"give data.{split}"
    ]


def limit_rows(part: Part, limit: int, seed: int) -> Part:
    """Keep at most `limit` rows of a split, with the shares of the labels.

    Raises:
        DataError: there are more labels than rows to keep.
    """
    rows = part.examples
    strata = assign_strata(rows)
    if limit < (classes := len(np.unique(strata))):
        raise DataError(f"{part.place}: a limit of {limit} rows cannot hold its {classes} labels; raise it")
    if limit >= len(rows):
        return part
    how = _describe_strata(rows)
    taken = f"limited to {limit} of {len(rows)} rows, {how}seed {seed}"
    return replace(part, how=taken, examples=rows.take(subsample(strata, limit, seed=seed)))


def assign_strata(rows: Examples) -> np.ndarray:
    """Assign each row to a stratum, (rows,): the position of its label in alphabetical order.

    Of several labels the rarest counts, because a split would lack that one first. This is the first step of iterative
    stratification (Sechidis et al. 2011, On the stratification of multi-label data). Rows without labels are a stratum
    of their own.
    """
    if rows.labels is None:
        return np.zeros(len(rows), dtype=np.int32)

    order: np.ndarray = np.argsort(np.argsort(np.array(rows.names)))
    strata: np.ndarray
    if rows.sets is None:
        strata = order[rows.labels]
        return strata

    counts = rows.count_labels()
    rarest = [min(one, key=lambda label: (counts[label], order[label]), default=len(order)) for one in rows.sets]
    strata = np.array(rarest)[rows.labels]
    return strata


def _describe_strata(rows: Examples) -> str:
    """Say how rows were stratified, as the beginning of a list."""
    if rows.labels is None:
        return ""
    return "stratified, " if rows.sets is None else "stratified by the rarest label of each row, "


def count_units(count: int, group: str | None) -> str:
    """Say how many parts the rows have that can be dealt, as `1 different text`."""
    several = "" if count == 1 else "s"
    return f"{count} group{several} by '{group}'" if group else f"{count} different text{several}"


def _format_percent(share: float) -> str:
    return f"{100 * share:.3g} %"
