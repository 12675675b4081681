"""Check what Python code hands over: refuse a wrong value in one line, with the way out."""

import math
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from nlp_transfer.errors import ConfigError, DataError, TransferError, suggest

Text = str | list[str] | None  # a list where a role holds several texts at once; None where there is none
BESIDE = 'give rows in memory beside the configuration, as run(config, data={"train": rows})'
# The description of rows in memory, or of texts that were read from several places.
HELD = re.compile(r"(?:an? [^\n]+ in memory|texts of [^\n]+) \([^\n]+; sha256 [0-9a-f]{16}\)")


class HeldRows:
    """Rows in memory. They stand where a file could be named.

    No dataclass, because pydantic would take one apart.

    Attributes:
        description: what they are, such as `a pandas DataFrame in memory (60 rows: text, label; sha256
            1f3c2b9ade012345)`. It stands for them in saved configurations, messages and cards, and is equal for equal
            rows.
        rows: an Arrow table, or a list of mappings column -> cell.
    """

    def __init__(self, description: str, rows: Any) -> None:
        """Keep both."""
        self.description, self.rows = description, rows

    def __eq__(self, other: object) -> bool:
        """Compare descriptions."""
        return isinstance(other, HeldRows) and self.description == other.description

    def __hash__(self) -> int:
        """Hash the description."""
        return hash(self.description)

    def __repr__(self) -> str:
        """Return the description."""
        return self.description


def is_held(name: str) -> bool:
    """Tell whether a name is the description of rows in memory."""
    return HELD.fullmatch(name) is not None


def explain_held(name: str) -> str | None:
    """Say why the rows of a name cannot be read if it is the description of rows in memory; else None."""
    if is_held(name):
        return f'{name}: these rows are gone; a run takes them again by run(config, data={{"train": rows}})'
    return None


def name_kind(value: Any) -> str:
    """Name the type of a value for a message: `a DataFrame`, `an int`, `bytes`, `None`."""
    if value is None:
        return "None"
    name = type(value).__name__
    return name if name == "bytes" else f"{'an' if name[0].lower() in 'aeio' else 'a'} {name}"


def is_table(value: Any) -> bool:
    """Tell whether a value has columns, as frames of pandas and polars and data sets of Hugging Face have."""
    # The class is asked, because some frames answer for their columns only after hours of work.
    return hasattr(type(value), "columns") or hasattr(type(value), "column_names")


def is_missing(item: Any) -> bool:
    """Tell whether an item stands for none: None, NaN, or what pandas has for them."""
    # A caller who passes pandas' NA has imported pandas; without pandas this compares with None.
    pandas = sys.modules.get("pandas")
    missing = item is None or item is getattr(pandas, "NA", None) or item is getattr(pandas, "NaT", None)
    return missing or (isinstance(item, float) and math.isnan(item))


def maps_columns(value: Any) -> bool:
    """Tell whether a value maps columns to their cells, as `{"text": ["a", "b"], "label": [0, 1]}`."""
    cells = list(value.values()) if isinstance(value, Mapping) and not is_table(value) else []
    return (
        bool(cells)
        and all(isinstance(one, Iterable) and not isinstance(one, str | bytes) for one in cells)
        and not any(isinstance(one, Mapping) or is_table(one) for one in cells)
    )


def take_inputs(given: Any, columns: Mapping[str, str], *, lists: Collection[str] = ()) -> Iterator[tuple[Text, ...]]:
    """Iterate over inputs in any container but a table: a list, an iterator, an array, a column of a table.

    Args:
        given: where there is one role, its texts; where there are several, tuples of texts in the order of the roles.
            Or mappings of roles, or of the columns that hold these, to texts; other keys are passed over. None, NaN and
            pandas' NA stand for what is missing.
        columns: role -> column that holds its texts.
        lists: the roles of which an item may be a list of texts; each comes as a list.

    Returns:
        Of each input the text of every role.

    Raises:
        DataError: at once for a single input, bytes, a table or anything that is not iterable; later, when it is
            reached, for an item that is not a text, by its number.
    """
    _refuse_no_series(given, columns)
    if hasattr(given, "to_pylist"):  # an Arrow array, whose items are no texts of Python
        given = given.to_pylist()
    return (
        tuple(
            _check_text(text, number, lists=role in lists)
            for role, text in zip(columns, _split_input(item, number, columns), strict=True)
        )
        for number, item in enumerate(given, 1)
    )


