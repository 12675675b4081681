"""Open the rows of a split: a file, parallel files, a folder of files, a data set of the Hub, or a bundled one."""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from nlp_transfer.config.dialect import PLAIN, Dialect
from nlp_transfer.data.bundled import DATASETS, open_bundled
from nlp_transfer.data.folders import SPLIT_NAMES, WHOLE, open_folder
from nlp_transfer.data.formats.bitext import make_parallel_reader
from nlp_transfer.data.formats.records import Read, RowStream
from nlp_transfer.data.formats.tables import SUFFIXES, find_format, open_rows
from nlp_transfer.data.formats.text_lines import find_file, is_read_once, locate, suggest_neighbour
from nlp_transfer.errors import DataError
from nlp_transfer.system.network import is_hub_reachable
from nlp_transfer.system.received import HeldRows, explain_held
from nlp_transfer.system.room import is_full

if TYPE_CHECKING:
    from datasets import Dataset

Named = str | Mapping[str, str]  # a name, or column -> text file
Place = Named | HeldRows  # what is named, or rows in memory
SIMILARITY = 0.8  # of a name that may be a misspelt name of a bundled set
ANSWER_LENGTH = 600  # characters to show of an answer of the Hub
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def open_places(
    train: Place,
    validation: Place | None,
    test: Place | None,
    dialect: Dialect,
    *,
    subset: str | None = None,
    revision: str | None = None,
) -> dict[str, RowStream]:
    """Open every split that exists. If `train` is a folder or on the Hub, it may bring the other splits.

    Args:
        train: where the training rows are.
        validation: the same for validation; None: from train, if that brings it.
        test: the same for test.
        dialect: how .csv and .tsv files are written.
        subset: of a data set on the Hub.
        revision: of a data set on the Hub.

    Raises:
        DataError: a place is not there, or does not hold the split.
    """
    opened = _open_splits(train, dialect, subset, revision)
    if WHOLE in opened:
        opened = {"train": opened[WHOLE]}
    if "train" not in opened:
        raise DataError(f"{train}: holds no train split, only: {', '.join(opened) or 'nothing that can be read'}")
    for split, place in (("validation", validation), ("test", test)):
        if place is not None:
            opened[split] = open_place(place, split, dialect, subset=subset, revision=revision)
    return {split: opened[split] for split in SPLIT_NAMES if split in opened}


def refuse_missing(*places: Place | None) -> None:
    """Refuse missing files, before anything else is done. A name that may be on the Hub is not looked up.

    Raises:
        DataError: naming the first missing file, or rows that were in memory.
    """
    for place in places:
        for file in _list_files(place):
            refuse_held(file)
            if isinstance(place, Mapping) or not (locate(file) or file.startswith("bundled:") or is_on_hub(file)):
                find_file(file)


def refuse_gone(*places: Place | None) -> None:
    """Refuse what was read before and is gone: rows in memory, and pipes, which would be waited for for ever.

    Raises:
        DataError: naming the first.
    """
    for place in places:
        for file in _list_files(place):
            refuse_held(file)
            path = locate(file)
            if path is not None and not path.is_dir() and is_read_once(path):
                raise DataError(f"{file}: is no file, and what was read of it is gone")


def refuse_held(name: str) -> None:
    """Refuse the description of rows in memory, as a saved configuration has it.

    Raises:
        DataError: saying how to give them again.
    """
    if fault := explain_held(name):
        raise DataError(fault)


def _list_files(place: Place | None) -> Iterable[str]:
    if isinstance(place, Mapping):
        return place.values()
    return [place] if isinstance(place, str) else ()


def open_place(
    place: Place, split: str, dialect: Dialect = PLAIN, *, subset: str | None = None, revision: str | None = None
) -> RowStream:
    """Open one split of a place. A single file, parallel files and a bundled set can be any split.

    Raises:
        DataError: the place is not there, or does not hold the split.
    """
    found = _open_splits(place, dialect, subset, revision)
    if split not in found and WHOLE not in found:
        raise DataError(f"{place}: holds no {split} split, only: {', '.join(found) or 'nothing that can be read'}")
    return found[split if split in found else WHOLE]


