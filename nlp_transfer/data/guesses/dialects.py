"""Guess from the first lines of a .csv or .tsv which mark divides its cells, and whether its first row is a header."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice

from nlp_transfer.config.dialect import DIVIDERS, PLAIN, Dialect, is_data_row
from nlp_transfer.data.formats.cells import NUMBER
from nlp_transfer.data.formats.tables import DELIMITERS, find_format
from nlp_transfer.data.formats.text_files import read_head
from nlp_transfer.data.formats.text_lines import LONGEST, find_file, is_read_once

LINES = 200  # looked at
SENTENCE = re.compile(r".*[.!。！।]\s*")  # a question may be the name of a column, as in surveys
FEW = 3  # a value stands so often in a column on average where its values are labels


def guess_dialect(place: str) -> Dialect:
    """Guess how a .csv or .tsv is written; any other place is `PLAIN`.

    Raises:
        DataError: there is no such file, or its first lines cannot be read.
    """
    suffix = find_format(place)
    if suffix not in DELIMITERS or is_read_once(file := find_file(place)):
        return PLAIN

    head, _ = read_head(file)
    lines = [line for _, line in islice(head, LINES) if line.strip()]
    default = DELIMITERS[suffix]
    mark = next((mark for mark in (default, *DIVIDERS) if _divides(lines, mark)), default)
    rows = _split(lines, mark)
    headless = len(rows) > 1 and _is_headless(rows[0], rows[1:])
    return Dialect(delimiter=None if mark == default else mark, header=not headless)


def _divides(lines: Sequence[str], mark: str) -> bool:
    """Tell whether a mark divides every row in the same number of cells."""
    widths = set(map(len, _split(lines, mark)))
    return len(widths) == 1 and widths != {1}


def _split(lines: Sequence[str], mark: str) -> list[list[str]]:
    """Split lines into rows of cells; the last row is left out of several, because it may go on behind the lines."""
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST))
    rows = [row for row in csv.reader((f"{line}\n" for line in lines), delimiter=mark) if row]
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
