"""TMX, the exchange format of translation memories, unit by unit."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.parsers import expat

from nlp_transfer.errors import DataError
from nlp_transfer.lines import open_bytes
from nlp_transfer.rows import Row, refuse_empty

CHUNK = 1 << 16
NATIVE_CODE = {"bpt", "ept", "it", "ph", "ut"}  # elements of a segment that hold formatting codes, not words


class _Units:
    """Collects the translation units of a TMX file: language code as written -> text of its segment."""

    def __init__(self, name: str) -> None:
        self.done: list[Row] = []
        self._name = name
        self._cells: dict[str, str] = {}
        self._language = ""
        self._path: list[str] = []
        self._text: list[str] | None = None  # a segment is open
        self._start = 0
        # expat itself and not iterparse, which neither tells the line of a unit nor refuses an entity.
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._open
        self.parser.EndElementHandler = self._close
        self.parser.CharacterDataHandler = self._characters
        self.parser.EntityDeclHandler = self._refuse_declaration
        self.parser.SkippedEntityHandler = self._refuse_unknown

    def _open(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._path and tag != "tmx":
            raise DataError(f"{self._name}:{self.parser.CurrentLineNumber}: expected <tmx>, found <{tag}>")
        self._path.append(tag)
        match tag:
            case "tu":
                self._cells, self._start = {}, self.parser.CurrentLineNumber
            case "tuv":
                self._language = attributes.get("xml:lang") or attributes.get("lang", "")
            case "seg":
                self._text = []

    def _close(self, tag: str) -> None:
        self._path.pop()
        if tag == "seg" and self._text is not None:
            self._cells.setdefault(self._language, "".join(self._text))
            self._text = None
        elif tag == "tu":
            self.done.append(Row(self._start, self._cells))

    def _characters(self, text: str) -> None:
        if self._text is not None and self._path[-1] not in NATIVE_CODE:
            self._text.append(text)

    def _refuse_declaration(self, name: str, *_: object) -> None:
        raise DataError(f"{self._name}:{self.parser.CurrentLineNumber}: declares the entity '{name}'; entities are "
                        "never expanded, write the text itself")  # fmt: skip

    def _refuse_unknown(self, name: str, *_: object) -> None:
        raise DataError(f"{self._name}:{self.parser.CurrentLineNumber}: unknown entity '{name}'; write the text itself")


def tmx_rows(file: Path) -> Iterator[Row]:
    """Stream the units of a TMX file; columns are the language codes as the file writes them.

    Raises:
        DataError: not well-formed, not TMX, or with entities, with the line; or a stream that breaks off.
    """
    units = _Units(str(file))
    rows = 0
    with open_bytes(file) as stream, _xml_faults(file, units.parser):
        more = True
        while more:
            chunk = stream.read(CHUNK)
            more = bool(chunk)
            units.parser.Parse(chunk, not more)
            rows += len(units.done)
            yield from units.done
            units.done.clear()
    refuse_empty(file, rows, found="no translation unit")


@contextmanager
def _xml_faults(file: Path, parser: expat.XMLParserType) -> Iterator[None]:
    try:
        yield
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise DataError(f"{file}:{error.lineno}: broken XML at position {error.offset + 1}: {reason}") from None
    except (LookupError, ValueError) as error:  # an encoding that Python or expat does not know
        raise DataError(f"{file}:{parser.CurrentLineNumber}: XML that cannot be read: {error}") from None
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{file}: cannot be read after line {parser.CurrentLineNumber}: {error}") from None
