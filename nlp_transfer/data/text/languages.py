"""Find the language of texts, and where the rules of a language end its sentences."""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Protocol

import regex

CHARACTERS = 1000  # at the start of a text, enough to find its language
AGREED = 0.8  # the share of texts that must be in the language
STRETCH = 1000  # characters judged at once; some rules look through all of them for each mark
AHEAD = 60  # characters behind a mark that the rules need to judge it
WEAK = ("hy",)  # languages whose rules are worse than none; those of Armenian miss the dots of an ellipsis
LETTER = regex.compile(r"\p{L}")
BLANK = regex.compile(r"\s")
BEHIND = regex.compile(r"[\s\p{Emoji_Presentation}]*+")
OPENING = regex.compile(r"[.!?…][\s\p{P}]*+\K\p{Ll}")  # the letter that would begin a sentence


def find_language(texts: Sequence[str]) -> str | None:
    """Find the language of most texts, as an ISO 639-1 code; None if they are mixed or hold no words."""
    import py3langid  # takes half a second

    starts = [text[:CHARACTERS] for text in texts]
    counts = Counter(py3langid.classify(start)[0] for start in starts if LETTER.search(start))
    name, count = max(counts.items(), key=lambda item: (item[1], item[0]), default=("", 0))
    return name if count > AGREED * counts.total() else None


class Rules(Protocol):
    """Find where sentences end in one language."""

    def detect(self, source: str) -> Iterable[int]:
        """List the positions behind the ends of sentences."""


@cache
def find_rules(language: str) -> Rules | None:
    """Find the rules of a language by its BCP 47 tag, such as `de` or `pt-BR`; None if it has none."""
    from yasbd import BoundaryDetector, get_supported_langs  # takes a tenth of a second

    code = regex.split("[-_]", language.lower())[0]
    known = set(get_supported_langs()) - {"auto", *WEAK}
    return BoundaryDetector(lang=code) if code in known else None


class SentenceEnds:
    """Tell of each mark of a text, from first to last, whether the rules of its language end a sentence there.

    The rules judge a stretch at a time, and only where marks are, so the time grows linearly with the text. They expect
    a capital at the start of a sentence. If the text has none at all, a capital is put behind every mark for them.
    """

    def __init__(self, text: str, rules: Rules, *, cased: bool) -> None:
        """Start before the first mark; `cased` says that the text has capitals."""
        self._text = text
        self._cased = cased
        self._rules = rules
        self._ends: set[int] = set()
        self._judged = 0  # up to this position

    def is_end(self, mark: regex.Match[str], start: int) -> bool:
        """Tell whether a mark ends the sentence that begins at `start`."""
        if mark.end() + AHEAD > self._judged < len(self._text):
            self._judge(max(start, mark.start() - STRETCH // 2))
        behind = BEHIND.match(self._text, mark.end())
        last = behind.end() if behind else mark.end()
        return any(place in self._ends for place in range(mark.start() + 1, last + 1))

    def _judge(self, start: int) -> None:
        self._judged = start + STRETCH
        stretch = self._text[start : self._judged].replace("…", ".")  # the rules do not count an ellipsis as a mark
        if not self._cased:
            stretch = OPENING.sub(_capitalise, stretch)
        self._ends = {start + place for place in self._rules.detect(BLANK.sub(" ", stretch))}


def _capitalise(letter: regex.Match[str]) -> str:
    """Write a letter as a capital; keep one whose capital has two letters, so that positions stay."""
    capital = letter[0].upper()
    return capital if len(capital) == 1 else letter[0]
