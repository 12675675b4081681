"""Check what Python code hands over: refuse a wrong value in one line, with the way out."""

import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from typing import Any

from nlp_transfer.errors import ConfigError, DataError, TransferError

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


def take_texts(texts: Any, column: str, *, lists: bool) -> Iterator[str | list[str] | None]:
    """Iterate over texts in any container: a list, an iterator, an array, a column of a frame or of a data set.

    Args:
        texts: None, NaN and pandas' NA stand for a missing text.
        column: name of the column that holds texts, for the message.
        lists: an item may be a list of texts; then every item comes as a list.

    Raises:
        DataError: at once for a single text, bytes, a mapping, a table or anything that is not iterable; later, when it
            is reached, for an item that is not a text, by its number.
    """
    _refuse_no_series(texts, column)
    return (_check_text(item, number, lists=lists) for number, item in enumerate(texts, 1))


def _check_text(item: Any, number: int, *, lists: bool) -> str | list[str] | None:
    # A caller who passes pandas' NA has imported pandas; without pandas this compares with None.
    if item is None or item is getattr(sys.modules.get("pandas"), "NA", None):
        return None
    if isinstance(item, float) and math.isnan(item):
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


def _refuse_no_series(texts: Any, column: str) -> None:
    """Refuse what iterates over something else than texts: a table gives its columns, a text its characters."""
    received = "one text" if isinstance(texts, str) else name_kind(texts)

    if isinstance(texts, bytes):
        way = "predict([data.decode()])"
    elif is_table(texts) or isinstance(texts, Mapping):
        splits = isinstance(texts, Mapping) and any(map(is_table, texts.values()))
        way = f'predict(list(data{"[split]" if splits else ""}["{column}"]))'
    elif isinstance(texts, PathLike):
        way = "predict(open(path)), or `nlp-transfer predict RUN FILE`"
    elif isinstance(texts, Iterable) and not isinstance(texts, str) and getattr(texts, "ndim", 1) != 0:
        return
    else:
        way = "predict([text])"
    raise DataError(f"predict takes a list of texts and received {received}; write {way}")


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
