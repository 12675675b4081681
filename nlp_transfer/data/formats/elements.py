"""Read XML element by element: each record of a file becomes a small tree, whatever the size of the file."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, TreeBuilder

from nlp_transfer.data.formats.text_lines import LONGEST, TOO_LONG
from nlp_transfer.data.formats.xml_files import make_parser, parse_file
from nlp_transfer.errors import DataError

DEEPEST = 100  # elements that are open in a record
Attributes = Mapping[str, str]


class Found(NamedTuple):
    """Hold a record: the line it starts on, the attributes of the elements around it by name, and itself."""

    number: int
    around: Mapping[str, Attributes]
    element: Element


class _Builder:
    """Build the elements that are asked for. Names lose their prefix: `xliff:g` becomes `g`."""

    def __init__(self, name: str, root: str, wanted: Callable[[str, Attributes], bool]) -> None:
        self.done: list[Found] = []
        self._name, self._root, self._wanted = name, root, wanted
        self._around: dict[str, Attributes] = {}
        self._tree: TreeBuilder | None = None
        self._depth = self._held = self._start = 0

        self.parser = make_parser(name)
        self.parser.StartElementHandler = self._open
        self.parser.EndElementHandler = self._close
        self.parser.CharacterDataHandler = self._add_text

    def _open(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if not self._around and tag != self._root:
            raise DataError(f"{self._name}:{self.parser.CurrentLineNumber}: expected <{self._root}>, found <{tag}>")

        if self._tree is None:
            if not self._around or not self._wanted(tag, attributes):
                self._around[tag] = attributes
                return
            self._tree, self._start, self._held = TreeBuilder(), self.parser.CurrentLineNumber, 0

        self._depth += 1
        if self._depth > DEEPEST:
            raise DataError(f"{self._name}:{self._start}: more than {DEEPEST} elements inside one another")
        self._hold(sum(map(len, attributes.values())) + len(tag))
        self._tree.start(tag, attributes)

    def _close(self, tag: str) -> None:
        if self._tree is None:
            return
        self._tree.end(tag.rpartition(":")[2])
        self._depth -= 1
        if not self._depth:
            self.done.append(Found(self._start, dict(self._around), self._tree.close()))
            self._tree = None

    def _add_text(self, text: str) -> None:
        if self._tree is not None:
            self._hold(len(text))
            self._tree.data(text)

    def _hold(self, characters: int) -> None:
        self._held += characters
        if self._held > LONGEST:
            raise DataError(f"{self._name}:{self._start}: {TOO_LONG.format('record')}")


def read_elements(file: Path, root: str, wanted: Callable[[str, Attributes], bool]) -> Iterator[Found]:
    """Yield the outermost elements that are wanted, judged by name and attributes; `root` is that of the document.

    Raises:
        DataError: the file is not well-formed or has another root, holds entities, or a record is too long or too deep;
            the message names the line.
    """
    builder = _Builder(str(file), root, wanted)
    yield from parse_file(file, builder.parser, builder.done)
