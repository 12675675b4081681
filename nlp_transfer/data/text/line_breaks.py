"""Find what the line breaks of texts mean: ends of turns and list items, or lines that were full."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import regex

CHARACTERS = 10_000  # at the start of a text, enough to judge its line breaks
NARROW = 30  # characters; nobody wraps lines to less
EMPTY = regex.compile(r"\n\s*\n")
# The part of a line that fits into the line before or not: a word; in Chinese a character, in Thai or Khmer a few.
FIRST = regex.compile(r"[\p{Line_Break=ID}\p{Line_Break=CJ}]|\p{Line_Break=SA}{1,8}|\S*")


def find_line_breaks(texts: Sequence[str]) -> Literal["sentence", "space"]:
    """Find out whether line breaks end sentences, or stand for spaces because the next word did not fit.

    They are spaces if the next word did not fit at half of the breaks or more.
    """
    full = [one for text in texts for one in _find_full_lines(text[:CHARACTERS])]
    return "sentence" if 2 * sum(full) < len(full) else "space"


def end_lines(text: str) -> str:
    """Add an empty line at every line break, because `split_sentences` cuts there."""
    return "\n\n".join(text.splitlines())


def join_lines(text: str) -> str:
    """Join the lines of every paragraph to one."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in EMPTY.split(text))


def _find_full_lines(text: str) -> list[bool]:
    """Tell of each line with a break whether it was full; the longest line is left out, as it always looks full."""
    paragraphs = [[line.rstrip() for line in part.splitlines()] for part in EMPTY.split(text)]
    width = max(len(line) for lines in paragraphs for line in (*lines, ""))
    return [
        width >= NARROW and len(line) + 1 + _measure_first(following) > width
        for lines in paragraphs
        for line, following in pairwise(lines)
        if width < NARROW or len(line) < width
    ]


def _measure_first(line: str) -> int:
    """Measure the part of a line that could have stood in the line before, in characters."""
    found = FIRST.match(line.lstrip())
    return len(found[0]) if found else 0
