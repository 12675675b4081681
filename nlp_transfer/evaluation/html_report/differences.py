"""Mark in two texts the words by which they differ, and in a text of several sentences those that were picked."""

from collections.abc import Collection, Sequence
from difflib import SequenceMatcher

import regex

from nlp_transfer.evaluation.html_report.parts import Mark, Piece

LONGEST = 1000  # characters of a text that a page shows
# A word; a sign of a script without spaces between words; spaces; anything else.
TOKEN = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|[\w'’]+|\s+|.", regex.DOTALL)


def shorten(text: str) -> str:
    """Cut a long text, and say how much more there is."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text) - LONGEST:,} more characters)"


def mark_differences(said: str, right: str) -> tuple[list[Piece], list[Piece]]:
    """Mark what only the answer has (`del`), and what only the reference has (`ins`); words are compared whole."""
    before, after = TOKEN.findall(shorten(said)), TOKEN.findall(shorten(right))
    found: tuple[list[Piece], list[Piece]] = ([], [])
    for kind, start, end, first, last in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        same = kind == "equal"
        _add(found[0], before[start:end], "" if same else "del")
        _add(found[1], after[first:last], "" if same else "ins")
    return found


def mark_sentences(sentences: Sequence[str], picked: Collection[int]) -> list[Piece]:
    """Mark the picked ones among sentences, by their places; what comes after a long start is left out."""
    pieces: list[Piece] = []
    room = LONGEST * 3
    for place, sentence in enumerate(sentences):
        if room < 0:
            pieces.append((f" … ({len(sentences) - place:,} more sentences)", ""))
            break
        pieces += [(shorten(sentence), "mark" if place in picked else ""), (" ", "")]
        room -= len(sentence)
    return pieces


def _add(pieces: list[Piece], tokens: Sequence[str], mark: Mark) -> None:
    if tokens:
        pieces.append(("".join(tokens), mark))