def is_on_hub(place: Place) -> bool:
    """Tell whether a place can only be a data set of the Hub: it is no file here, and looks like an id."""
    named = isinstance(place, str) and locate(place) is None and find_format(place) not in SUFFIXES
    return named and HUB_ID.fullmatch(str(place)) is not None


def _open_splits(place: Place, dialect: Dialect, subset: str | None, revision: str | None) -> dict[str, RowStream]:
    """Open all splits of a place; what has no splits is found under `WHOLE`."""
    path = locate(place) if isinstance(place, str) else None
    if isinstance(place, HeldRows):
        from nlp_transfer.data.formats.held import open_held  # pyarrow is slow to import

        found = {WHOLE: open_held(place)}
    elif not isinstance(place, str):
        found = {WHOLE: _open_parallel(place, dialect)}
    elif place.startswith("bundled:"):
        found = {WHOLE: open_bundled(place)}
    elif path is not None and path.is_dir():
        found = open_folder(path, dialect, subset)
    elif is_on_hub(place):
        found = _open_hub(place, subset, revision)
    else:
        refuse_held(place)
        found = {WHOLE: open_rows(place, dialect)}
    return {split: replace(stream, dialect=dialect) for split, stream in found.items()}


def _open_parallel(files: Mapping[str, str], dialect: Dialect) -> RowStream:
    for file in files.values():
        if find_format(file) in SUFFIXES:
            raise DataError(f"{file}: is a table, not lines of text; name it alone, and its columns in data.columns")
    return RowStream(" + ".join(files.values()), make_parallel_reader(files, dialect.encoding))


def _open_hub(name: str, subset: str | None, revision: str | None) -> dict[str, RowStream]:
    import datasets  # a second to import, and only this place needs it

    try:
        datasets.config.HF_HUB_OFFLINE = not is_hub_reachable()
        loaded = datasets.load_dataset(name, subset, revision=revision)
    except Exception as error:  # noqa: BLE001 - errors of several HTTP libraries, all meaning that there is no data
        if is_full(error):
            from nlp_transfer.system.hub_calls import make_fetching_error

            raise make_fetching_error(error) from None
        raise DataError(_explain_hub_error(name, error, offline=not is_hub_reachable())) from None

    found = {
        split: RowStream(f"{name} ({alias})", _read_hub(loaded[alias], name), "row")
        for split, aliases in SPLIT_NAMES.items()
        for alias in reversed(aliases)
        if alias in loaded
    }
    if not found:
        raise DataError(f"{name}: none of its splits is train, validation or test: {', '.join(loaded)}")
    return found


def _explain_hub_error(name: str, error: Exception, *, offline: bool) -> str:
    """Explain in one line why a data set cannot be loaded; suggest a bundled one, or a file, of a similar name."""
    reason = " ".join(str(error).split())[:ANSWER_LENGTH] or type(error).__name__
    if "scripts are no longer supported" in reason:
        return f"{name}: this data set is a loading script, which is never run; export it to Parquet, CSV or JSONL"
    if "pick one among" in reason or "Available: [" in reason:
        return f"{name}: {reason}; a run takes one as data.subset, `evaluate` a file of it"

    if offline:
        reason = "the Hub is switched off or out of reach and has no copy here"
    else:
        reason = f"the Hub answered: {reason}"

    near = difflib.get_close_matches(name.rpartition("/")[2].replace("_", "-"), DATASETS, n=1, cutoff=SIMILARITY)
    question = f". Did you mean 'bundled:{near[0]}'?" if near else suggest_neighbour(name)
    return f"{name}: no such file or folder, and {reason}{question}"


def _read_hub(rows: "Dataset", name: str) -> Read:
    """Make the reader of a data set of the Hub."""
    from nlp_transfer.data.formats.arrow_tables import make_table_reader  # pyarrow is slow to import

    table = rows.with_format("arrow")[:]
    return make_table_reader(table.replace_schema_metadata(rows.features.arrow_schema.metadata), name)
