"""Test sets of WMT in SGML: a text is a `<seg>`, known by the document it is in and its number there."""

import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser

from nlp_transfer.errors import DataError

LINE_END = re.compile(r"\s*\n\s*")


class _Segments(HTMLParser):
    """Collects segments; like those who wrote them, HTML's parser bears bare `&`, capitals and missing quotes."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[int, str, str]] = []
        self._document = self._segment = ""
        self._start = 0
        self._text: str | None = None  # a segment is open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "doc":
            self._document = values.get("docid") or ""
        elif tag == "seg":
            self._segment, self._start, self._text = values.get("id") or "", self.getpos()[0], ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "seg" and self._text is not None:
            text = LINE_END.sub(" ", self._text.strip())
            self.done.append((self._start, text, f"{self._document}, segment {self._segment}"))
            self._text = None

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text += data


def segments(lines: Iterable[str], name: str) -> Iterator[tuple[int, str, str]]:
    """Stream (line, text, document and number) of each segment; the languages and the other elements are left out.

    Raises:
        DataError: one segment twice, as in files of several references.
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
