"""Read WMT test sets in SGML: a text is a `<seg>`, identified by its document and its number in there."""

import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser

from nlp_transfer.data.formats.text_lines import LONGEST, TOO_LONG
from nlp_transfer.errors import DataError

LINE_END = re.compile(r"\s*\n\s*")


class _Segments(HTMLParser):
    """Collect segments. HTML's parser is as lenient as these files need: bare `&`, capitals, missing quotes."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[int, str, str]] = []
        self._document = self._segment = ""
        self.start = 0  # line of the open segment
        self.held = 0  # characters of the open segment
        self._parts: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "doc":
            self._document = values.get("docid") or ""
        elif tag == "seg":
            self._segment, self._parts = values.get("id") or "", []
            self.start, self.held = self.getpos()[0], 0

    def handle_endtag(self, tag: str) -> None:
        if tag == "seg" and self._parts is not None:
            text = LINE_END.sub(" ", "".join(self._parts).strip())
            self.done.append((self.start, text, f"{self._document}, segment {self._segment}"))
            self._parts, self.held = None, 0

    def handle_data(self, data: str) -> None:
        if self._parts is not None:
            self._parts.append(data)
            self.held += len(data)


def read_segments(lines: Iterable[str], name: str) -> Iterator[tuple[int, str, str]]:
    """Yield (line, text, document and number) of each segment; other elements and the language are left out.

    Raises:
        DataError: a segment comes twice, as in files of several references, or is too long.
    """
    parser = _Segments()
    seen = set()
    for line in lines:
        parser.feed(f"{line}\n")

        for number, text, key in parser.done:
            if key in seen:
                raise DataError(f"{name}:{number}: '{key}' for the second time; keep one translation a file")
            seen.add(key)
            yield number, text, key
        parser.done.clear()

        if parser.held > LONGEST:
            raise DataError(f"{name}:{parser.start}: {TOO_LONG.format('segment')}")
