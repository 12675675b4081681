"""Describe how the cells of a .csv or .tsv are told apart, and how a user sets that."""

import codecs
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from nlp_transfer.errors import ConfigError

Quoting = Literal["auto", "minimal", "none"]
DIVIDERS = ";\t|,"  # marks that often divide columns
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
MANY_WORDS = 5  # so many words are a text, not the name of a column


@dataclass(frozen=True)
class Dialect:
    """Hold what a reader must know about a table.

    Attributes:
        delimiter: the mark between cells; None means a comma, in a .tsv a tab.
        quoting: with `minimal` a cell may stand in quotes, with `none` a quote is a character. `auto` is `minimal`, but
            between tabs only if the whole file is written so.
        header: the first row names the columns; otherwise their names are numbers from 0.
        label_separator: the mark between the labels of a cell that may hold several.
        encoding: of the text, by a name that Python knows; None means UTF-8.
        options: the caller sets these with options of a command, not with keys of a configuration.
        called: the caller sets these in the call of a function; if neither, in a configuration.
    """

    delimiter: str | None = None
    quoting: Quoting = "auto"
    header: bool = True
    label_separator: str = ","
    options: bool = False
    encoding: str | None = None
    called: bool = False

    def __post_init__(self) -> None:
        r"""Check what a caller may have written; `\t` becomes a tab.

        Raises:
            ConfigError: there is no such delimiter, encoding, quoting or mark between labels.
        """
        for name, read in {"delimiter": read_delimiter, "encoding": read_encoding}.items():
            try:
                value = getattr(self, name)
                object.__setattr__(self, name, value if value is None else read(value))
            except (ValueError, TypeError) as error:
                raise ConfigError(f"Dialect: {name}: {error}") from None

        if self.quoting not in get_args(Quoting):
            raise ConfigError(f"Dialect: quoting: expected {', '.join(get_args(Quoting))}, received {self.quoting!r}")
        if not (isinstance(self.label_separator, str) and self.label_separator):
            raise ConfigError(
                f"Dialect: label_separator: expected a mark, such as ';', received {self.label_separator!r}"
            )

    def set_column(self, role: str, name: str = "NAME") -> str:
        """Say how to map a role to a column; the role is empty where there is only one."""
        if self.called:
            return f'columns={{"{role}": "{name}"}}' if role else f'column="{name}"'
        return f"--column {role}{'=' if role else ''}{name}" if self.options else f"data.columns.{role}={name}"

    def set_delimiter(self, mark: str) -> str:
        """Say how to set the delimiter; most marks have a meaning in YAML, so they need quotes there too."""
        shown = r"\t" if mark == "\t" else mark
        return self._set("delimiter", f'"{shown}"', f"'{shown}'", f"\"'{shown}'\"")

    def set_label_separator(self, mark: str) -> str:
        """Say how to set the mark between labels."""
        return self._set("label_separator", f'"{mark}"', f"'{mark}'", f"\"'{mark}'\"")

    def set_quoting(self, quoting: Quoting) -> str:
        """Say how to set the reading of quotes."""
        return self._set("quoting", f'"{quoting}"', quoting, quoting)

    def set_header(self, *, named: bool) -> str:
        """Say how to set whether the first row names the columns."""
        if self.options and not self.called:
            return "--header" if named else "--no-header"
        return self._set("header", str(named), "", str(named).lower())

    def set_on_unknown_label(self) -> str:
        """Say how to leave out rows whose label is unknown."""
        return 'on_unknown_label="drop"' if self.called else self._set("on_unknown_label", "", "drop", "drop")

    def _set(self, key: str, value: str, option: str, configured: str) -> str:
        """Say how to set a key: by its value in Python, as an option, or in a configuration."""
        if self.called:
            return f"dialect=Dialect({key}={value})"
        return f"--{key.replace('_', '-')} {option}" if self.options else f"data.{key}={configured}"


def read_delimiter(text: str) -> str:
    r"""Read the delimiter that a user wrote; `\t` is a tab.

    Raises:
        ValueError: it is not one character, or has another meaning in a table.
    """
    mark = "\t" if text == r"\t" else text
    if len(mark) != 1 or mark in '"\r\n\0':
        raise ValueError(f"a delimiter is one character, such as ';', received {text!r}")
    return mark


def read_encoding(name: str) -> str:
    """Check the name of an encoding.

    Raises:
        ValueError: Python knows no encoding of texts by that name.
    """
    try:
        "".encode(name)
        codecs.getincrementaldecoder(name)
    except (LookupError, ValueError):
        raise ValueError(f"no encoding of texts, such as cp1252, latin-1 or utf-16: {name!r}") from None
    return name


PLAIN = Dialect()  # nothing is set


def find_delimiter(header: Sequence[str]) -> str | None:
    """Find the mark that seems to divide the columns of a file that has only one; None if there is none."""
    return next((mark for mark in DIVIDERS if len(header) == 1 and mark in header[0]), None)


def is_data_row(header: Iterable[str]) -> bool:
    """Tell whether a header looks like a row of data: it holds a number, or a name of many words."""
    return any(NUMBER.fullmatch(name) or len(name.split()) >= MANY_WORDS for name in header)
