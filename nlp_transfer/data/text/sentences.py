"""Split running text into sentences by the marks that end them, in scripts with and without spaces."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice

import regex

from .languages import Rules, SentenceEnds, find_rules

# The pattern takes a run of marks once and from its start, so the time grows linearly with the text.
MARK = regex.compile(
    r"""
    (?<![.!?…])(?!(?<=\p{Armenian})\.(?!\.))  # a single dot is no full stop in Armenian
    (?<doubtful>(?:[.!?…]|(?<=\p{Greek})[;\u037e]|(?<=\p{Armenian}):)++)
    (?<closed>[^\S\n]?[»›](?=\s|\Z)|["'\p{Pe}\p{Pf}\p{Quotation_Mark}]*+)(?=\s|\Z)
    |
    (?:[\p{Sentence_Terminal}--[.!?．․﹒၊]]|፡፡)++  # marks that only end sentences; neither dots nor the Burmese comma
    (?<closed>["'\p{Pe}\p{Pf}]*+)
    """,
    regex.VERBOSE | regex.VERSION1,
)
PARAGRAPHS = regex.compile(r"\n\s*\n")
# A dot behind one of these ends no sentence. "etc." is left out, because it often ends one.
ABBREVIATION = regex.compile(
    r"\b(?:al|approx|bzw|ca|cf|dept|dr|eds?|eqs?|figs?|gen|gov|inc|jr|ltd|mr|mrs|ms|mt|op|pp|prof|refs?|rep|resp|rev|"
    r"sec|sen|sr|st|tab|vgl|viz|vol|vs)\.$",
    regex.IGNORECASE,
)
INITIAL = regex.compile(r"(?:^|[\s(\[.-])\p{L}\p{M}*\.$")  # "J." or the last part of "U.S."
BEFORE_NUMBER = regex.compile(  # before a digit only: otherwise "no." is a word, and "Oct." may end a sentence
    r"\b(?:nos?|nr|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\.$", regex.IGNORECASE
)
NEXT = regex.compile(r"\s*(?<dash>[—–-]?)\s?[\"'“‘«(\[]*(?<word>\w)")
PARTICLE = regex.compile(r"\p{Hiragana}")
HAN_OR_KANA = regex.compile("[\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef]")  # with their marks
TAIL = 20  # characters to look at before a mark
LONG = 400  # characters allowed for a sentence, if only a given number of them is wanted


def split_sentences(text: str, *, language: str | None = None, most: int | None = None) -> list[str]:
    """Split a text at empty lines, and behind `.`, `!`, `?`, `…` and all else that Unicode calls Sentence_Terminal.

    A dot ends no sentence inside a number or a name, or behind an initial or an abbreviation. A dot or a closing quote
    ends none before a word in lower case, unless the whole text is in lower case. If the language has rules of its own,
    they must agree: they know its abbreviations, ordinals and dates. A text without a mark is one sentence.

    Args:
        text: running text; its single line breaks count as spaces.
        language: a BCP 47 tag, such as `de` or `pt-BR`; without one, or without rules for it, the common rules decide.
        most: the number of sentences to look for, in 400 characters for each; the rest of the text stays in one piece.
    """
    rules = find_rules(language) if language else None
    cased = text != text.lower()
    end = len(text) if most is None else LONG * most
    cut = (_cut(paragraph, rules, end, cased=cased) for paragraph in PARAGRAPHS.split(text))
    return list(islice(chain.from_iterable(cut), most)) or [""]


def join_sentences(sentences: Sequence[str]) -> str:
    """Join sentences by spaces, but not between two in Chinese or Japanese; empty sentences are left out."""
    text = ""
    for sentence in filter(None, sentences):
        # Two characters, because one of them may be a quotation mark.
        beside = HAN_OR_KANA.search(text[-2:]) and HAN_OR_KANA.search(sentence[:2])
        text += ("" if beside or not text else " ") + sentence
    return text


def _cut(text: str, rules: Rules | None, end: int, *, cased: bool) -> Iterator[str]:
    """Yield the sentences of a paragraph that end before `end`, then the rest; white space becomes one space."""
    rule_ends = SentenceEnds(text, rules, cased=cased) if rules else None
    start = 0
    for mark in MARK.finditer(text, endpos=end):
        # Where a quotation ends, or a mark that only ends sentences (as in Chinese), the language makes no difference.
        agreed = rule_ends is None or mark["closed"] or not mark["doubtful"] or rule_ends.is_end(mark, start)
        if agreed and _ends(mark, start, cased=cased):
            yield " ".join(text[start : mark.end()].split())
            start = mark.end()
    if rest := " ".join(text[start:].split()):
        yield rest


def _ends(mark: regex.Match[str], start: int, *, cased: bool) -> bool:
    """Tell whether a mark ends the sentence that begins at `start`, by the rules common to all languages."""
    text, end = mark.string, mark.end()
    following = NEXT.match(text, end)
    word = following["word"] if following else ""
    dots = (mark["doubtful"] or "").endswith((".", "…"))
    soft = dots or mark["closed"] or (following and following["dash"])

    if cased and soft and word.islower():
        return False
    if mark["closed"] and PARTICLE.match(text, end):  # a quotation in Japanese goes on, as with a particle for "said"
        return False

    before = text[max(start, end - TAIL) : end]
    if BEFORE_NUMBER.search(before) and word.isdigit():
        return False
    return not (ABBREVIATION.search(before) or INITIAL.search(before))
