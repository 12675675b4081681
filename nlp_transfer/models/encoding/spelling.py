"""Learn from texts how to spell the words of a vocabulary without accents and capitals: `ete` is `été`."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from nlp_transfer.models.encoding.word_pieces import Reading, Rule, Word

WORDS = 2000  # only the most frequent words have rules; decoding takes half a millisecond for a thousand rules
IN_WORD = r"[\p{L}\p{M}\p{N}]"
ENDS = (".", "!", "?")
START, BEHIND_END = r"\A", r"(?<=[.!?] )"  # patterns for the places where sentences begin

Said = tuple[Word, str, str | None]  # a word, how the text writes it, and the place if a sentence begins there


def learn_spelling(read: Iterable[Reading]) -> Iterator[Rule]:
    """Yield rules that spell each word as it mostly is, and begin sentences with a capital if they mostly do."""
    words = [said for one in read for said in _place_words(one)]
    yield from _spell_words(words)
    for place in (START, BEHIND_END):
        yield from _capitalise(place, [(word, written) for word, written, where in words if where == place])


def _place_words(reading: Reading) -> Iterator[Said]:
    place: str | None = START
    for word in reading.words:
        written = reading.text[word.start : word.end]
        if word.said and word.said[0].isalnum() and written:
            yield word, written, place
        place = BEHIND_END if word.said in ENDS else None


def _spell_words(words: Sequence[Said]) -> Iterator[Rule]:
    """Spell a word as it is inside sentences, if it occurs there, because any word may have a capital at the start."""
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


def _capitalise(place: str, words: Sequence[tuple[Word, str]]) -> Iterator[Rule]:
    large = sum(written[0].isupper() for _, written in words)
    small = sum(written[0].islower() for _, written in words)
    lost = {word.said[0] for word, written in words if written[0].isupper() and word.said[0] != written[0]}
    if large > small:
        letters = lost | {written[0].lower() for word, written in words if word.said[0] in lost}
        yield from ((place + letter, letter.upper()) for letter in sorted(letters) if len(letter.upper()) == 1)
