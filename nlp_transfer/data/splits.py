"""From places to splits: labels become integers, missing splits are cut from train.

Read a configuration's data with `load_splits`, one more file with known labels with `read_rows`, texts alone with
`stream_texts`, or `stream_inputs` where several are read together.
"""

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from nlp_transfer.config.dialect import PLAIN, Dialect
from nlp_transfer.config.sections import DataConfig
from nlp_transfer.config.tasks import LABELLED
from nlp_transfer.data.examples import OnMissing, columns_of, label_role, read_part
from nlp_transfer.data.formats.cells import stream_inputs, stream_texts
from nlp_transfer.data.formats.records import RowStream
from nlp_transfer.data.gathering import Roles
from nlp_transfer.data.labels import USUAL, LabelRules, find_labels, map_labels
from nlp_transfer.data.locations import Place, open_place, open_places
from nlp_transfer.data.report import DataReport, Part, dropped_rows, inspect
from nlp_transfer.data.splitting import cut, joined_groups, subsample
from nlp_transfer.data.store import Examples
from nlp_transfer.errors import ConfigError, DataError, UnusableError
from nlp_transfer.system.received import find_place_fault

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["DataReport", "Splits", "load_splits", "read_rows", "stream_inputs", "stream_texts"]
logger = logging.getLogger(__name__)
SEPARATORS = "|;,"  # what stands between labels elsewhere
ODD = 0.2  # share of the rows asked for that a cut may be off without a word


@dataclass(frozen=True)
class Splits:
    """The data of a run: one column per role, and `row`.

    Roles hold texts, lists of texts, the label as int64 into `labels` or a list of such, or a float64 number. `row` is
    the 1-based number of the line (or row, where a format has no lines) that a record starts on.
    """

    train: "Dataset"
    validation: "Dataset"
    test: "Dataset"
    labels: tuple[str, ...]
    report: DataReport


def load_splits(data: DataConfig, roles: Roles, *, inputs: Sequence[str] = (), seed: int = 0) -> Splits:
    """Read train, validation and test; cut from train what is missing.

    A test or validation split that came with train and has no labels (or targets), as in a competition, is missing.

    Args:
        data: places, columns, and what is cut and limited.
        roles: role -> kind.
        inputs: the roles that are read to predict; by default the first.
        seed: of the training, for what is cut or limited by that.

    Raises:
        ConfigError: columns that name no role, or two roles on one column.
        DataError: anything that cannot be read or used, with file and line.
    """
    columns = columns_of(data.columns, roles)
    streams = open_places(
        data.train, data.validation, data.test, dialect_of(data), subset=data.subset, revision=data.revision
    )
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
    labels: tuple[str, ...] = ()
    if label_role(roles):
        labels = _name_labels(parts, streams, label_rules(data))
    contents = {split: part.examples.fingerprint for split, part in parts.items()}
    split_seed = seed if data.split_seed == "seed" else data.split_seed
    limit_seed = split_seed if data.limit_seed is None else seed if data.limit_seed == "seed" else data.limit_seed
    parts = _cut_missing(parts, data, split_seed)
    if data.limit is not None:
        parts["train"] = _limit(parts["train"], data.limit, limit_seed)
    report = inspect(parts, labels, contents)
    for role, numbers in report.splits["train"].numbers.items():
        if numbers.lowest == numbers.highest:
            raise DataError(
                f"{parts['train'].place}: each of {len(parts['train'].examples)} rows of train has the number "
                f"{numbers.mean:g} in column '{columns[role]}'; there is nothing to learn"
            )
    train, validation, test = (_dataset(parts[split], roles) for split in ("train", "validation", "test"))
    return Splits(train, validation, test, labels, report)


def dialect_of(data: DataConfig) -> Dialect:
    """Describe how the tables of a configuration are written."""
    return Dialect(data.delimiter, data.quoting, data.header, data.label_separator)


