"""Find the splits that stand beside a file: `reviews_test.csv` beside `reviews_train.csv`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nlp_transfer.data.folders import ALIASES, SPLIT_NAMES
from nlp_transfer.data.formats.tables import has_columns
from nlp_transfer.data.formats.text_lines import find_file, is_read_once, locate
from nlp_transfer.data.guesses.dialects import guess_dialect
from nlp_transfer.data.locations import Named
from nlp_transfer.errors import ConfigError, DataError

WORD = re.compile(r"[^\W_]+")


def join_places(names: Sequence[str]) -> dict[str, Named]:
    """Tell what several names are: splits as tables, or files of texts side by side, named by their endings.

    Returns:
        Split -> place, `train` among them.

    Raises:
        DataError: a file is not there.
        ConfigError: several tables, of which it is not plain which split each is.
    """
    if len(names) == 1:
        return {"train": names[0]}
    tables = [name for name in names if has_columns(name, guess_dialect(str(find_file(name))))]
    if not tables:
        return {"train": _name_columns(names)}

    splits = {find_split(name): name for name in names}
    if len(tables) < len(names) or None in splits or len(splits) < len(names) or "train" not in splits:
        raise ConfigError(
            f"{', '.join(names)}: several tables are taken for splits by their names, as train.csv and test.csv; files "
            "of one text a line for columns, as texts.en and texts.fr; name one table, or name them so"
        )
    return {str(split): name for split, name in splits.items()}


def find_split(name: str) -> str | None:
    """Find the split that the name of a file speaks of."""
    words = [word.lower() for word in WORD.findall(Path(name).name)]
    return next((ALIASES[word] for word in words if word in ALIASES), None)


def find_siblings(place: Named) -> dict[str, Named]:
    """Find the other splits of a train split: files whose names differ in the word for the split alone."""
    if isinstance(place, Mapping):
        beside = {column: find_siblings(file) for column, file in place.items()}
        shared = set.intersection(*(set(found) for found in beside.values()))
        return {
            split: {column: str(beside[column][split]) for column in place} for split in SPLIT_NAMES if split in shared
        }

    path = locate(place)
    if path is None or not path.is_file() or find_split(place) != "train":
        return {}
    there = {one.name.lower(): one for one in path.parent.iterdir()}
    return {
        split: str(Path(place).with_name(there[name].name))
        for split in ("validation", "test")
        for name in reversed([*_rename(path.name.lower(), split)])
        if name in there
    }


def _rename(name: str, split: str) -> Iterator[str]:
    """Yield the names that a file would have as another split."""
    for found in WORD.finditer(name):
        if found[0] == "train":
            yield from (name[: found.start()] + other + name[found.end() :] for other in SPLIT_NAMES[split])


def _name_columns(names: Sequence[str]) -> dict[str, str]:
    """Name the columns of files side by side by their endings, as `en` of `texts.en`, or else by their stems."""
    plain = [Path(name.removesuffix(".gz")) for name in names]
    for columns in ([path.suffix[1:] for path in plain], [path.stem for path in plain]):
        if len(set(columns)) == len(names) and all(columns):
            return dict(zip(columns, names, strict=True))
    raise ConfigError(f"{', '.join(names)}: files side by side need names that differ, as texts.en and texts.fr")


def refuse_unreadable(place: Named) -> None:
    """Refuse what can be read only once: a configuration that names it could not be run.

    Raises:
        DataError: naming the file.
    """
    for file in place.values() if isinstance(place, Mapping) else [place]:
        path = locate(file)
        if path is not None and not path.is_dir() and is_read_once(path):
            raise DataError(f"{file}: is no file, so a configuration cannot name it; save it to one first")
