"""Learn from texts where spaces stand between words and marks: `l ' été : 50 %` is `l'été : 50 %` in French."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise, product

from nlp_transfer.models.encoding.word_pieces import WIDE, Reading, Rule, classify

MARKS = 60  # only the most frequent marks have rules
PAIRED = ('"', "`")  # marks that open and close: a space is inside them if an odd number of them follows
NARROW = "\u00a0\u202f"  # spaces that differ from the ordinary one: no-break, and narrow no-break
WORD, MARK = "word", "mark"  # the two sorts of neighbours of a mark, for rarely seen combinations
OPENING, CLOSING = "([{", ".,)]}"  # in every language, no space follows the first or precedes the second

Blanks = dict[tuple[str, str, bool], Counter[str]]  # (kind on the left, on the right, inside paired marks) -> spaces


def learn_spacing(read: Sequence[Reading]) -> Iterator[Rule]:
    """Yield rules that replace an ordinary space between two kinds of characters by the usual one, often by none."""
    seen, marks = _count_blanks(read)
    kinds = [*WIDE, *(mark for mark, _ in marks.most_common(MARKS))]
    rights: defaultdict[str, defaultdict[str, list[str]]] = defaultdict(lambda: defaultdict(list))

    for left, right in product(kinds, kinds):
        mark = _find_paired(left, right)
        for inside in (False, True) if mark else (False,):
            ahead = _write_lookahead(mark, odd=inside) if mark else ""
            rights[_find_usual(seen, left, right, inside)][left].append(ahead + right)

    for blank, found in rights.items():
        if blank != " ":
            yield "|".join(f"(?<={left}) (?={'|'.join(several)})" for left, several in found.items()), blank


def _count_blanks(read: Sequence[Reading]) -> tuple[Blanks, Counter[str]]:
    """Count the spaces between kinds of characters, and between a mark and any word or mark; count the marks too."""
    seen: Blanks = defaultdict(Counter)
    marks = Counter(map(classify, OPENING + CLOSING))

    # Every language sets brackets, dots and commas without a space on one side.
    for other in (WORD, MARK):
        for opening in map(classify, OPENING):
            seen[opening, other, False][""] += 1
        for closing in map(classify, CLOSING):
            seen[other, closing, False][""] += 1

    for text, words in read:
        for first, second in pairwise(words):
            if first.said and second.said:
                left, right = classify(first.said[-1]), classify(second.said[0])
                marks.update(kind for kind in (left, right) if kind not in WIDE)
                mark = _find_paired(left, right)
                inside = mark is not None and text.count(mark, second.start) % 2 == 1

                # Count the exact pair, and for rare pairs also each side with any word or mark.
                for one, other in ((left, right), (left, _broaden(right)), (_broaden(left), right)):
                    seen[one, other, inside][_reduce_gap(text[first.end : second.start])] += 1
    return seen, marks


def _find_usual(seen: Blanks, left: str, right: str, inside: bool) -> str:
    """Find the usual space between two kinds; for a pair never seen, none if one of its marks mostly has none."""
    if together := seen.get((left, right, inside)):
        return together.most_common(1)[0][0]
    behind = None if left in WIDE else seen.get((left, _broaden(right), inside))
    before = None if right in WIDE else seen.get((_broaden(left), right, inside))
    return "" if any(blanks and blanks.most_common(1)[0][0] == "" for blanks in (behind, before)) else " "


def _broaden(kind: str) -> str:
    return WORD if kind in WIDE else MARK


def _find_paired(left: str, right: str) -> str | None:
    return next((one for one in (right, left) if one in PAIRED), None)


def _write_lookahead(mark: str, *, odd: bool) -> str:
    """Write a pattern that holds if an odd, or even, number of a mark follows up to the end of the text."""
    other = f"[^{mark}]*"
    return f"(?={other}{mark + other if odd else ''}(?:{mark}{other}{mark}{other})*\\z)"


def _reduce_gap(gap: str) -> str:
    """Reduce the gap between two words to one space: none, an ordinary one, or a no-break one."""
    blanks = [one for one in gap if one.isspace()]
    return next((one for one in blanks if one in NARROW), " ") if blanks else ""
