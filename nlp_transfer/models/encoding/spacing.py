"""Where blanks stand between words and marks, learnt from texts: `l ' été : 50 %` is `l'été : 50 %` in French."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise, product

from nlp_transfer.models.encoding.word_pieces import WIDE, Reading, Rule, kind_of

MARKS = 60  # the most frequent ones have rules
PAIRED = ('"', "`")  # one mark opens and closes: a blank is inside where an odd number of them follow
NARROW = "\u00a0\u202f"  # blanks that are told from the ordinary one
WORD, MARK = "word", "mark"  # what stands on the other side of a mark, when that is all that matters
OPENING, CLOSING = "([{", ".,)]}"  # marks that no language parts from what follows, or goes before

Blanks = dict[tuple[str, str, bool], Counter[str]]  # kinds on both sides, inside a pair of marks -> blanks


def spacing_rules(read: Sequence[Reading]) -> Iterator[Rule]:
    """Rules that set the usual blank (often none) between two kinds of characters in place of an ordinary one."""
    seen, marks = _count_blanks(read)
    kinds = [*WIDE, *(mark for mark, _ in marks.most_common(MARKS))]
    rights: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for left, right in product(kinds, kinds):
        mark = _paired(left, right)
        for inside in (False, True) if mark else (False,):
            ahead = _count_ahead(mark, odd=inside) if mark else ""
            rights[_usual(seen, left, right, inside)][left].append(ahead + right)
    for blank, found in rights.items():
        if blank != " ":
            yield "|".join(f"(?<={left}) (?={'|'.join(several)})" for left, several in found.items()), blank


def _count_blanks(read: Sequence[Reading]) -> tuple[Blanks, Counter[str]]:
    """Count the blanks between kinds, and between a mark and any word or mark; count the marks too."""
    seen: Blanks = defaultdict(Counter)
    marks = Counter(map(kind_of, OPENING + CLOSING))
    for other in (WORD, MARK):
        for opening in map(kind_of, OPENING):
            seen[opening, other, False][""] += 1
        for closing in map(kind_of, CLOSING):
            seen[other, closing, False][""] += 1
    for text, words in read:
        for first, second in pairwise(words):
            if first.said and second.said:
                left, right = kind_of(first.said[-1]), kind_of(second.said[0])
                marks.update(kind for kind in (left, right) if kind not in WIDE)
                mark = _paired(left, right)
                inside = mark is not None and text.count(mark, second.start) % 2 == 1
                for one, other in ((left, right), (left, _broad(right)), (_broad(left), right)):
                    seen[one, other, inside][_blank(text[first.end : second.start])] += 1
    return seen, marks


def _usual(seen: Blanks, left: str, right: str, inside: bool) -> str:
    """The most frequent blank of a place; where nothing was seen, none if one of its marks is mostly so."""
    if together := seen.get((left, right, inside)):
        return together.most_common(1)[0][0]
    behind = None if left in WIDE else seen.get((left, _broad(right), inside))
    before = None if right in WIDE else seen.get((_broad(left), right, inside))
    return "" if any(blanks and blanks.most_common(1)[0][0] == "" for blanks in (behind, before)) else " "


def _broad(kind: str) -> str:
    return WORD if kind in WIDE else MARK


def _paired(left: str, right: str) -> str | None:
    return next((one for one in (right, left) if one in PAIRED), None)


def _count_ahead(mark: str, *, odd: bool) -> str:
    """A pattern that holds where an odd, or even, number of a mark follows to the end of the text."""
    other = f"[^{mark}]*"
    return f"(?={other}{mark + other if odd else ''}(?:{mark}{other}{mark}{other})*\\z)"


def _blank(gap: str) -> str:
    """The blank between two words: none, an ordinary one, or one that is narrow or keeps a line together."""
    blanks = [one for one in gap if one.isspace()]
    return next((one for one in blanks if one in NARROW), " ") if blanks else ""
