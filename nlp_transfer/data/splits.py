"""Make the splits of a run: turn labels into integers, and cut missing splits from train.

Use `load_splits` for the data of a configuration, `load_train` for its train alone, `read_rows` for one more file with
known labels, `stream_texts` for texts alone, and `stream_inputs` for several texts that are read together.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from nlp_transfer.config.data import DataConfig
from nlp_transfer.config.dialect import PLAIN, Dialect
from nlp_transfer.config.tasks import LABELLED
from nlp_transfer.data.examples import OnMissing, find_label_role, map_columns, read_part
from nlp_transfer.data.formats.cells import stream_inputs, stream_texts
from nlp_transfer.data.formats.held import list_columns
from nlp_transfer.data.formats.records import RowStream
from nlp_transfer.data.gathering import Roles
from nlp_transfer.data.given import take_place
from nlp_transfer.data.labels import LABEL_SEPARATORS, USUAL_RULES, LabelRules, find_labels, map_labels
from nlp_transfer.data.locations import open_place, open_places
from nlp_transfer.data.report import DataReport, Part, condense_dropped, inspect
from nlp_transfer.data.rows import StoredColumn, TaskRows
from nlp_transfer.data.splitting import cut, deal_folds, join_groups, subsample
from nlp_transfer.data.store import Examples
from nlp_transfer.data.unlabelled import open_unlabelled
from nlp_transfer.errors import ConfigError, DataError, UnusableError, count_things
from nlp_transfer.system.received import HeldRows

__all__ = [
    "DataReport",
    "Splits",
    "TrainRows",
    "load_splits",
    "load_train",
    "read_rows",
    "stream_inputs",
    "stream_texts",
]
logger = logging.getLogger(__name__)
LARGE_DEVIATION = 0.2  # of the number of rows that a cut should have; less is not worth a warning
FINEST = 4  # answers of float32 must be so many times closer together than the numbers of train


@dataclass(frozen=True)
class Splits:
    """The data of a run: a column for each role, and `row`.

    A role holds texts, lists of texts, labels as int64 indices into `labels`, lists of such indices, or float64
    numbers. `row` is the number, from 1, of the line that a record starts on, or of the row in a format without lines.
    `unlabelled` has the roles that are read to predict alone; None if it was not asked for.
    """

    train: TaskRows
    validation: TaskRows
    test: TaskRows
    labels: tuple[str, ...]
    report: DataReport
    unlabelled: TaskRows | None = None


def load_splits(
    data: DataConfig,
    roles: Roles,
    *,
    inputs: Sequence[str] = (),
    seed: int = 0,
    tested: bool = True,
    adapting: bool = False,
) -> Splits:
    """Read train, validation and test; cut a missing split from train.

    A split that came with train and has no labels (or targets), as in a competition, counts as missing.

    Args:
        data: the section of the configuration.
        roles: role -> kind.
        inputs: the roles that are read to predict; by default the first.
        seed: of the training, if rows are cut or limited by that.
        tested: False leaves a missing test split without rows, rather than cut it from train.
        adapting: read `data.unlabelled` too.

    Raises:
        ConfigError: a column is mapped to no role, or two roles are on one column.
        DataError: something cannot be read or used; the message names file and line.
    """
    columns = map_columns(data.columns, roles)
    streams = open_places(
        data.train, data.validation, data.test, make_dialect(data), subset=data.subset, revision=data.revision
    )
    parts = _read_parts(streams, columns, roles, data, inputs)

    labels: tuple[str, ...] = ()
    if find_label_role(roles):
        labels = _name_labels(parts, streams, make_label_rules(data))
    contents = {split: part.examples.fingerprint for split, part in parts.items()}

    # Cut first, then limit, so that a limit leaves validation and test as they are.
    split_seed, limit_seed = _choose_seeds(data, seed)
    parts = _cut_missing(parts, data, split_seed, given=() if tested else ("test",))
    if data.limit is not None:
        parts["train"] = _limit_rows(parts["train"], data.limit, limit_seed)

    read = {role: kind for role, kind in roles.items() if role in (inputs or tuple(roles)[:1])}
    texts = _read_unlabelled(data, {role: columns[role] for role in read}, read) if adapting else None
    report = inspect(parts, labels, contents, texts)
    _refuse_alike_numbers(parts["train"], report, columns)
    train, validation = (_make_rows(parts[split], roles) for split in ("train", "validation"))
    test = _make_rows(parts["test"], roles) if "test" in parts else train.select(())
    return Splits(train, validation, test, labels, report, None if texts is None else _make_rows(texts, read))


def _read_unlabelled(data: DataConfig, columns: Mapping[str, str], roles: Roles) -> Part:
    """Read all texts without labels; a file may also be lines of text.

    Raises:
        DataError: as `load_splits`.
    """
    place = data.unlabelled
    assert place is not None  # noqa: S101 - the configuration has been checked
    if isinstance(place, HeldRows) and len(columns) == len(held := list_columns(place.rows)) == 1:
        columns = dict.fromkeys(columns, held[0])  # the only one there is, whatever its name
    opened = open_unlabelled(
        place, columns, make_dialect(data), split="train", subset=data.subset, revision=data.revision
    )
    return read_part(opened.open(), columns, roles, data.on_missing, inputs=tuple(roles))


@dataclass(frozen=True)
class TrainRows:
    """Some rows of train, as `Splits` has them.

    Attributes:
        rows: the data.
        labels: the names of the labels of all of train.
        folds: (rows,) the fold of each, from 0: stratified, with equal texts and groups together.
        origin: where the rows come from and how many there were, in words.
        fingerprint: the digest of their texts, numbers and labels in order.
        warnings: what would mislead a reader of the scores.
    """

    rows: TaskRows
    labels: tuple[str, ...]
    folds: np.ndarray
    origin: str
    fingerprint: str
    warnings: tuple[str, ...]


def load_train(
    data: DataConfig, roles: Roles, *, most: int, folds: int, inputs: Sequence[str] = (), seed: int = 0
) -> TrainRows:
    """Read train alone: not a row of validation or test is read, nor one that a run may cut from train for them.

    A split that comes with train may turn out to have no labels, and would then be cut from train. As it is not opened
    to see, its share is left out in any case.

    Args:
        data: the section of the configuration.
        roles: role -> kind.
        most: keep at most so many rows, drawn as `data.limit` draws them.
        folds: deal the rows to so many.
        inputs: the roles that are read to predict; by default the first.
        seed: of the training, if rows are cut or limited by that; and of the folds.

    Raises:
        ConfigError: as `load_splits`.
        DataError: the same, of train; or there are fewer different texts than two for each fold.
    """
    columns = map_columns(data.columns, roles)
    opened = open_places(data.train, None, None, make_dialect(data), subset=data.subset, revision=data.revision)
    stream = opened["train"]
    parts = {"train": read_part(stream, columns, roles, data.on_missing, inputs=inputs, group=data.group)}
    labels = _name_labels(parts, {"train": stream}, make_label_rules(data)) if find_label_role(roles) else ()

    split_seed, limit_seed = _choose_seeds(data, seed)
    given = [split for split in ("validation", "test") if getattr(data, split) is not None]
    part = _cut_missing(parts, data, split_seed, given=given)["train"]
    part = _limit_rows(part, min(most, data.limit or most), limit_seed)

    examples = part.examples
    keys = examples.keys if examples.groups is None else join_groups(examples.keys, examples.groups)
    if (different := len(np.unique(keys))) < 2 * folds:
        what = _count_units(different, data.group)
        raise DataError(f"{part.place}: {what} in train, too few for {folds} folds of two; add some")

    report = inspect({"train": part}, labels, {})
    _refuse_alike_numbers(part, report, columns)
    return TrainRows(
        rows=_make_rows(part, roles),
        labels=labels,
        folds=deal_folds(keys, _assign_strata(examples), folds, seed=seed),
        origin=part.origin,
        fingerprint=report.splits["train"].fingerprint,
        warnings=report.warnings,
    )


def _read_parts(
    streams: Mapping[str, RowStream],
    columns: Mapping[str, str],
    roles: Roles,
    data: DataConfig,
    inputs: Sequence[str],
) -> dict[str, Part]:
    """Read every split that was opened; leave out one without labels that came with train.

    Raises:
        DataError: as `load_splits`.
    """
    parts: dict[str, Part] = {}
    for split, stream in streams.items():
        group = data.group if split == "train" else None  # only train is cut
        try:
            parts[split] = read_part(stream, columns, roles, data.on_missing, inputs=inputs, group=group)
        except UnusableError as error:
            if split == "train" or getattr(data, split) is not None:
                raise
            why = str(error).replace(stream.name, f"the {split} split that came with it", 1)
            parts["train"].warnings.append(f"{split} is cut from train, since nothing can be measured on {why}")
    return parts


def _refuse_alike_numbers(train: Part, report: DataReport, columns: Mapping[str, str]) -> None:
    """Refuse numbers to learn that are all equal, or that a model, which computes in float32, cannot tell apart.

    Raises:
        DataError: naming the column.
    """
    for role, numbers in report.splits["train"].numbers.items():
        if numbers.lowest == numbers.highest:
            raise DataError(
                f"{train.place}: each of {len(train.examples)} rows of train has the number "
                f"{numbers.mean:g} in column '{columns[role]}'; there is nothing to learn"
            )
        step = float(np.spacing(np.float32(max(abs(numbers.lowest), abs(numbers.highest)))))
        if numbers.deviation < FINEST * step:
            raise DataError(
                f"{train.place}: the numbers in column '{columns[role]}' deviate by {numbers.deviation:.3g} "
                f"around {numbers.mean:g}, where the answers of a model are {step:.3g} apart; subtract {numbers.mean:g}"
            )


def make_dialect(data: DataConfig) -> Dialect:
    """Make the dialect of the tables of a configuration: how they are written."""
    return Dialect(data.delimiter, data.quoting, data.header, data.label_separator, encoding=data.encoding)


def read_rows(
    place: Any,
    columns: Mapping[str, str],
    roles: Roles,
    *,
    inputs: Sequence[str] = (),
    dialect: Dialect = PLAIN,
    labels: tuple[str, ...] = (),
    on_missing: OnMissing = "drop",
    rules: LabelRules = USUAL_RULES,
    limit: int | None = None,
) -> TaskRows:
    """Read one place, with columns as in `Splits`, and map its labels to known ones.

    Args:
        place: A file, column -> parallel text file, a bundled set, or a folder or Hub id with a test split; or rows in
            memory, as `hold_rows` takes them.
        columns: Role -> column. A role that is not named has a column of its own name.
        roles: Role -> kind.
        inputs: The roles that are read to predict; by default the first.
        dialect: How a .csv or .tsv is written.
        labels: The known labels, for tasks with labels.
        on_missing: Drop rows with an empty text or a missing label or number, with a warning, or refuse them.
        rules: How spellings become labels, and whether rows with unknown labels are dropped or refused.
        limit: Keep at most so many rows, drawn with seed 0 and with the shares of the labels.

    Raises:
        ConfigError: a column is mapped to no role, or two roles are on one column.
        DataError: the place is no name or cannot be read, or a label is not known; the message names its rows.
    """
    stream = open_place(take_place(place), "test", dialect)
    part = read_part(stream, map_columns(columns, roles), roles, on_missing, inputs=inputs)
    if find_label_role(roles):
        part = _map_to_known_labels(part, labels, stream, rules)

    if limit is not None:
        part = _limit_rows(part, limit, 0)
        if part.how:
            logger.info(part.origin)

    for warning in part.warnings:
        logger.warning(warning)
    for drop in part.dropped:
        logger.warning("%s: %s", stream.name, drop)
    return _make_rows(part, roles)


def make_label_rules(data: DataConfig) -> LabelRules:
    """Make the rules of a configuration for labels."""
    return LabelRules(exact=data.labels == "exact", most=data.max_labels, on_unknown=data.on_unknown_label)


def _name_labels(parts: dict[str, Part], streams: Mapping[str, RowStream], rules: LabelRules) -> tuple[str, ...]:
    """Replace the spellings of labels in all `parts` by names, which are found in train; return the names."""
    train = parts["train"]
    # A spelling that was only in rows that were dropped, such as those without a text, counts for nothing.
    counts = zip(train.examples.names, train.examples.count_labels().tolist(), strict=True)
    spellings = {spelling: count for spelling, count in counts if count}
    mapping, labels, warnings = find_labels(spellings, train.place, rules, rows=len(train.examples))

    index = {label: at for at, label in enumerate(labels)}
    examples = train.examples.rename([index.get(mapping.get(one, ""), -1) for one in train.examples.names], labels)
    if examples.sets is not None:
        warnings += _warn_of_separators(labels, train.place, streams["train"].dialect)
    parts["train"] = replace(train, examples=examples, warnings=[*train.warnings, *warnings])

    for split in parts.keys() - {"train"}:
        parts[split] = _map_to_known_labels(parts[split], labels, streams[split], rules)
    return labels


def _warn_of_separators(labels: Sequence[str], place: str, dialect: Dialect) -> list[str]:
    """Warn if labels hold a mark that often stands between labels, such as `drama|comedy`."""
    for mark in LABEL_SEPARATORS:
        if mark != dialect.label_separator and (odd := [label for label in labels if mark in label]):
            said = f"{count_things(len(odd), 'label holds', 'labels hold')} '{mark}', such as {odd[0]!r}"
            return [f"{place}: {said}; if it stands between labels, set {dialect.set_label_separator(mark)}"]
    return []


def _map_to_known_labels(part: Part, labels: tuple[str, ...], stream: RowStream, rules: LabelRules) -> Part:
    """Map the labels of a split to known ones; drop or refuse rows with others.

    Raises:
        DataError: a label is not known and such rows are not dropped, or no row is left.
    """
    rows = part.examples
    spelled = _list_spellings(rows)
    numbers = np.repeat(rows.numbers, [len(one) for one in rows.list_label_sets()]).tolist()
    found, left_out = map_labels(spelled, numbers, labels, stream, rules, several=rows.sets is not None)

    index = {label: at for at, label in enumerate(labels)}
    named = {spelling: index[name] for spelling, name in zip(spelled, found, strict=True) if name is not None}
    places = [named.get(spelling, -1) for spelling in rows.names]
    known = np.array([all(places[label] >= 0 for label in one) for one in rows.answers], bool)
    kept = np.flatnonzero(known[rows.labels])
    if not len(kept):
        raise DataError(f"{part.place}: no row is left, for each has a label that is not known")

    return replace(
        part, examples=rows.rename(places, labels).take(kept), dropped=(*part.dropped, *condense_dropped(left_out))
    )


def _list_spellings(rows: Examples) -> list[str]:
    """List the spellings of the labels of all rows."""
    return [rows.names[label] for one in rows.list_label_sets() for label in one]


def _choose_seeds(data: DataConfig, seed: int) -> tuple[int, int]:
    """Choose the seeds of the cut and of the limit; `seed` is that of the training."""
    split_seed = seed if data.split_seed == "seed" else data.split_seed
    limit_seed = split_seed if data.limit_seed is None else seed if data.limit_seed == "seed" else data.limit_seed
    return split_seed, limit_seed


def _cut_missing(
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
    dealt = cut(keys, _assign_strata(rows), shares, seed=seed)
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


def _count_units(count: int, group: str | None) -> str:
    """Say how many parts the rows have that can be dealt, as `1 different text`."""
    several = "" if count == 1 else "s"
    return f"{count} group{several} by '{group}'" if group else f"{count} different text{several}"


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
        what = f"{_count_units(len(np.unique(keys)), data.group)} in {len(rows)} row{'' if len(rows) == 1 else 's'}"
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


def _format_percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _limit_rows(part: Part, limit: int, seed: int) -> Part:
    """Keep at most `limit` rows of a split, with the shares of the labels.

    Raises:
        DataError: there are more labels than rows to keep.
    """
    rows = part.examples
    strata = _assign_strata(rows)
    if limit < (classes := len(np.unique(strata))):
        raise DataError(f"{part.place}: a limit of {limit} rows cannot hold its {classes} labels; raise it")
    if limit >= len(rows):
        return part
    how = _describe_strata(rows)
    taken = f"limited to {limit} of {len(rows)} rows, {how}seed {seed}"
    return replace(part, how=taken, examples=rows.take(subsample(strata, limit, seed=seed)))


def _describe_strata(rows: Examples) -> str:
    """Say how rows were stratified, as the beginning of a list."""
    if rows.labels is None:
        return ""
    return "stratified, " if rows.sets is None else "stratified by the rarest label of each row, "


def _assign_strata(rows: Examples) -> np.ndarray:
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


def _make_rows(part: Part, roles: Roles) -> TaskRows:
    rows, stored = part.examples, part.examples.map_table()
    content = {
        role: _make_label_column(rows) if kind in LABELLED else stored.column(role) for role, kind in roles.items()
    }
    types = {
        "text": pa.string(),
        "texts": pa.list_(pa.string()),
        "label": pa.int64(),
        "labels": pa.list_(pa.int64()),
        "number": pa.float64(),
    }
    schema = pa.schema({**{role: types[kind] for role, kind in roles.items()}, "row": pa.int64()})
    table = pa.table({**content, "row": rows.numbers}, schema=schema)
    return TaskRows({name: StoredColumn(table.column(name)) for name in schema.names})


def _make_label_column(rows: Examples) -> Any:
    """Make the column of the labels: an index for each row, or a list of indices."""
    if rows.sets is None:
        return rows.labels
    return pa.array(rows.sets, pa.list_(pa.int64())).take(pa.array(rows.labels))
