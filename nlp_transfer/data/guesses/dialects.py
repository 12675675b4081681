"""Guess how a table of text is written: its encoding, the mark between cells, and whether its first row is a header."""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from nlp_transfer.config.dialect import DIVIDERS, PLAIN, Dialect, is_data_row
from nlp_transfer.data.formats.cells import NUMBER
from nlp_transfer.data.formats.encodings import guess_encoding
from nlp_transfer.data.formats.foreign import recognise
from nlp_transfer.data.formats.tables import DELIMITERS, SUFFIXES, find_format, has_columns
from nlp_transfer.data.formats.text_files import read_head
from nlp_transfer.data.formats.text_lines import BLOCK, BREAKS, LONGEST, locate, open_bytes

LINES = 200  # looked at
DECODED = 1 << 24  # bytes
SENTENCE = re.compile(r".*[.!。！।]\s*")  # a question may be the name of a column, as in surveys
FEW = 3  # a value stands so often in a column on average where its values are labels


def guess_dialect(place: str) -> Dialect:
    """Guess how a table of text is written, whatever its ending; any other place is `PLAIN`.

    Raises:
        DataError: there is no such file, or its first lines cannot be read.
    """
    path, suffix = locate(place), find_format(place)
    if path is None or not path.is_file() or (suffix in SUFFIXES and suffix not in DELIMITERS):
        return PLAIN

    plain = Dialect(encoding=_guess_encoding(path))
    head, _ = read_head(path, plain.encoding)
    lines = [line for _, line in islice(head, LINES) if line.strip()]
    default = DELIMITERS.get(suffix)
    if default is None and (len(lines) < FEW or recognise(lines) or has_columns(place, plain)):
        return plain
    mark = next((mark for mark in (default, *DIVIDERS) if mark and _divides(lines, mark)), default)
    if mark is None:
        return plain

    rows = _split(lines, mark)
    headless = len(rows) > 1 and _is_headless(rows[0], rows[1:])
    return replace(plain, delimiter=None if mark == default else mark, header=not headless)


def _guess_encoding(file: Path) -> str | None:
    """Guess the encoding of a file from its beginning; None if that is UTF-8."""
    try:
        with open_bytes(file) as stream:
            start = stream.read(DECODED)
    except BREAKS:
        return None  # who reads the lines says behind which one it breaks off
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError as error:
        return guess_encoding(start[max(0, error.start - BLOCK) : error.start + BLOCK])
    return None


def _divides(lines: Sequence[str], mark: str) -> bool:
    """Tell whether a mark divides every row in the same number of cells."""
    widths = set(map(len, _split(lines, mark)))
    return len(widths) == 1 and widths != {1}


def _split(lines: Sequence[str], mark: str) -> list[list[str]]:
    """Split lines into rows of cells; the last row is left out of several, because it may go on behind the lines."""
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST))
    # A carriage return inside a cell that no quotes protect, or quotes beside another mark, would be an error.
    read = csv.reader((f"{line}\n".replace("\r", " ") for line in lines), delimiter=mark)
    rows = [row for row in read if row]
    return rows[:-1] if len(rows) > FEW else rows


def _is_headless(first: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether the first row is like the others: its numbers stand above numbers, its words are common below."""
    votes = {_vote(name.strip(), [row[at].strip() for row in rows if at < len(row)]) for at, name in enumerate(first)}
    return False not in votes and (True in votes or is_data_row(first) or any(map(SENTENCE.fullmatch, first)))


def _vote(name: str, cells: Sequence[str]) -> bool | None:
    """Tell whether a cell of the first row is one of the values below it; None if the column does not tell."""
    counts = Counter(cell for cell in cells if cell)
    if not name or not counts:
        return None
    if all(map(NUMBER.fullmatch, counts)):
        return NUMBER.fullmatch(name) is not None
    return name in counts if counts.total() >= FEW * len(counts) else None
