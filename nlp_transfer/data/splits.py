"""Make the splits of a run: turn labels into integers, and cut missing splits from train.

Use `load_splits` for the data of a configuration, `load_train` for its train alone, `read_rows` for one more file with
known labels, `stream_texts` for texts alone, and `stream_inputs` for several texts that are read together.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from nlp_transfer.config.data import DataConfig
from nlp_transfer.config.dialect import PLAIN, Dialect
from nlp_transfer.config.tasks import LABELLED
from nlp_transfer.data.cutting import assign_strata, choose_seeds, count_units, cut_missing, limit_rows
from nlp_transfer.data.examples import OnMissing, find_label_role, map_columns, read_part
from nlp_transfer.data.formats.cells import stream_inputs, stream_texts
from nlp_transfer.data.formats.held import list_columns
from nlp_transfer.data.formats.records import RowStream
from nlp_transfer.data.gathering import Roles
from nlp_transfer.data.given import take_place
from nlp_transfer.data.labels import USUAL_RULES, LabelRules
from nlp_transfer.data.locations import open_place, open_places
from nlp_transfer.data.naming import make_label_rules, map_to_known_labels, name_labels
from nlp_transfer.data.report import DataReport, Part, inspect
from nlp_transfer.data.rows import StoredColumn, TaskRows
from nlp_transfer.data.splitting import deal_folds, join_groups
from nlp_transfer.data.store import Examples
from nlp_transfer.data.unlabelled import open_unlabelled
from nlp_transfer.errors import DataError, UnusableError
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
        labels = name_labels(parts, streams, make_label_rules(data))
    contents = {split: part.examples.fingerprint for split, part in parts.items()}

    # Cut first, then limit, so that a limit leaves validation and test as they are.
    split_seed, limit_seed = choose_seeds(data, seed)
    parts = cut_missing(parts, data, split_seed, given=() if tested else ("test",))
    if data.limit is not None:
        parts["train"] = limit_rows(parts["train"], data.limit, limit_seed)

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
    labels = name_labels(parts, {"train": stream}, make_label_rules(data)) if find_label_role(roles) else ()

    split_seed, limit_seed = choose_seeds(data, seed)
    given = [split for split in ("validation", "test") if getattr(data, split) is not None]
    part = cut_missing(parts, data, split_seed, given=given)["train"]
    part = limit_rows(part, min(most, data.limit or most), limit_seed)

    examples = part.examples
    keys = examples.keys if examples.groups is None else join_groups(examples.keys, examples.groups)
    if (different := len(np.unique(keys))) < 2 * folds:
        what = count_units(different, data.group)
        raise DataError(f"{part.place}: {what} in train, too few for {folds} folds of two; add some")

    report = inspect({"train": part}, labels, {})
    _refuse_alike_numbers(part, report, columns)
    return TrainRows(
        rows=_make_rows(part, roles),
        labels=labels,
        folds=deal_folds(keys, assign_strata(examples), folds, seed=seed),
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
        part = map_to_known_labels(part, labels, stream, rules)

    if limit is not None:
        part = limit_rows(part, limit, 0)
        if part.how:
            logger.info(part.origin)

    for warning in part.warnings:
        logger.warning(warning)
    for drop in part.dropped:
        logger.warning("%s: %s", stream.name, drop)
    return _make_rows(part, roles)


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
