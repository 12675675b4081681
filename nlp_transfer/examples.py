"""From rows to examples: columns become roles, and rows that lack a text or a label are dropped or refused."""

from collections.abc import Mapping
from typing import Any, Literal

from nlp_transfer.cells import ABSENT, MAPPED, cell_at, cell_text, cell_texts, column_names, is_blank, missing_column
from nlp_transfer.errors import ConfigError, DataError, UnusableError, suggest
from nlp_transfer.inspection import Example, Part, dropped_rows
from nlp_transfer.labels import clean
from nlp_transfer.rows import RowStream
from nlp_transfer.task import RoleKind

OnMissing = Literal["drop", "error"]
Roles = Mapping[str, RoleKind]


def columns_of(columns: Mapping[str, str], roles: Roles) -> dict[str, str]:
    """Role -> column for every role; one that is not named has a column of its own name.

    Raises:
        ConfigError: columns that name no role, or two roles on one column.
    """
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


def label_role(roles: Roles) -> str | None:
    """The role that holds the label, for tasks that have one."""
    return next((role for role, kind in roles.items() if kind == "label"), None)


def read_part(
    stream: RowStream, columns: Mapping[str, str], roles: Roles, on_missing: OnMissing, *, group: str | None = None
) -> Part:
    """Read a place to its end.

    Args:
        stream: The rows.
        columns: Role -> column, for every role.
        roles: Role -> kind.
        on_missing: Drop rows with an empty text or missing label, or refuse them.
        group: Column to keep as the group of each example.

    Raises:
        UnusableError: no row has a label (or target).
        DataError: a fault in the place, a column that no row has, or rows that lack something, where they are refused
            or nothing else is there.
    """
    examples = []
    missing: dict[str, list[int]] = {}
    wanted = [*columns.values(), *([group] if group is not None else [])]
    seen: dict[str, None] = {}  # an ordered set
    found: set[str] = set()
    _, *answers = (columns[role] for role in roles)  # the first role is the input
    for number, cells in stream.rows:
        seen.update(dict.fromkeys(column_names(cells)))
        picked = {column: cell_at(cells, column) for column in wanted}
        found.update(column for column, cell in picked.items() if cell is not ABSENT)
        values = {role: _value(picked[column], roles[role], stream, number) for role, column in columns.items()}
        lacks = next((role for role, value in values.items() if not value), None)
        if lacks is not None:
            reason = f"{'missing label' if roles[lacks] == 'label' else 'empty text'} in column '{columns[lacks]}'"
            missing.setdefault(reason, []).append(number)
            continue
        texts = {role: value for role, value in values.items() if roles[role] != "label"}
        member = None if group is None else _value(picked[group], "text", stream, number)
        examples.append(Example(number, texts, values.get(label_role(roles) or ""), member and member.strip()))
    for column in wanted:
        if column not in found:
            way = MAPPED if column in columns.values() else "Name one of them in data.group, or set data.group=null."
            error = missing_column(stream.name, column, seen, way=way)
            raise UnusableError(str(error)) if column in answers else error
    for reason, numbers in missing.items():
        if on_missing == "error" or not examples:
            count = f"{len(numbers)} of {len(examples) + sum(map(len, missing.values()))} rows"
            way = "fill them in, or set data.on_missing: drop" if examples else "no row has all; check data.columns"
            said = f"{stream.at(numbers)}: {reason} ({count}); {way}"
            unlabelled = on_missing == "drop" and any(f"'{column}'" in reason for column in answers)
            raise UnusableError(said) if unlabelled else DataError(said)
    return Part(examples, stream.name, dropped_rows({**stream.left_out, **missing}))


def _value(cell: Any, kind: RoleKind, stream: RowStream, number: int) -> Any:
    """The content of a cell as its role wants it; None or an empty list where there is nothing but blanks."""
    if cell is ABSENT:
        return None
    if kind == "texts":
        return cell_texts(cell, stream, number)
    text = cell_text(cell, stream, number)
    return text if text and (clean(text) if kind == "label" else not is_blank(text)) else None
