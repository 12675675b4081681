"""How words are spelt that a vocabulary has without accents and capitals, learnt from texts: `ete` is `été`."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from nlp_transfer.models.encoding.word_pieces import Reading, Rule, Word

WORDS = 2000  # the most frequent ones have rules; decoding takes half a millisecond for a thousand
IN_WORD = r"[\p{L}\p{M}\p{N}]"
ENDS = (".", "!", "?")
START, BEHIND_END = r"\A", r"(?<=[.!?] )"  # places where sentences begin

Said = tuple[Word, str, str | None]  # a word, how it is written, and the place if a sentence begins there


def spelling_rules(read: Iterable[Reading]) -> Iterator[Rule]:
    """Rules that write each word as it mostly is, and sentences with a capital where they mostly have one."""
    words = [said for one in read for said in _words(one)]
    yield from _whole_words(words)
    for place in (START, BEHIND_END):
        yield from _capitals(place, [(word, written) for word, written, where in words if where == place])


def _words(reading: Reading) -> Iterator[Said]:
    place: str | None = START
    for word in reading.words:
        written = reading.text[word.start : word.end]
        if word.said and word.said[0].isalnum() and written:
            yield word, written, place
        place = BEHIND_END if word.said in ENDS else None


def _whole_words(words: Sequence[Said]) -> Iterator[Rule]:
    """Spell words as within sentences, if they stand there: at their beginnings every word may have a capital."""
    within: defaultdict[str, Counter[str]] = defaultdict(Counter)
    first: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for word, written, place in words:
        if place is None:
            within[word.said][written] += 1
        else:
            lost = word.said[0] != written[0] and written[1:] == written[1:].lower()
            first[word.said][written.lower() if lost else written] += 1
    times = Counter(word.said for word, _, _ in words)
    usual = {said: (within.get(said) or first[said]).most_common(1)[0][0] for said, _ in times.most_common()}
    changed = [(said, written) for said, written in usual.items() if written != said]
    for said, written in changed[:WORDS]:
        yield f"(?<!{IN_WORD}){re.escape(said)}(?!{IN_WORD})", written


def _capitals(place: str, words: Sequence[tuple[Word, str]]) -> Iterator[Rule]:
    large = sum(written[0].isupper() for _, written in words)
    small = sum(written[0].islower() for _, written in words)
    lost = {word.said[0] for word, written in words if written[0].isupper() and word.said[0] != written[0]}
    if large > small:
        letters = lost | {written[0].lower() for word, written in words if word.said[0] in lost}
        yield from ((place + letter, letter.upper()) for letter in sorted(letters) if len(letter.upper()) == 1)
