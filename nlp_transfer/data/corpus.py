"""Take texts without labels, as `adapt` reads them: one place, several, or texts in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from nlp_transfer.config.dialect import PLAIN, Dialect
from nlp_transfer.data.formats.cells import is_blank, open_inputs, stream_columns
from nlp_transfer.data.formats.held import hold_rows, open_held
from nlp_transfer.data.formats.records import RowStream
from nlp_transfer.data.formats.tables import has_columns
from nlp_transfer.data.formats.text_lines import locate
from nlp_transfer.data.given import take_place
from nlp_transfer.data.locations import Place, open_place
from nlp_transfer.data.store import join_parts
from nlp_transfer.errors import DataError
from nlp_transfer.system.received import HeldRows

TEXT = "text"  # the role


def take_corpus(given: Any, column: str = TEXT, dialect: Dialect = PLAIN) -> Place:
    """Take texts as the place of a run: a table, folder, bundled set or Hub id by its name; all else by its texts.

    Args:
        given: a place, which may be a file with a text a line; several in a list; texts in a list; or rows in memory.
            In a list a path is a place, and a string is one if it names what is there.
        column: of a table, of rows in memory, and of what is gathered.
        dialect: how a .csv or .tsv is written.

    Raises:
        DataError: a place cannot be read, or holds no texts.
    """
    corpus = _take(given, column, dialect)
    next(_read_cells(corpus, column, dialect), None)  # a wrong column is told before anything else is done
    return corpus


def _take(given: Any, column: str, dialect: Dialect) -> Place:
    if not isinstance(given, str | PathLike | list | tuple):
        return take_place(given)
    places = [given] if isinstance(given, str | PathLike) else list(given)
    if isinstance(given, list | tuple) and not all(map(_is_place, places)):
        return hold_rows(given, bare=column)
    if len(places) == 1 and not _holds_lines(places[0], dialect):
        return str(places[0])
    held = hold_rows([{column: text} for place in places for text in _stream_texts(str(place), column, dialect)])
    return HeldRows(held.description.replace("a list in memory", f"texts of {_name(places)}", 1), held.rows)


def stream_corpus(given: Any, column: str = TEXT, dialect: Dialect = PLAIN) -> Iterator[str]:
    """Stream the texts of what `take_corpus` takes.

    Raises:
        DataError: as `take_corpus`; or a column is missing, or the place has faults.
    """
    corpus = given if isinstance(given, HeldRows) else take_corpus(given, column, dialect)
    return _stream_texts(corpus, column, dialect)


def _is_place(one: Any) -> bool:
    """Tell whether an item of a list names a place, and is no text: a path, or a name of what is there."""
    if not isinstance(one, str):
        return isinstance(one, PathLike)
    return one.startswith("bundled:") or ("\n" not in one and locate(one) is not None)


def _holds_lines(place: Any, dialect: Dialect) -> bool:
    path = locate(str(place))
    return path is not None and path.is_file() and not has_columns(str(place), dialect)


def _name(places: Sequence[Any]) -> str:
    """Name files without their folders, which are nobody's business."""
    return " + ".join(one if one.startswith("bundled:") else Path(one).name for one in map(str, places))


def _read_cells(place: Place, column: str, dialect: Dialect) -> Iterator[list[str] | None]:
    """Open a place, and stream the texts of each of its rows."""
    path = None if isinstance(place, HeldRows) else locate(str(place))
    stream: RowStream
    if isinstance(place, HeldRows):
        stream = replace(open_held(place), dialect=dialect)
    elif path is not None and path.is_file():
        stream = open_inputs(str(place), {TEXT: column}, dialect)
    else:
        stream = open_place(str(place), "train", dialect)
    return (texts for (texts,) in stream_columns(stream, {"": column}, {""}))


def _stream_texts(place: Place, column: str, dialect: Dialect) -> Iterator[str]:
    """Stream the texts of a place that hold something."""
    texts = [text for cell in _read_cells(place, column, dialect) if not is_blank(text := join_parts(cell or ""))]
    if not texts:
        raise DataError(f"{place}: holds no text; is the column right?")
    yield from texts
