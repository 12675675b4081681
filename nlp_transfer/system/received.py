"""What Python code hands over: a function refuses anything it does not take in one line, with the way out."""

import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from typing import Any

from nlp_transfer.errors import ConfigError, DataError, TransferError

SAVED = 'save it as a file first, as data.to_parquet("data.parquet") does, and name that'


def kind_of(value: Any) -> str:
    """Name the type of a value for a message: `a DataFrame`, `an int`, `bytes`, `None`."""
    if value is None:
        return "None"
    name = type(value).__name__
    return name if name == "bytes" else f"{'an' if name[0].lower() in 'aeio' else 'a'} {name}"


def is_table(value: Any) -> bool:
    """Tell whether a value has columns, such as frames of pandas and polars, and data sets of one split or several."""
    return hasattr(value, "columns") or hasattr(value, "column_names")


def take_texts(texts: Any, column: str, *, lists: bool) -> Iterator[str | list[str] | None]:
    """Go through texts, whatever holds them: a list, an iterator, an array, a column of a frame or of a data set.

    Args:
        texts: None, NaN and pandas' NA stand for a text that is missing.
        column: that holds texts, for the message.
        lists: an item may be a list of texts; each comes as a list.

    Raises:
        DataError: at once, a single text, bytes, a mapping, a table or what cannot be gone through; when it is reached,
            an item that is no text, by its number.
    """
    _refuse_no_series(texts, column)
    return (_text(item, number, lists=lists) for number, item in enumerate(texts, 1))


def _text(item: Any, number: int, *, lists: bool) -> str | list[str] | None:
    # Who hands over pandas' NA has imported it; without pandas this is None.
    if item is None or item is getattr(sys.modules.get("pandas"), "NA", None):
        return None
    if isinstance(item, float) and math.isnan(item):
        return None
    parts = list(item) if lists and isinstance(item, list | tuple) else [item]
    if strange := [part for part in parts if not isinstance(part, str)]:
        way = 'take the texts out of the rows: predict([row["text"] for row in rows])'
        wanted = "a text or a list of texts" if lists else "a text"
        raise DataError(
            f"input {number}: expected {wanted}, received {kind_of(strange[0])}; "
            f"{way if isinstance(strange[0], Mapping) else 'give it as a str'}"
        )
    try:
        "".join(parts).encode()
    except UnicodeEncodeError:
        raise DataError(f"input {number}: holds half a surrogate pair") from None
    return parts if lists else str(item)


def _refuse_no_series(texts: Any, column: str) -> None:
    """Refuse what would be gone through otherwise than text by text: a table by its columns, a text by its letters."""
    received = "one text" if isinstance(texts, str) else kind_of(texts)
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


def place_fault(value: Any) -> str | None:
    """Say what is wrong with something that should name data: a file, folder or data set, or column -> file."""
    if isinstance(value, str | PathLike):
        return None
    if is_table(value) or not isinstance(value, Mapping):
        way = f"; {SAVED}" if is_table(value) or isinstance(value, Iterable) else ""
        return f"expected the name of a file, folder or data set, received {kind_of(value)}{way}"
    if odd := [key for key, file in value.items() if not isinstance(file, str | PathLike)]:
        return f"expected {{column: file}}, received {kind_of(value[odd[0]])} under {odd[0]!r}; {SAVED}"
    return None


def refuse_no_path(value: Any, what: str, error: type[TransferError] = ConfigError, *, optional: bool = False) -> None:
    """Refuse what names no place on the disk; where it is `optional`, None stands for a default.

    Raises:
        TransferError: of the class `error`.
    """
    if not isinstance(value, str | PathLike) and not (optional and value is None):
        raise error(f"{what}: expected a path or its name, received {kind_of(value)}")
