"""How the cells of a .csv or .tsv are told apart, and how a user says so."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Quoting = Literal["auto", "minimal", "none"]
DIVIDERS = ";\t|,"  # what divides columns elsewhere
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
MANY_WORDS = 5  # in the name of a column


@dataclass(frozen=True)
class Dialect:
    """What a reader must know of a table.

    Attributes:
        delimiter: stands between cells; None: a comma, in a .tsv a tab.
        quoting: `minimal`: a cell may stand in quotes; `none`: a quote is a character; `auto`: `minimal`, but between
            tabs only where all of the file is written so.
        header: the first row names the columns; else they have numbers from 0.
        options: the caller sets these by options of a command, not by keys of a configuration.
    """

    delimiter: str | None = None
    quoting: Quoting = "auto"
    header: bool = True
    options: bool = False

    def set_column(self, role: str, name: str = "NAME") -> str:
        """Say how to map a role to a column; the role is empty where a command has only one."""
        return f"--column {role}{'=' if role else ''}{name}" if self.options else f"data.columns.{role}={name}"

    def set_delimiter(self, mark: str) -> str:
        """Say how to divide columns by a mark; most marks mean something in YAML, and need quotes for it too."""
        shown = r"\t" if mark == "\t" else mark
        return f"--delimiter '{shown}'" if self.options else f"data.delimiter=\"'{shown}'\""

    def set_quoting(self, quoting: Quoting) -> str:
        """Say how to read quotes otherwise."""
        return f"--quoting {quoting}" if self.options else f"data.quoting={quoting}"

    def set_header(self, *, named: bool) -> str:
        """Say that the first row names the columns, or is data."""
        if self.options:
            return "--header" if named else "--no-header"
        return f"data.header={str(named).lower()}"


PLAIN = Dialect()  # nothing is set


def one_delimiter(text: str) -> str:
    r"""Read what a user wrote for a delimiter; `\t` is a tab.

    Raises:
        ValueError: not one character, or one that means something else in a table.
    """
    mark = "\t" if text == r"\t" else text
    if len(mark) != 1 or mark in '"\r\n\0':
        raise ValueError(f"a delimiter is one character, such as ';', received {text!r}")
    return mark


def other_delimiter(header: Sequence[str]) -> str | None:
    """What divides the columns of a file that seems to have only one, if it is known."""
    return next((mark for mark in DIVIDERS if len(header) == 1 and mark in header[0]), None)


def looks_like_data(header: Iterable[str]) -> bool:
    """Whether a header is rather the first row: with numbers, or a name of many words."""
    return any(NUMBER.fullmatch(name) or len(name.split()) >= MANY_WORDS for name in header)
