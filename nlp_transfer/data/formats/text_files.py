"""Files of texts without a table around them: one text a line, or the segments of a WMT test set."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from nlp_transfer.data.formats.foreign import LOOKED_AT, WMT, Foreign, recognise
from nlp_transfer.data.formats.sgm import segments
from nlp_transfer.data.formats.text_lines import numbered_lines
from nlp_transfer.errors import DataError


class Text(NamedTuple):
    """A text, the 1-based line it starts on, and what its format calls it (lines have no names)."""

    number: int
    text: str
    name: str = ""


def read_text_file(file: Path) -> Iterator[Text]:
    """Stream the texts of a file.

    Raises:
        DataError: a file of another format, with the way to convert it; or a fault, with its line.
    """
    kind, lines = _begin(file)
    if kind is None:
        yield from (Text(number, line) for number, line in lines)
    elif kind is WMT:
        yield from (Text(*segment) for segment in segments((line for _, line in lines), str(file)))
    else:
        raise _refusal(str(file), kind)


def read_arriving(lines: Iterable[tuple[int, str]], name: str) -> Iterator[str]:
    """Stream the texts of numbered lines that must not be read ahead: the first alone tells another format.

    Raises:
        DataError: another format, with the way to convert it.
    """
    for number, line in lines:
        if number == 1 and (kind := recognise([line])):
            raise _refusal(name, kind)
        yield line


def refuse_foreign(file: Path) -> None:
    """Refuse a file that is of a known format, but of none that is read.

    Raises:
        DataError: says which, and the way to convert it.
    """
    kind, _ = _begin(file)
    if kind is not None:
        raise _refusal(str(file), kind)


def _begin(file: Path) -> tuple[Foreign | None, Iterator[tuple[int, str]]]:
    """What the first lines tell of a file, and all of its numbered lines; read once, since it may be a pipe."""
    head: list[tuple[int, str]] = []
    rest = numbered_lines(file)
    held = 0
    try:
        while held < LOOKED_AT and (numbered := next(rest, None)):
            head.append(numbered)
            held += len(numbered[1]) + 1
    except DataError as fault:
        rest = _raise(fault)
    return recognise([line for _, line in head]), chain(head, rest)


def _raise(fault: DataError) -> Iterator[tuple[int, str]]:
    """A fault that comes when the lines before it have been taken."""
    yield from ()
    raise fault


def _refusal(name: str, kind: Foreign) -> DataError:
    return DataError(f"{name}: holds {kind.name}, neither a table nor one text a line; {kind.way}")
