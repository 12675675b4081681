"""Check what Python code hands over: refuse a wrong value in one line, with the way out."""

import math
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

from nlp_transfer.errors import ConfigError, DataError, TransferError, suggest

Text = str | list[str] | None  # a list where a role holds several texts at once; None where there is none
SAVED = 'save it as a file first, as data.to_parquet("data.parquet") does, and name that'


def name_kind(value: Any) -> str:
    """Name the type of a value for a message: `a DataFrame`, `an int`, `bytes`, `None`."""
    if value is None:
        return "None"
    name = type(value).__name__
    return name if name == "bytes" else f"{'an' if name[0].lower() in 'aeio' else 'a'} {name}"


def is_table(value: Any) -> bool:
    """Tell whether a value has columns, as frames of pandas and polars and data sets of Hugging Face have."""
    return hasattr(value, "columns") or hasattr(value, "column_names")


def take_inputs(given: Any, columns: Mapping[str, str], *, lists: Collection[str] = ()) -> Iterator[tuple[Text, ...]]:
    """Iterate over inputs in any container: a list, an iterator, an array, a column of a frame or of a data set.

    Args:
        given: where there is one role, its texts; where there are several, mappings role -> text (other keys are passed
            over), or tuples of texts in the order of the roles. None, NaN and pandas' NA stand for what is missing.
        columns: role -> column that holds its texts, for messages.
        lists: the roles of which an item may be a list of texts; each comes as a list.

    Returns:
        Of each input the text of every role.

    Raises:
        DataError: at once for a single input, bytes, a table or anything that is not iterable; later, when it is
            reached, for an item that is not a text, by its number.
    """
    _refuse_no_series(given, columns)
    return (
        tuple(
            _check_text(text, number, lists=role in lists)
            for role, text in zip(columns, _split_input(item, number, columns), strict=True)
        )
        for number, item in enumerate(given, 1)
    )


def _split_input(item: Any, number: int, roles: Collection[str]) -> Sequence[Any]:
    """Take an input apart: what it holds of each role."""
    if len(roles) == 1:
        return [item]
    if _is_missing(item):
        return [None] * len(roles)
    if isinstance(item, Mapping):
        if lacking := [role for role in roles if role not in item]:
            raise DataError(f"input {number}: has no '{lacking[0]}'. {suggest(lacking[0], map(str, item))}")
        return [item[role] for role in roles]
    if isinstance(item, list | tuple) and len(item) == len(roles):
        return item
    received = f"{len(item)} of them" if isinstance(item, list | tuple) else name_kind(item)
    raise DataError(f"input {number}: expected {_write_example(roles)} or ({', '.join(roles)}), received {received}")


def _write_example(roles: Iterable[str]) -> str:
    """Write an input of several roles as Python does."""
    return "{" + ", ".join(f'"{role}": ...' for role in roles) + "}"


def _is_missing(item: Any) -> bool:
    """Tell whether an item stands for none."""
    # A caller who passes pandas' NA has imported pandas; without pandas this compares with None.
    missing = item is None or item is getattr(sys.modules.get("pandas"), "NA", None)
    return missing or (isinstance(item, float) and math.isnan(item))


def _check_text(item: Any, number: int, *, lists: bool) -> Text:
    if _is_missing(item):
        return None

    parts = list(item) if lists and isinstance(item, list | tuple) else [item]
    if strange := [part for part in parts if not isinstance(part, str)]:
        way = 'take the texts out of the rows: predict([row["text"] for row in rows])'
        wanted = "a text or a list of texts" if lists else "a text"
        raise DataError(
            f"input {number}: expected {wanted}, received {name_kind(strange[0])}; "
            f"{way if isinstance(strange[0], Mapping) else 'give it as a str'}"
        )

    try:
        "".join(parts).encode()
    except UnicodeEncodeError:
        raise DataError(f"input {number}: holds half a surrogate pair") from None
    return parts if lists else str(item)


def _refuse_no_series(given: Any, columns: Mapping[str, str]) -> None:
    """Refuse what iterates over something else than inputs: a table gives its columns, a text its characters."""
    several = len(columns) > 1
    one = f"predict([{_write_example(columns)}])" if several else "predict([text])"
    received = "one text" if isinstance(given, str) else name_kind(given)
    if isinstance(given, bytes):
        way = "predict([data.decode()])"
    elif several and isinstance(given, Mapping) and all(isinstance(text, str | None) for text in given.values()):
        way = one
    elif is_table(given) or isinstance(given, Mapping):
        splits = isinstance(given, Mapping) and any(map(is_table, given.values()))
        each = ", ".join(f'data{"[split]" if splits else ""}["{column}"]' for column in columns.values())
        way = f"predict(list({f'zip({each})' if several else each}))"
    elif isinstance(given, PathLike):
        way = "predict(open(path)), or `nlp-transfer predict RUN FILE`"
    elif isinstance(given, Iterable) and not isinstance(given, str) and getattr(given, "ndim", 1) != 0:
        return
    else:
        way = one
    raise DataError(f"predict takes a list of {'inputs' if several else 'texts'} and received {received}; write {way}")


def find_place_fault(value: Any) -> str | None:
    """Explain why a value cannot name data; None if it names a file, a folder or a data set, or maps column to file."""
    if isinstance(value, str | PathLike):
        return None
    if is_table(value) or not isinstance(value, Mapping):
        way = f"; {SAVED}" if is_table(value) or isinstance(value, Iterable) else ""
        return f"expected the name of a file, folder or data set, received {name_kind(value)}{way}"
    if odd := [key for key, file in value.items() if not isinstance(file, str | PathLike)]:
        return f"expected {{column: file}}, received {name_kind(value[odd[0]])} under {odd[0]!r}; {SAVED}"
    return None


def refuse_no_path(value: Any, what: str, error: type[TransferError] = ConfigError, *, optional: bool = False) -> None:
    """Refuse a value that is no path; if it is `optional`, None is allowed and stands for a default.

    Raises:
        TransferError: of the class `error`.
    """
    if not isinstance(value, str | PathLike) and not (optional and value is None):
        raise error(f"{what}: expected a path or its name, received {name_kind(value)}")