def read_rows(
    place: Place | PathLike[str],
    columns: Mapping[str, str],
    roles: Roles,
    *,
    inputs: Sequence[str] = (),
    dialect: Dialect = PLAIN,
    labels: tuple[str, ...] = (),
    on_missing: OnMissing = "drop",
    rules: LabelRules = USUAL,
    limit: int | None = None,
) -> "Dataset":
    """Read one place with the same columns as in `Splits`, its labels mapped into known ones.

    Args:
        place: File, column -> parallel text file, bundled set, or folder or Hub id with a test split.
        columns: Role -> column; a role that is not named has a column of its own name.
        roles: Role -> kind.
        inputs: The roles that are read to predict; by default the first.
        dialect: How a .csv or .tsv is written.
        labels: The known labels, for tasks that have some.
        on_missing: Drop rows with an empty text or a missing label or number, with a warning, or refuse them.
        rules: How spellings become labels, and what is done about labels that are not known.
        limit: Keep no more than so many rows, drawn with seed 0 and in the shares of the labels.

    Raises:
        ConfigError: columns that name no role, or two roles on one column.
        DataError: what names no place or cannot be read, or a label that is not known, with its rows.
    """
    if fault := find_place_fault(place):
        raise DataError(f"data: {fault}")
    stream = open_place(str(place) if isinstance(place, PathLike) else place, "test", dialect)
    part = read_part(stream, columns_of(columns, roles), roles, on_missing, inputs=inputs)
    if label_role(roles):
        part = _with_known_labels(part, labels, stream, rules)
    if limit is not None:
        part = _limit(part, limit, 0)
        if part.how:
            logger.info(part.origin)
    for warning in part.warnings:
        logger.warning(warning)
    for drop in part.dropped:
        logger.warning("%s: %s", stream.name, drop)
    return _dataset(part, roles)


def label_rules(data: DataConfig) -> LabelRules:
    """Read off a configuration how spellings become labels."""
    return LabelRules(exact=data.labels == "exact", most=data.max_labels, on_unknown=data.on_unknown_label)


def _name_labels(parts: dict[str, Part], streams: Mapping[str, RowStream], rules: LabelRules) -> tuple[str, ...]:
    """Replace raw labels by label names, found in train and mapped elsewhere; change `parts`, return the names."""
    train = parts["train"]
    mapping, labels, warnings = find_labels(_spelled(train.examples), train.place, rules, rows=len(train.examples))
    index = {label: at for at, label in enumerate(labels)}
    # A spelling that is not mapped stood in rows without a text, and in no other.
    examples = train.examples.rename([index.get(mapping.get(one, ""), -1) for one in train.examples.names], labels)
    if examples.sets is not None:
        warnings += _warn_of_separators(labels, train.place, streams["train"].dialect)
    parts["train"] = replace(train, examples=examples, warnings=[*train.warnings, *warnings])
    for split in parts.keys() - {"train"}:
        parts[split] = _with_known_labels(parts[split], labels, streams[split], rules)
    return labels


def _warn_of_separators(labels: Sequence[str], place: str, dialect: Dialect) -> list[str]:
    """Warn of labels that look like several."""
    for mark in SEPARATORS:
        if mark != dialect.label_separator and (odd := [label for label in labels if mark in label]):
            return [
                f"{place}: {len(odd)} labels, such as {odd[0]!r}, hold '{mark}'; if it stands between labels, set "
                f"data.label_separator=\"'{mark}'\""
            ]
    return []


def _with_known_labels(part: Part, labels: tuple[str, ...], stream: RowStream, rules: LabelRules) -> Part:
    rows = part.examples
    spelled = _spelled(rows)
    numbers = np.repeat(rows.numbers, [len(one) for one in rows.label_sets()]).tolist()
    found, left_out = map_labels(spelled, numbers, labels, stream, rules)

    index = {label: at for at, label in enumerate(labels)}
    named = {spelling: index[name] for spelling, name in zip(spelled, found, strict=True) if name is not None}
    places = [named.get(spelling, -1) for spelling in rows.names]
    known = np.array([all(places[label] >= 0 for label in one) for one in rows.answers], bool)
    kept = np.flatnonzero(known[rows.labels])
    if not len(kept):
        raise DataError(f"{part.place}: no row is left, for each has a label that is not known")
    return replace(
        part, examples=rows.rename(places, labels).take(kept), dropped=(*part.dropped, *dropped_rows(left_out))
    )


def _spelled(rows: Examples) -> list[str]:
    """Read the labels of rows as they are spelt."""
    return [rows.names[label] for one in rows.label_sets() for label in one]


