"""Read rows that have no labels: draw some of them by chance, and find the cells of these again."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from nlp_transfer.config.dialect import Dialect
from nlp_transfer.data.formats.cells import is_blank, open_inputs, stream_columns
from nlp_transfer.data.formats.held import hold_rows
from nlp_transfer.data.formats.records import RowStream
from nlp_transfer.data.formats.text_lines import is_read_once, locate
from nlp_transfer.data.given import take_place
from nlp_transfer.data.locations import open_place
from nlp_transfer.errors import DataError
from nlp_transfer.system.received import HeldRows

NUMBER = "row"  # the column that tells where a row stands
Texts = tuple[Any, ...]  # of a row, one for each role that is read


class Drawn(NamedTuple):
    """Rows that were drawn, in the order of the place.

    Attributes:
        places: the number of each row, from 0.
        texts: what is read of each.
        total: the number of rows that hold a text.
        blank: the number of rows that hold none, of which none is drawn.
    """

    places: list[int]
    texts: list[Texts]
    total: int
    blank: int

    def take(self, chosen: Sequence[int]) -> "Drawn":
        """Take some of the rows, by their position among these."""
        return self._replace(places=[self.places[at] for at in chosen], texts=[self.texts[at] for at in chosen])


@dataclass(frozen=True)
class Unlabelled:
    """A place of rows that can be read again.

    Attributes:
        name: of the place.
        open: opens the rows, each time anew.
        columns: input role -> column.
        lists: the roles of which a cell may be a list of texts.
    """

    name: str
    open: Callable[[], RowStream]
    columns: Mapping[str, str]
    lists: Collection[str]

    def draw(self, most: int, *, seed: int = 0) -> Drawn:
        """Draw rows by chance, each equally likely, from one pass over the place (Vitter 1985, algorithm R).

        Raises:
            DataError: the place has faults or lacks a column, or no row holds a text.
        """
        rng = np.random.default_rng(seed)
        kept: list[tuple[int, Texts]] = []
        total = blank = 0
        for place, texts in enumerate(stream_columns(self.open(), self.columns, self.lists)):
            if any(text is None or is_blank("".join(text)) for text in texts):
                blank += 1
                continue
            total += 1
            if len(kept) < most:
                kept.append((place, texts))
            elif (at := int(rng.integers(total))) < most:
                kept[at] = (place, texts)

        if not kept:
            raise DataError(f"{self.name}: holds no text to look at; is the column right?")
        kept.sort()
        return Drawn([place for place, _ in kept], [texts for _, texts in kept], total, blank)

    def read_cells(self, places: Sequence[int]) -> list[dict[str, Any]]:
        """Read all cells of some rows, in the order in which these are named; first the number of the row.

        The number is that of its line, or of the row in a format without lines.

        Raises:
            DataError: the place has changed.
        """
        wanted = set(places)
        found = {}
        for place, (number, cells) in enumerate(self.open().rows):
            if place in wanted:
                found[place] = {NUMBER: number, **cells}
        if len(found) < len(wanted):
            raise DataError(f"{self.name}: has changed while it was read; begin again")
        return [found[place] for place in places]


def open_unlabelled(
    given: Any,
    columns: Mapping[str, str],
    dialect: Dialect,
    lists: Collection[str] = (),
    *,
    split: str = "test",
    subset: str | None = None,
    revision: str | None = None,
) -> Unlabelled:
    """Open rows to look at.

    Args:
        given: a file as `predict` reads it, lines of text among them; a bundled set, a folder or a Hub id, of which the
            `split` counts; or rows in memory, which may be plain texts where there is one role.
        columns: input role -> column.
        dialect: how a .csv or .tsv is written.
        lists: the roles of which a cell may be a list of texts.
        split: of a place that has several.
        subset: of a data set on the Hub.
        revision: of a data set on the Hub.

    Raises:
        DataError: there is no such place, or it can be read only once.
    """
    place = _take_place(given, columns)
    file = locate(place) if isinstance(place, str) else None
    if file is None or file.is_dir():
        opened = partial(open_place, place, split, dialect, subset=subset, revision=revision)
        return Unlabelled(str(place), opened, columns, lists)
    if is_read_once(file):
        raise DataError(f"{place}: is read again, and what is piped can be read once; save it, and name that")
    return Unlabelled(str(place), partial(open_inputs, str(place), columns, dialect), columns, lists)


def _take_place(given: Any, columns: Mapping[str, str]) -> Any:
    """Take the name of a place, or rows in memory; plain texts become rows of one column."""
    if isinstance(given, list | tuple) and given and len(columns) == 1 and all(isinstance(one, str) for one in given):
        return hold_rows(given, bare=next(iter(columns.values())))
    return given if isinstance(given, HeldRows) else take_place(given)
