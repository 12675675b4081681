"""Turn rows into examples: map columns to roles, and drop or refuse rows with an empty text or no label."""

from collections.abc import Mapping, Sequence
from typing import Literal

from nlp_transfer.config.tasks import LABELLED
from nlp_transfer.data.formats.blocks import ABSENT
from nlp_transfer.data.formats.cells import make_missing_column_error
from nlp_transfer.data.formats.records import RowStream
from nlp_transfer.data.gathering import Gathered, Roles
from nlp_transfer.data.report import Part, condense_dropped
from nlp_transfer.errors import ConfigError, DataError, UnusableError, suggest
from nlp_transfer.system.garbage import pause_collector

OnMissing = Literal["drop", "error"]


def map_columns(columns: Mapping[str, str], roles: Roles) -> dict[str, str]:
    """Map every role to its column. A role that is not named has a column of its own name.

    Raises:
        ConfigError: a name is no role, or two roles are on one column.
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


def find_label_role(roles: Roles) -> str | None:
    """Find the role that holds the label or labels; None if the task has none."""
    return next((role for role, kind in roles.items() if kind in LABELLED), None)


def read_part(
    stream: RowStream,
    columns: Mapping[str, str],
    roles: Roles,
    on_missing: OnMissing,
    *,
    inputs: Sequence[str] = (),
    group: str | None = None,
) -> Part:
    """Read all rows of a place.

    Args:
        stream: The rows.
        columns: Role -> column, for every role.
        roles: Role -> kind.
        on_missing: Drop rows with an empty text or a missing label or number, or refuse them.
        inputs: The roles that are read to predict; by default the first.
        group: The column that holds the group of each example; None: there are no groups.

    Raises:
        UnusableError: no row has a label (or target).
        DataError: the place has faults; no row has a column; or rows lack something and are refused, or all do.
    """
    inputs = inputs or tuple(roles)[:1]
    gathered = Gathered(stream, columns, roles, inputs, group)
    wanted = [*columns.values(), *([group] if group is not None else [])]

    # Gather the rows block by block, and note which columns there are.
    seen: dict[str, None] = {}  # an ordered set
    found: set[str] = set()
    with pause_collector():
        for block in stream.read_blocks(wanted):
            cells = {column: block.collect_cells(column) for column in wanted}
            new = [column for column in wanted if column not in found]
            found.update(column for column in new if any(cell is not ABSENT for cell in cells[column]))
            if not found.issuperset(wanted):
                seen.update(dict.fromkeys(block.list_names()))
            gathered.add(block.numbers, cells)

    answers = [columns[role] for role in roles if role not in inputs]
    for column in wanted:
        if column not in found:
            role = next((role for role, its in columns.items() if its == column), None)
            kind = UnusableError if column in answers else DataError
            raise make_missing_column_error(stream, column, seen, role=role, kind=kind)
    _refuse_missing(gathered, on_missing, answers)

    dropped = condense_dropped({**stream.findings.left_out, **gathered.missing})
    return Part(gathered.collect(), stream.name, dropped, list(stream.findings.notes))


def _refuse_missing(gathered: Gathered, on_missing: OnMissing, answers: Sequence[str]) -> None:
    """Refuse rows that lack something, if such rows must not be dropped or if no other rows are left.

    Raises:
        UnusableError: no row has a label (or target).
        DataError: in all other cases.
    """
    kept, lacking = gathered.rows, sum(map(len, gathered.missing.values()))
    for reason, numbers in gathered.missing.items():
        if on_missing == "error" or not kept:
            way = "fill them in, or set data.on_missing: drop" if kept else "no row has all; are the columns right?"
            said = f"{gathered.stream.name_rows(numbers)}: {reason} ({len(numbers)} of {kept + lacking} rows); {way}"
            unlabelled = on_missing == "drop" and any(f"'{column}'" in reason for column in answers)
            raise UnusableError(said) if unlabelled else DataError(said)