def _split_input(item: Any, number: int, columns: Mapping[str, str]) -> Sequence[Any]:
    """Take an input apart: what it holds of each role."""
    if isinstance(item, Mapping):
        keys = [role if role in item else column for role, column in columns.items()]
        if lacking := [key for key in keys if key not in item]:
            raise DataError(f"input {number}: has no '{lacking[0]}'. {suggest(lacking[0], map(str, item))}")
        return [item[key] for key in keys]
    if len(columns) == 1:
        return [item]
    if is_missing(item):
        return [None] * len(columns)
    if isinstance(item, list | tuple) and len(item) == len(columns):
        return item
    received = f"{len(item)} of them" if isinstance(item, list | tuple) else name_kind(item)
    wanted = f"{_write_example(columns)} or ({', '.join(columns)})"
    raise DataError(f"input {number}: expected {wanted}, received {received}")


def _write_example(roles: Iterable[str]) -> str:
    """Write an input of several roles as Python does."""
    return "{" + ", ".join(f'"{role}": ...' for role in roles) + "}"


def _check_text(item: Any, number: int, *, lists: bool) -> Text:
    if is_missing(item):
        return None

    parts = list(item) if lists and isinstance(item, list | tuple) else [item]
    if strange := [part for part in parts if not isinstance(part, str)]:
        wanted = "a text or a list of texts" if lists else "a text"
        raise DataError(f"input {number}: expected {wanted}, received {name_kind(strange[0])}; give it as a str")

    try:
        "".join(parts).encode()
    except UnicodeEncodeError:
        raise DataError(f"input {number}: holds half a surrogate pair") from None
    return parts if lists else str(item)


def _refuse_no_series(given: Any, columns: Mapping[str, str]) -> None:
    """Refuse what iterates over something else than inputs: a table gives its columns, a text its characters."""
    several = len(columns) > 1
    one = f"[{_write_example(columns)}]" if several else "[text]"
    received = "one text" if isinstance(given, str) else name_kind(given)
    if isinstance(given, bytes):
        way = "[data.decode()]"
    elif isinstance(given, Mapping):
        way = "data[split]" if any(map(is_table, given.values())) else f"[{_write_example(columns)}]"
    elif isinstance(given, PathLike):
        way = "open(path), or `nlp-transfer predict RUN FILE`"
    elif isinstance(given, Iterable) and not isinstance(given, str) and getattr(given, "ndim", 1) != 0:
        return
    else:
        way = one
    raise DataError(f"wanted a list of {'inputs' if several else 'texts'} and received {received}; write {way}")


def find_place_fault(value: Any) -> str | None:
    """Explain why a value cannot name data; None if it names a file, a folder or a data set, or maps column to file."""
    if isinstance(value, str | PathLike):
        return None
    if is_table(value) or not isinstance(value, Mapping):
        way = f"; {BESIDE}" if is_table(value) or isinstance(value, Iterable) else ""
        return f"expected the name of a file, folder or data set, received {name_kind(value)}{way}"
    if odd := [key for key, file in value.items() if not isinstance(file, str | PathLike)]:
        return f"expected {{column: file}}, received {name_kind(value[odd[0]])} under {odd[0]!r}; {BESIDE}"
    return None


def refuse_no_path(value: Any, what: str, error: type[TransferError] = ConfigError, *, optional: bool = False) -> None:
    """Refuse a value that is no path; if it is `optional`, None is allowed and stands for a default.

    Raises:
        TransferError: of the class `error`.
    """
    if not isinstance(value, str | PathLike) and not (optional and value is None):
        raise error(f"{what}: expected a path or its name, received {name_kind(value)}")


def list_paths(given: Any, verb: str, what: str) -> list[str | Path]:
    """List paths; a single one is a list of one.

    Args:
        given: from Python code.
        verb: that takes them, for the message.
        what: they name, as `the folder of a run`.

    Raises:
        ConfigError: they are something else, or there is none.
    """
    if isinstance(given, str | PathLike):
        given = [given]
    if isinstance(given, bytes | Mapping) or is_table(given) or not isinstance(given, Iterable):
        raise ConfigError(f"{verb}: expected {what}, or a list of them; received {name_kind(given)}")
    if not (found := list(given)):
        raise ConfigError(f"{verb}: none is named; name {what}")
    for one in found:
        refuse_no_path(one, f"{verb}: {what}")
    return [one if isinstance(one, str) else Path(one) for one in found]
