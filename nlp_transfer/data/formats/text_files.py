"""Read files that hold texts and no table: one text a line, or the segments of a WMT test set."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from nlp_transfer.data.formats.foreign import KEYED, LOOKED_AT, WMT, Foreign, recognise
from nlp_transfer.data.formats.keyed import read_keyed
from nlp_transfer.data.formats.sgm import read_segments
from nlp_transfer.data.formats.text_lines import is_read_once, read_lines
from nlp_transfer.errors import DataError


class Text(NamedTuple):
    """Hold a text, the line it starts on (counted from 1), and its name in the format; lines have no names."""

    number: int
    text: str
    name: str = ""


def read_text_file(file: Path, encoding: str | None = None) -> Iterator[Text]:
    """Yield the texts of a file.

    Raises:
        DataError: the file has another format (the message says how to convert it), or a fault, named by its line.
    """
    kind, lines = _begin(file, encoding)
    if kind is None:
        yield from (Text(number, line) for number, line in lines)
    elif kind in KEYED and not is_read_once(file):
        entries = read_keyed(file, kind, encoding).values()
        yield from (Text(one[-1].number, one[-1].text) for one in entries)
    elif kind is WMT:
        yield from (Text(*segment) for segment in read_segments((line for _, line in lines), str(file)))
    else:
        raise _make_refusal(str(file), kind)


def read_arriving(lines: Iterable[tuple[int, str]], name: str) -> Iterator[str]:
    """Yield the texts of numbered lines without reading ahead, so only the first line can reveal another format.

    Raises:
        DataError: it does; the message says how to convert the file.
    """
    for number, line in lines:
        if number == 1 and (kind := recognise([line])):
            raise _make_refusal(name, kind)
        yield line


def find_kind(file: Path, encoding: str | None = None) -> Foreign | None:
    """Find the format of a file by its content; None if that is plain text, or a pipe, which cannot be read again."""
    return None if is_read_once(file) else _begin(file, encoding)[0]


def refuse_foreign(file: Path, encoding: str | None = None) -> None:
    """Refuse a file of a format that is recognised but not read.

    Raises:
        DataError: the message names the format, and says how to convert it.
    """
    kind, _ = _begin(file, encoding)
    if kind is not None:
        raise _make_refusal(str(file), kind)


def read_head(file: Path, encoding: str | None = None) -> tuple[list[tuple[int, str]], Iterator[tuple[int, str]]]:
    """Read the first numbered lines of a file, which show its format; return them, and the lines behind them.

    A fault in the first lines is raised when the lines behind them are asked for.
    """
    head: list[tuple[int, str]] = []
    rest = read_lines(file, encoding)
    held = 0
    try:
        while held < LOOKED_AT and (numbered := next(rest, None)):
            head.append(numbered)
            held += len(numbered[1]) + 1
    except DataError as fault:
        rest = _raise(fault)
    return head, rest


def _begin(file: Path, encoding: str | None) -> tuple[Foreign | None, Iterator[tuple[int, str]]]:
    """Recognise the format from the first lines; return it with all lines, since a pipe cannot be read again."""
    head, rest = read_head(file, encoding)
    suffix = Path(file.name.lower().removesuffix(".gz")).suffix
    return recognise([line for _, line in head], suffix), chain(head, rest)


def _raise(fault: DataError) -> Iterator[tuple[int, str]]:
    """Raise a fault only when the lines before it have been taken."""
    yield from ()
    raise fault


def _make_refusal(name: str, kind: Foreign) -> DataError:
    return DataError(f"{name}: holds {kind.name}, neither a table nor one text a line; {kind.way}")
