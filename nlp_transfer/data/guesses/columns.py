"""Describe a column by some of its cells: what it holds, how long its texts are, and in which language."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from statistics import median
from typing import Literal

from nlp_transfer.data.guesses.names import Hint, find_code, find_hint
from nlp_transfer.data.text.languages import CHARACTERS, find_language
from nlp_transfer.data.text.scripts import split_words
from nlp_transfer.system.escaping import escape_line

Kind = Literal["text", "texts", "label", "labels", "number", "constant", "aside", "empty"]
MEASURED = 200  # texts whose words are counted
SHOWN = 40  # characters of a value
LONG = 20_000  # characters of a text that are looked at
NO_LANGUAGE = "zxx"  # of what holds no words, in ISO 639-3


@dataclass(frozen=True)
class Column:
    """Describe a column by the rows that were looked at.

    Attributes:
        name: its name.
        kind: what it holds; `aside` is nothing to learn from, `constant` one value only.
        what: the same in words.
        filled: the number of its cells that hold something.
        counts: label -> number of cells, of labels and constants.
        rows: the text of every cell, those of a list joined; empty where there is none.
        separator: the mark between labels in a cell; None: a comma or none.
        whole: whether labels are whole numbers, which may also be meant as numbers.
        items: how many texts a cell of lists holds in the middle.
        place: which column of the data it is, from 0.
    """

    name: str
    kind: Kind
    what: str
    filled: int
    counts: Mapping[str, int]
    rows: Sequence[str]
    separator: str | None = None
    whole: bool = False
    items: float = 1
    place: int = 0

    @property
    def hint(self) -> Hint | None:
        """Say what the name hints at."""
        return find_hint(self.name)

    @cached_property
    def texts(self) -> list[str]:
        """Its texts that are not empty."""
        return [text for text in self.rows if text]

    @cached_property
    def length(self) -> float:
        """Characters of the text in the middle."""
        return median(map(len, self.texts)) if self.texts else 0

    @cached_property
    def words(self) -> float:
        """Words of the text in the middle."""
        return count_words(self.texts)

    @property
    def long_words(self) -> float:
        """Words of a text that is longer than nineteen of twenty."""
        counts = sorted(len(split_words(text[:LONG])) for text in self.texts[:MEASURED])
        return counts[len(counts) * 95 // 100] if counts else 0

    def describe(self, rows: int) -> str:
        """Say what it holds in so many rows, in which language, and how many cells are empty."""
        language = f", language {self.language}" if self.kind in ("text", "texts") and self.language else ""
        empty = f"; {rows - self.filled:,} empty" if 0 < self.filled < rows else ""
        return escape_line(f"{self.what}{language}{empty}")

    @cached_property
    def language(self) -> str | None:
        """The language of its texts: by its name, or else as most pieces of a thousand characters tell."""
        pieces = [""]
        for text in self.texts[:MEASURED]:
            if len(pieces[-1]) >= CHARACTERS:
                pieces.append("")
            pieces[-1] += f" {text[:CHARACTERS]}"
        found = find_code(self.name) or find_language(pieces)
        return None if found == NO_LANGUAGE else found


def count_words(texts: Iterable[str]) -> float:
    """Count the words of the text in the middle; a script without spaces counts characters."""
    counts = [len(split_words(text[:LONG])) for text in islice(texts, MEASURED)]
    return median(counts) if counts else 0


def show_value(value: str) -> str:
    """Show a value in a line."""
    return escape_line(value if len(value) <= SHOWN else f"{value[: SHOWN - 3]}...")
