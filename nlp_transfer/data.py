"""From places to splits: columns become roles, labels become integers, missing splits are cut from train.

Read a configuration's data with `load_splits`, one more file with known labels with `read_rows`, texts alone with
`stream_texts`.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from nlp_transfer.cells import cell_text, missing_column, stream_texts
from nlp_transfer.config import DataConfig
from nlp_transfer.errors import ConfigError, DataError, suggest
from nlp_transfer.inspection import DataReport, Example, Part, dropped_rows, inspect
from nlp_transfer.labels import find_labels, map_labels
from nlp_transfer.places import Place, open_place, open_places
from nlp_transfer.rows import RowStream
from nlp_transfer.splitting import cut, subsample
from nlp_transfer.task import RoleKind

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["DataReport", "Splits", "load_splits", "read_rows", "stream_texts"]
logger = logging.getLogger(__name__)
OnMissing = Literal["drop", "error"]
Roles = Mapping[str, RoleKind]


@dataclass(frozen=True)
class Splits:
    """The data of a run: one column per role (texts; the label as int64 into `labels`), and `row`.

    `row` is the 1-based number of the line (or row, where a format has no lines) that a record starts on.
    """

    train: "Dataset"
    validation: "Dataset"
    test: "Dataset"
    labels: tuple[str, ...]
    report: DataReport


def load_splits(data: DataConfig, roles: Roles) -> Splits:
    """Read train, validation and test; cut from train what is missing.

    Raises:
        ConfigError: columns that name no role, or two roles on one column.
        DataError: anything that cannot be read or used, with file and line.
    """
    columns = _columns(data.columns, roles)
    streams = open_places(data.train, data.validation, data.test, data.revision)
    parts = {split: _read(stream, columns, roles, data.on_missing) for split, stream in streams.items()}
    labels: tuple[str, ...] = ()
    if _label_role(roles):
        labels = _name_labels(parts, streams)
    parts = _cut_missing(parts, data)
    if data.limit is not None:
        parts["train"] = _limit(parts["train"], data.limit, data.split_seed)
    report = inspect(parts, labels)
    for warning in report.warnings:
        logger.warning(warning)
    train, validation, test = (_dataset(parts[split], roles, labels) for split in ("train", "validation", "test"))
    return Splits(train, validation, test, labels, report)


def read_rows(
    path: Place,
    columns: Mapping[str, str],
    roles: Roles,
    *,
    labels: tuple[str, ...] | None = None,
    on_missing: OnMissing = "drop",
) -> "Dataset":
    """Read one place with the same columns as in `Splits`, its labels mapped into known ones.

    Args:
        path: File, column -> parallel text file, bundled set, or folder or Hub id with a test split.
        columns: Role -> column; a role that is not named has a column of its own name.
        roles: Role -> kind.
        labels: The known labels; by default those of the place itself.
        on_missing: Drop rows with an empty text or missing label, with a warning, or refuse them.

    Raises:
        ConfigError: columns that name no role, or two roles on one column.
        DataError: what cannot be read, or a label that is not known, with its rows.
    """
    stream = open_place(path, "test")
    part = _read(stream, _columns(columns, roles), roles, on_missing)
    if _label_role(roles):
        if labels is None:
            labels = _name_labels({"train": part}, {"train": stream})
        else:
            part = _with_known_labels(part, labels, stream)
    for drop in part.dropped:
        logger.warning("%s: %d rows dropped: %s (first: %s)", stream.name, drop.count, drop.reason, drop.rows)
    return _dataset(part, roles, labels or ())


def _columns(columns: Mapping[str, str], roles: Roles) -> dict[str, str]:
    """Role -> column for every role."""
    for role in columns:
        if role not in roles:
            raise ConfigError(f"data.columns: unknown role '{role}'. {suggest(role, roles)}")
    mapping = {role: columns.get(role, role) for role in roles}
    by_column: dict[str, str] = {}
    for role, column in mapping.items():
        if column in by_column:
            raise ConfigError(f"data.columns: '{by_column[column]}' and '{role}' are both on column '{column}'")
        by_column[column] = role
    return mapping


def _label_role(roles: Roles) -> str | None:
    return next((role for role, kind in roles.items() if kind == "label"), None)


def _read(stream: RowStream, columns: Mapping[str, str], roles: Roles, on_missing: OnMissing) -> Part:
    """Read a place; rows that lack a text or a label are dropped or refused."""
    examples = []
    missing: dict[str, list[int]] = {}
    seen: dict[str, None] = {}  # an ordered set
    for number, cells in stream.rows:
        seen.update(dict.fromkeys(cells))
        values = {role: cell_text(cells.get(column), stream, number) for role, column in columns.items()}
        lacks = next((role for role, value in values.items() if value is None or not value.strip()), None)
        if lacks is not None:
            reason = f"{'missing label' if roles[lacks] == 'label' else 'empty text'} in column '{columns[lacks]}'"
            missing.setdefault(reason, []).append(number)
            continue
        texts = {role: value for role, value in values.items() if roles[role] == "text" and value is not None}
        examples.append(Example(number, texts, values.get(_label_role(roles) or "")))
    for column in columns.values():
        if column not in seen:
            raise missing_column(stream.name, column, seen)
    for reason, numbers in missing.items():
        if on_missing == "error" or not examples:
            count = f"{len(numbers)} of {len(examples) + sum(map(len, missing.values()))} rows"
            raise DataError(f"{stream.at(numbers)}: {reason} ({count}); fill them in, or set data.on_missing: drop")
    return Part(examples, stream.name, dropped_rows(missing))


def _name_labels(parts: dict[str, Part], streams: Mapping[str, RowStream]) -> tuple[str, ...]:
    """Replace raw labels by label names, found in train and mapped elsewhere; change `parts`, return the names."""
    train = parts["train"]
    mapping, labels, warnings = find_labels([str(one.label) for one in train.examples], train.origin)
    named = [replace(one, label=mapping[str(one.label)]) for one in train.examples]
    parts["train"] = replace(train, examples=named, warnings=warnings)
    for split in parts.keys() - {"train"}:
        parts[split] = _with_known_labels(parts[split], labels, streams[split])
    return labels


def _with_known_labels(part: Part, labels: tuple[str, ...], stream: RowStream) -> Part:
    raw = [str(one.label) for one in part.examples]
    names = map_labels(raw, [one.number for one in part.examples], labels, stream)
    examples = [replace(one, label=name) for one, name in zip(part.examples, names, strict=True)]
    return replace(part, examples=examples)


def _cut_missing(parts: Mapping[str, Part], data: DataConfig) -> dict[str, Part]:
    """Cut `test` and `validation` from train where they are not given."""
    wanted = {"test": data.test_share, "validation": data.validation_share}
    shares = {split: share for split, share in wanted.items() if split not in parts}
    if sum(shares.values()) >= 1:
        raise ConfigError("data.validation_share and data.test_share together must be below 1: train gets the rest")
    if not shares:
        return dict(parts)
    train = parts["train"]
    rows = train.examples
    dealt = cut([row.key for row in rows], _strata(rows), shares, seed=data.split_seed)
    if not all(dealt.values()):
        names = " and ".join(shares)
        raise DataError(f"{train.origin}: {len(rows)} rows are too few to cut {names} from; add rows or give data.test "
                        "and data.validation")  # fmt: skip
    how = "stratified, " if rows[0].label is not None else ""
    result = {"train": replace(train, examples=[rows[i] for i in dealt["train"]])}
    for split in ("validation", "test"):
        if split in parts:
            result[split] = parts[split]
        else:
            origin = f"cut from train: {shares[split] * 100:g} %, {how}seed {data.split_seed}"
            result[split] = Part([rows[i] for i in dealt[split]], origin)
    return result


def _limit(train: Part, limit: int, seed: int) -> Part:
    rows = train.examples
    strata = _strata(rows)
    if limit < len(set(strata)):
        raise DataError(f"data.limit: {limit} rows cannot hold the {len(set(strata))} labels of train; raise it")
    if limit >= len(rows):
        return train
    how = "stratified, " if rows[0].label is not None else ""
    origin = f"{train.origin}; limited to {limit} of {len(rows)} rows, {how}seed {seed}"
    return replace(train, origin=origin, examples=[rows[i] for i in subsample(strata, limit, seed=seed)])


def _strata(rows: Sequence[Example]) -> list[str]:
    return [row.label or "" for row in rows]


def _dataset(part: Part, roles: Roles, labels: tuple[str, ...]) -> "Dataset":
    from datasets import Dataset, Features, Value  # a second to import: not for `--help`

    index = {label: i for i, label in enumerate(labels)}
    content: dict[str, list[str] | list[int]] = {}
    for role, kind in roles.items():
        content[role] = (
            [index[str(row.label)] for row in part.examples]
            if kind == "label"
            else [row.texts[role] for row in part.examples]
        )
    types = {role: Value("int64" if kind == "label" else "string") for role, kind in roles.items()}
    rows = [row.number for row in part.examples]
    return Dataset.from_dict({**content, "row": rows}, features=Features({**types, "row": Value("int64")}))
