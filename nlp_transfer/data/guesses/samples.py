"""Take some rows of a place for a guess, spread over what is read of it; a large file is not read to its end."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from nlp_transfer.data.formats.blocks import ABSENT, find_cell, list_columns
from nlp_transfer.data.formats.by_language import ByLanguage
from nlp_transfer.data.formats.records import RowStream, weigh

KEPT = 1000  # rows that are looked at
READ = 50_000  # rows that are read at most: files are often sorted by label, so the first thousand may have only one
CHARACTERS = 1 << 26  # the same as characters
MOST_COLUMNS = 200  # rows of JSON may each have other keys


@dataclass(frozen=True)
class Sample:
    """Hold some rows of a place.

    Attributes:
        place: the name of the place.
        columns: column -> a cell for each row that was kept; None where it has none.
        kept: the number of rows in `columns`.
        read: the number of rows that were read.
        whole: whether these were all.
    """

    place: str
    columns: Mapping[str, Sequence[Any]]
    kept: int
    read: int
    whole: bool

    def describe(self) -> str:
        """Say how many rows were looked at."""
        kept = f"{self.kept:,} rows" if self.kept == self.read else f"{self.kept:,} of {self.read:,} rows"
        return f"looked at {kept}" + ("" if self.whole else f"; what follows row {self.read:,} was not read")


def take_sample(stream: RowStream) -> Sample:
    """Read the rows of a place up to the limits above, and draw some of them with seed 0.

    They are drawn, because every second row would be of one label where labels alternate.

    Raises:
        DataError: for any fault in what is read.
    """
    rows: dict[int, Mapping[str, Any]] = {}  # place among the drawn -> cells
    draw = random.Random(0)  # noqa: S311 - no secret
    read = held = 0
    whole = True
    for block in stream.read_blocks():
        for _, cells in islice(block.rows, READ - read):
            place = read if read < KEPT else draw.randrange(read + 1)  # Vitter's algorithm R
            if place < KEPT:
                rows[place] = cells
            read += 1
            held += weigh(cells)
        if read == READ or held > CHARACTERS:
            whole = False
            break
    return Sample(stream.name, _collect_columns([*rows.values()]), len(rows), read, whole)


def _collect_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    names: dict[str, str] = {}  # how languages compare -> the first spelling; other columns are told apart as they are
    for row in rows:
        for name in list_columns(row):
            key = name.lower().replace("_", "-") if isinstance(row, ByLanguage) else name
            names.setdefault(key, name)
        if len(names) > MOST_COLUMNS:
            break

    found: dict[str, list[Any]] = {}
    for name in islice(names.values(), MOST_COLUMNS):
        cells = (find_cell(row, name) for row in rows)
        found[name] = [None if cell is ABSENT else cell for cell in cells]
    return found
