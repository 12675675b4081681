"""Take the data that Python code gives a verb: for each split the name of a place, or rows in memory."""

from collections.abc import Mapping
from os import PathLike
from typing import Any

from nlp_transfer.data.folders import ALIASES, SPLIT_NAMES
from nlp_transfer.data.formats.held import hold_rows
from nlp_transfer.data.locations import Place
from nlp_transfer.errors import ConfigError, DataError, suggest
from nlp_transfer.system.received import HeldRows, find_place_fault, is_table, maps_columns

UNLABELLED = "unlabelled"  # texts beside the splits, which may be a plain list


def take_splits(data: Any) -> dict[str, Place] | None:
    """Take the splits of a run; rows that come without the name of a split are those of train.

    Args:
        data: a mapping of splits to rows or places, such as a `DatasetDict`; or rows alone. See `hold_rows`. Under
            `unlabelled` also a list of texts.

    Returns:
        Split -> place, and `unlabelled` -> place; None if nothing is given.

    Raises:
        ConfigError: a key is no split, or two are the same one.
        DataError: rows cannot be taken.
    """
    if data is None:
        return None
    if not isinstance(data, Mapping) or (maps_columns(data) and {*ALIASES, UNLABELLED}.isdisjoint(data)):
        return {"train": take_place(data)}

    found: dict[str, Place] = {}
    for name, given in data.items():
        split = UNLABELLED if name == UNLABELLED else ALIASES.get(name)
        if split is None and is_table(data):  # a DatasetDict, which may hold splits of its own
            continue
        if split is None:
            raise ConfigError(f"data: unknown split {name!r}. {suggest(str(name), [*SPLIT_NAMES, UNLABELLED])}")
        if split in found:
            raise ConfigError(f"data: {name!r} is the {split} split, which is given twice; leave one out")
        if split == UNLABELLED and isinstance(given, list | tuple) and all(isinstance(one, str) for one in given):
            found[split] = hold_rows(given, bare="text")
        elif given is not None:
            found[split] = take_place(given, f"data[{name!r}]")
    return found


def take_place(given: Any, what: str = "data") -> Place:
    """Take one place: a name, column -> file, or rows in memory; of a mapping of splits the test split.

    Raises:
        DataError: it is none of these.
    """
    if isinstance(given, str | PathLike):
        return str(given)
    if isinstance(given, HeldRows):
        return given
    if isinstance(given, Mapping) and given and all(map(is_table, given.values())):
        if "test" not in given:
            raise DataError(f"{what}: holds no test split, only: {', '.join(map(str, given))}")
        given = given["test"]
    if find_place_fault(given) is None:
        return {column: str(file) for column, file in given.items()}
    try:
        return hold_rows(given)
    except DataError as error:
        error.args = (f"{what}: {error}",)
        raise