def _cut_missing(parts: Mapping[str, Part], data: DataConfig, seed: int) -> dict[str, Part]:
    """Cut `test` and `validation` from train where they are not given."""
    wanted = {"test": data.test_share, "validation": data.validation_share}
    shares = {split: share for split, share in wanted.items() if split not in parts}
    if sum(shares.values()) >= 1:
        raise ConfigError("data.validation_share and data.test_share together must be below 1: train gets the rest")
    if not shares:
        return dict(parts)
    train = parts["train"]
    rows = train.examples
    keys = rows.keys if rows.groups is None else joined_groups(rows.keys, rows.groups)
    dealt = cut(keys, _strata(rows), shares, seed=seed)
    if not all(map(len, dealt.values())):
        names = " and ".join(shares)
        what = f"{len(np.unique(keys))} " + (f"groups by '{data.group}'" if data.group else "different texts")
        given = " and ".join(f"data.{split}" for split in shares)
        raise DataError(
            f"{train.place}: {what} in {len(rows)} rows are too few to cut {names} from; add some or give {given}"
        )
    if rows.labels is not None:
        kept = np.unique(rows.labels[dealt["train"]])
        if len(kept) == 1 < len(np.unique(rows.labels)):
            only = ", ".join(rows.names[label] for label in rows.take(dealt["train"]).label_sets()[0]) or "none"
            raise DataError(
                f"{train.place}: what the cut leaves for train is all {only!r}, since other labels "
                f"stand in groups that went to {' and '.join(shares)}; add groups, try another data.split_seed, or "
                "give the splits"
            )
    how = f"grouped by '{data.group}', " if data.group else _how_stratified(rows)
    result = {"train": replace(train, examples=rows.take(dealt["train"]))}
    for split in ("validation", "test"):
        if split in parts:
            result[split] = parts[split]
        else:
            taken = rows.take(dealt[split])
            said = f"{len(taken)} of {len(rows)} rows ({_percent(len(taken) / len(rows))}), {how}seed {seed}"
            odd = _odd_share(split, len(taken), len(rows), shares[split], data)
            result[split] = Part(taken, train.place, warnings=odd, how=said, cut=True)
    return result


def _odd_share(split: str, taken: int, rows: int, share: float, data: DataConfig) -> list[str]:
    """Warn where a split got far more or fewer rows than its share, as when every class needs a row in it."""
    if abs(taken - share * rows) <= 1 + ODD * share * rows:
        return []
    reason = f"groups by '{data.group}' stay whole" if data.group else "each class needs a row in every split"
    return [
        f"{split}: {taken} of {rows} rows were cut from train ({_percent(taken / rows)}) where data.{split}_share asks "
        f"for {_percent(share)}: {reason}, and equal texts stay together; add rows, or give data.{split}"
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _limit(part: Part, limit: int, seed: int) -> Part:
    rows = part.examples
    strata = _strata(rows)
    if limit < (classes := len(np.unique(strata))):
        raise DataError(f"{part.place}: a limit of {limit} rows cannot hold its {classes} labels; raise it")
    if limit >= len(rows):
        return part
    how = _how_stratified(rows)
    taken = f"limited to {limit} of {len(rows)} rows, {how}seed {seed}"
    return replace(part, how=taken, examples=rows.take(subsample(strata, limit, seed=seed)))


def _how_stratified(rows: Examples) -> str:
    if rows.labels is None:
        return ""
    return "stratified, " if rows.sets is None else "stratified by the rarest label of each row, "


def _strata(rows: Examples) -> np.ndarray:
    """Place each label among the names in alphabetical order, in which classes are cut; (rows,).

    Of several labels the rarest counts, as in the first step of iterative stratification (Sechidis et al. 2011, On the
    stratification of multi-label data): it is the one that a split would lack. Rows without a label are a class too.
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


def _dataset(part: Part, roles: Roles) -> "Dataset":
    from datasets import Dataset, DatasetInfo, Features, List, Value  # a second to import: not for `--help`

    rows, stored = part.examples, part.examples.table()
    content = {role: _labels(rows) if kind in LABELLED else stored.column(role) for role, kind in roles.items()}
    types = {
        "text": Value("string"),
        "texts": List(Value("string")),
        "label": Value("int64"),
        "labels": List(Value("int64")),
        "number": Value("float64"),
    }
    features = Features({**{role: types[kind] for role, kind in roles.items()}, "row": Value("int64")})
    table = pa.table({**content, "row": rows.numbers}, schema=features.arrow_schema)
    # Without a name for what it holds `datasets` would read it all to make one.
    return Dataset(table, info=DatasetInfo(features=features), fingerprint=uuid.uuid4().hex)


def _labels(rows: Examples) -> Any:
    """Make the column of the labels: a number a row, or a list of numbers."""
    if rows.sets is None:
        return rows.labels
    return pa.array(rows.sets, pa.list_(pa.int64())).take(pa.array(rows.labels))
