"""Define what a page is made of; the template knows how each part looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Mark = Literal["", "del", "ins", "mark"]
COLUMNS = 2  # of a table that always fits the width of a phone
Piece = tuple[str, Mark]  # of a text: as it is, only in the answer, only in the reference, or picked


@dataclass(frozen=True)
class Cell:
    """A number in a table.

    Attributes:
        text: as it is written.
        shade: how dark the cell is, from 0 to 1.
        span: where a score and its interval lie between 0 and 1: the lower end, the score, the upper end.
        good: the cell is one where a high number is good, as the diagonal of a confusion matrix.
    """

    text: str
    shade: float | None = None
    span: tuple[float, float, float] | None = None
    good: bool = True


Row = Sequence[str | Cell]


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row says what the row is about.

    Attributes:
        caption: what it shows.
        header: of the columns.
        rows: of texts and numbers.
        note: how to read it.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Row]
    note: str = ""

    @property
    def folds(self) -> bool:
        """Whether its columns stand below each other on a narrow page; a matrix of shades is read across."""
        shaded = any(isinstance(cell, Cell) and cell.shade is not None for row in self.rows for cell in row)
        return len(self.header) > COLUMNS and not shaded


@dataclass(frozen=True)
class Picture:
    """A drawing as SVG that this package has made, and what it shows in words.

    Attributes:
        svg: the drawing.
        label: the words.
        narrow: another drawing of the same for the width of a phone; empty if one serves all.
    """

    svg: str
    label: str
    narrow: str = ""


@dataclass(frozen=True)
class Sentences:
    """Sentences, each a point of a list."""

    lines: Sequence[str]


@dataclass(frozen=True)
class Code:
    """A command, or a file that is folded away under its name."""

    text: str
    folded: str = ""


@dataclass(frozen=True)
class Link:
    """A link to another page, by its place beside this one."""

    place: str
    text: str


@dataclass(frozen=True)
class Links:
    """Links to other pages."""

    links: Sequence[Link]


@dataclass(frozen=True)
class Item:
    """A test row with what was said of it.

    Attributes:
        title: names the row.
        facts: name -> value, such as the right label.
        texts: name -> its pieces.
        marks: by what it can be found beside its words, such as `suspect`.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    texts: Sequence[tuple[str, Sequence[Piece]]]
    marks: Sequence[str] = ()


@dataclass(frozen=True)
class Items:
    """Test rows that can be searched.

    Attributes:
        caption: what they are.
        items: in order.
        note: how many there are, and how they are ordered.
    """

    caption: str
    items: Sequence[Item]
    note: str = ""

    @property
    def marks(self) -> list[str]:
        """All marks, in the order in which they come."""
        return list(dict.fromkeys(mark for item in self.items for mark in item.marks))


Part = Table | Picture | Sentences | Code | Links | Items


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading; `name` is where links lead to. One without parts is left out."""

    name: str
    title: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        title: what it is about.
        lead: the same in a sentence.
        verdict: what follows from all below it, in sentences.
        sections: in order.
        missing: what would stand here, and why it does not.
    """

    title: str
    lead: str
    verdict: Sequence[str]
    sections: Sequence[Section]
    missing: Sequence[str] = ()

    @property
    def holds_texts(self) -> bool:
        """Whether texts of test stand in it."""
        return any(isinstance(part, Items) and part.items for section in self.sections for part in section.parts)
