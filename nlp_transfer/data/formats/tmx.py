"""Read TMX, the exchange format of translation memories, unit by unit."""

from collections.abc import Iterator
from pathlib import Path

from nlp_transfer.data.formats.by_language import ByLanguage
from nlp_transfer.data.formats.records import Record, refuse_empty
from nlp_transfer.data.formats.text_lines import LONGEST, TOO_LONG
from nlp_transfer.data.formats.xml_files import make_parser, parse_file
from nlp_transfer.errors import DataError

NATIVE_CODE = {"bpt", "ept", "it", "ph", "ut"}  # elements inside a segment that hold formatting, not words
BREAKS = {"lb", "pb", "cb"}  # types of codes for the end of a line, page or column


class _Units:
    """Collect the translation units of a TMX file: language code -> text of its segment.

    The content of a formatting code is left out, even a text inside it (`<sub>`), which is not part of the sentence.
    """

    def __init__(self, name: str) -> None:
        self.done: list[Record] = []
        self._name = name
        self._cells: dict[str, str] = {}
        self._language = ""
        self._path: list[str] = []
        self._runs: list[str] = []  # the text of the open segment, split at its codes
        self._codes = 0  # how many codes are open; they can be nested
        self._held = 0  # characters of the open unit
        self._start = 0

        self.parser = make_parser(name)
        self.parser.StartElementHandler = self._open
        self.parser.EndElementHandler = self._close
        self.parser.CharacterDataHandler = self._add_text

    def _open(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._path and tag != "tmx":
            raise DataError(f"{self._name}:{self.parser.CurrentLineNumber}: expected <tmx>, found <{tag}>")
        self._path.append(tag)
        match tag:
            case "tu":
                self._cells, self._start, self._held = {}, self.parser.CurrentLineNumber, 0
            case "tuv":
                self._language = attributes.get("xml:lang") or attributes.get("lang", "")
            case "seg":
                self._runs = [""]
            case _ if tag in NATIVE_CODE and self._runs:
                self._runs += [" ", ""] if attributes.get("type") in BREAKS else [""]
                self._codes += 1

    def _close(self, tag: str) -> None:
        self._path.pop()
        match tag:
            case "tu":
                self.done.append(Record(self._start, ByLanguage(self._cells, f"{self._name}:{self._start}")))
            case "seg":
                self._cells.setdefault(self._language, join_runs(self._runs))
                self._runs = []
            case _ if tag in NATIVE_CODE and self._runs:
                self._codes -= 1

    def _add_text(self, text: str) -> None:
        if self._runs and not self._codes:
            self._held += len(text)
            if self._held > LONGEST:
                raise DataError(f"{self._name}:{self._start}: {TOO_LONG.format('unit')}")
            self._runs[-1] += text


def join_runs(runs: list[str]) -> str:
    """Join a segment without its codes. Of the spaces on both sides of a code one stays; at the ends none does."""
    text, *others = runs
    for run in others:
        text += run if text[-1:].strip() else run.lstrip()
    return text.strip() if others else text


def read_tmx(file: Path) -> Iterator[Record]:
    """Yield the units of a TMX file; columns are the language codes, in any spelling (see `ByLanguage`).

    Raises:
        DataError: the file is not well-formed, is not TMX, holds entities, or breaks off; the message names the line.
    """
    units = _Units(str(file))
    rows = 0
    for rows, unit in enumerate(parse_file(file, units.parser, units.done), 1):  # noqa: B007 - counted for the end
        yield unit
    refuse_empty(file, rows, found="no translation unit")
