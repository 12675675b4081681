"""What the line breaks of texts are: the ends of turns and list items, or of lines that were full."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import regex

CHARACTERS = 10_000  # of a text that are looked at
NARROW = 30  # characters; nothing is wrapped to less
EMPTY = regex.compile(r"\n\s*\n")
# What could have stood in the line before: one character where lines break between any two, a few in Thai or Khmer.
FIRST = regex.compile(r"[\p{Line_Break=ID}\p{Line_Break=CJ}]|\p{Line_Break=SA}{1,8}|\S*")


def find_line_breaks(texts: Sequence[str]) -> Literal["sentence", "space"]:
    """Find out whether line breaks end sentences; or are spaces, since at most of them the next word did not fit."""
    full = [one for text in texts for one in _full_lines(text[:CHARACTERS])]
    return "sentence" if 2 * sum(full) < len(full) else "space"


def end_lines(text: str) -> str:
    """Put an empty line at every line break, where `split_sentences` cuts."""
    return "\n\n".join(text.splitlines())


def join_lines(text: str) -> str:
    """Write every paragraph in one line."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in EMPTY.split(text))


def _full_lines(text: str) -> list[bool]:
    """Tell whether each line that breaks was full; the longest of a text is left out, for it would always seem so."""
    paragraphs = [[line.rstrip() for line in part.splitlines()] for part in EMPTY.split(text)]
    width = max(len(line) for lines in paragraphs for line in (*lines, ""))
    return [
        width >= NARROW and len(line) + 1 + _first(following) > width
        for lines in paragraphs
        for line, following in pairwise(lines)
        if width < NARROW or len(line) < width
    ]


def _first(line: str) -> int:
    """The length of what could have stood in the line before."""
    found = FIRST.match(line.lstrip())
    return len(found[0]) if found else 0
