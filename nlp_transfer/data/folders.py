"""Open the splits of a folder: files named by split, shards as the Hub has them, what `datasets` saved, class folders.

A folder that is one data set without splits has it under the name `WHOLE`.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from nlp_transfer.config.dialect import Dialect
from nlp_transfer.data.formats.blocks import Block, Columns, Records
from nlp_transfer.data.formats.records import Findings, RowStream, Wanted
from nlp_transfer.data.formats.stories import find_stories, open_stories
from nlp_transfer.data.formats.tables import SUFFIXES, has_columns, open_rows
from nlp_transfer.data.formats.text_folders import find_classes, open_class_folder
from nlp_transfer.errors import DataError, list_first, suggest

SPLIT_NAMES = {"train": ("train",), "validation": ("validation", "dev", "val", "valid"), "test": ("test",)}
ALIASES = {alias: split for split, aliases in SPLIT_NAMES.items() for alias in aliases}
WHOLE = ""
SHARD = re.compile(r"(?P<split>\w+)-(?P<at>\d{5})-of-(?P<count>\d{5})(?:-[0-9a-f]+)?(?P<suffix>(?:\.\w+)+)", re.ASCII)
PLAIN_TEXT = (".txt",)  # endings that say nothing; such a file is taken if its content is rows
DICT, STATE = "dataset_dict.json", "state.json"  # files of a DatasetDict and of a Dataset that `datasets` saved
SHARDS = "*-of-?????*.*"
FILES = "_data_files"

Splits = dict[str, RowStream]


def open_folder(folder: Path, dialect: Dialect, subset: str | None = None) -> Splits:
    """Open every split of a folder.

    Args:
        folder: the folder.
        dialect: how .csv and .tsv files in it are written.
        subset: the folder in it to open, where it has a folder of shards for each subset.

    Raises:
        DataError: it holds no data in a layout that is known, several files for one split, or not all shards.
    """
    layouts = (_open_saved, _open_named, _open_shards, _open_texts)
    for layout in layouts:
        if found := layout(folder, dialect, subset):
            return found
    held = ", ".join(sorted(file.name for file in folder.iterdir())[:8]) or "nothing"
    raise DataError(
        f"{folder}: expected train, validation and test as {', '.join(SUFFIXES)}; shards such as "
        f"data/train-00000-of-00002.parquet; what `save_to_disk` of datasets wrote; a folder of "
        f"texts for each label; or .story files; found: {held}"
    )


def open_one(folder: Path, dialect: Dialect) -> RowStream:
    """Open a folder that is one data set, such as a split that `datasets` saved.

    Raises:
        DataError: it holds several splits, or as `open_folder`.
    """
    found = open_folder(folder, dialect)
    if len(found) > 1:
        raise DataError(f"{folder}: holds several splits ({', '.join(found)}); name the file or folder of one")
    return next(iter(found.values()))


def _open_saved(folder: Path, *_: object) -> Splits:
    """Open a Dataset or a DatasetDict that `datasets` saved by `save_to_disk`."""
    if (folder / DICT).is_file():
        names = {str(name): ALIASES.get(str(name)) for name in _read_list(folder / DICT, "splits")}
        return {split: _open_arrow(folder / name) for name, split in names.items() if split}
    return {WHOLE: _open_arrow(folder)} if (folder / STATE).is_file() else {}


def _open_arrow(folder: Path) -> RowStream:
    """Open the files of a saved Dataset in their order."""
    listed = [file.get("filename") if isinstance(file, dict) else None for file in _read_list(folder / STATE, FILES)]
    # Only the name counts, so that a folder from elsewhere cannot lead to other files.
    files = [folder / Path(str(name)).name for name in listed]
    return _chain(files, str(folder))


def _read_list(file: Path, key: str) -> list[Any]:
    """Read a list out of the small JSON files that `datasets` writes."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))[key]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DataError(f"{file}: no '{key}' can be read ({error}); save the data again") from None
    if not isinstance(value, list):
        raise DataError(f"{file}: '{key}' is no list; save the data again")
    return value


