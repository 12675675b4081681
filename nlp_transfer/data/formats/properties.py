"""Read .properties as Java does; see https://docs.oracle.com/javase/8/docs/api/java/util/Properties.html#load."""

import re
from collections.abc import Iterator
from pathlib import Path

from nlp_transfer.data.formats.entries import Entries, Entry, join_halves
from nlp_transfer.data.formats.records import Fault
from nlp_transfer.data.formats.text_lines import LONGEST, TOO_LONG, read_lines
from nlp_transfer.errors import DataError

BLANK = " \t\f"
OPEN = re.compile(r"(?:^|[^\\])(?:\\\\)*\\$")  # an odd number of backslashes: the next line goes on
PARTED = re.compile(r"((?:[^\\=: \t\f]|\\.)*)[ \t\f]*[=:]?[ \t\f]*(.*)", re.DOTALL)  # key, sign or blanks, text
ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(u)|(.))", re.DOTALL)
MEANINGS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}


def read_properties(file: Path, encoding: str | None) -> Entries:
    """Yield the texts of a file. It is UTF-8, as since Java 9, unless another encoding is named; ASCII is both."""
    for number, line in _join_lines(file, encoding):
        parted = PARTED.fullmatch(line)
        key, text = parted.groups() if parted else (line, "")
        if any(found[2] for found in ESCAPE.finditer(line)):
            yield Fault(number, r"\u without four hexadecimal digits; write \u00e9, or \\ for a backslash")
        else:
            yield Entry(number, _unescape(key), _unescape(text))


def _join_lines(file: Path, encoding: str | None) -> Iterator[tuple[int, str]]:
    """Yield (number, line), without comments and blank lines; a line that ends in a backslash goes on in the next."""
    start, held = 0, ""
    for number, line in read_lines(file, encoding):
        text = line.lstrip(BLANK)
        if not held and (not text or text[0] in "#!"):
            continue
        start, held = start if held else number, held + text
        if len(held) > LONGEST:
            raise DataError(f"{file}:{start}: {TOO_LONG.format('text')}")

        if OPEN.search(text):
            held = held[:-1]
        else:
            yield start, held
            held = ""
    if held:
        yield start, held


def _unescape(text: str) -> str:
    return join_halves(ESCAPE.sub(_resolve, text))


def _resolve(found: re.Match[str]) -> str:
    return chr(int(found[1], 16)) if found[1] else MEANINGS.get(found[3], found[3])