def _open_named(folder: Path, dialect: Dialect, _: str | None) -> Splits:
    """Open files that are named by their split, as train.csv."""
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for file in sorted(folder.iterdir()):
        stem, suffix = _part_name(file)
        named = stem in ALIASES and file.is_file()
        if named and (suffix in SUFFIXES or (suffix in PLAIN_TEXT and has_columns(str(file), dialect))):
            found[ALIASES[stem]].append(file)

    for split, files in found.items():
        if len(files) > 1:
            several = ", ".join(file.name for file in files)
            raise DataError(f"{folder}: several files for {split}: {several}; keep one, or name the file")
    return {split: open_rows(str(files[0]), dialect) for split, files in found.items()}


def _part_name(file: Path) -> tuple[str, str]:
    """Part a name into what stands before its ending, in lower case, and the ending without .gz."""
    name = Path(file.name.lower().removesuffix(".gz"))
    return name.stem, name.suffix


def _open_shards(folder: Path, _: Dialect, subset: str | None) -> Splits:
    """Open files such as data/train-00000-of-00002.parquet, as the Hub has them."""
    files = chain(folder.glob(SHARDS), folder.glob(f"*/{SHARDS}"))
    homes = {file.parent for file in files if _find_shard(file)}
    if not homes:
        return {}

    chosen = [home for home in homes if len(homes) == 1 or home.name == subset]
    if len(chosen) != 1:
        raise DataError(f"{folder}: shards of several subsets. {suggest(subset or '', [home.name for home in homes])} "
                        "Name one in data.subset, or its folder as data.train")  # fmt: skip

    found: defaultdict[str, list[Path]] = defaultdict(list)
    for file in sorted(chosen[0].iterdir()):
        shard = _find_shard(file)
        if shard and shard["split"] in ALIASES:
            found[ALIASES[shard["split"]]].append(file)
    return {split: _chain(_complete(files), f"{chosen[0]} ({split})") for split, files in found.items()}


def _find_shard(file: Path) -> re.Match[str] | None:
    return SHARD.fullmatch(file.name)


def _complete(files: Sequence[Path]) -> Sequence[Path]:
    """Return the shards of a split, unless some are missing or stand twice.

    Raises:
        DataError: naming the shards that are missing.
    """
    shards = [shard for file in files if (shard := _find_shard(file))]
    count, numbers = int(shards[0]["count"]), [int(shard["at"]) for shard in shards]
    if missing := [f"{number:05}" for number in range(count) if number not in numbers]:
        raise DataError(f"{files[0].parent}: {len(missing)} of {count} shards of {shards[0]['split']} are missing: "
                        f"{list_first(missing)}; fetch them too")  # fmt: skip
    if len(files) != count or len({shard["count"] for shard in shards}) > 1:
        several = ", ".join(file.name for file in files[:4])
        raise DataError(f"{files[0].parent}: shards of several versions: {several}; keep those of one")
    return files


def _open_texts(folder: Path, dialect: Dialect, _: str | None) -> Splits:
    """Open folders of stories, or with a folder of texts for each label: one for each split, or for the whole."""
    parts = {ALIASES[one.name.lower()]: one for one in sorted(folder.iterdir()) if one.name.lower() in ALIASES}
    found = {split: one for split, one in parts.items() if one.is_dir()}
    for open_texts, is_there in ((open_stories, find_stories), (open_class_folder, find_classes)):
        if within := {split: one for split, one in found.items() if is_there(one)}:
            return {split: open_texts(one, dialect.encoding) for split, one in within.items()}
        if is_there(folder):
            return {WHOLE: open_texts(folder, dialect.encoding)}
    return {}


def _chain(files: Sequence[Path], name: str) -> RowStream:
    """Chain files that are numbered by row; the rows of each are counted on from those before it."""

    def read(wanted: Wanted, findings: Findings) -> Iterator[Block]:
        before = 0
        for file in files:
            last = 0
            for block in open_rows(str(file)).read(wanted, findings):
                last = max(block.numbers, default=last)
                yield _renumber(block, before)
            before += last

    return RowStream(name, read, "row")


def _renumber(block: Block, before: int) -> Block:
    """Count rows on from those of the files before."""
    if isinstance(block, Columns):
        return replace(block, numbers=[before + number for number in block.numbers])
    return Records([(before + number, cells) for number, cells in block.rows])
