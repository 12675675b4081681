"""Running text to sentences by the marks that end them, in scripts with and without spaces between words."""

from collections.abc import Iterator, Sequence
from itertools import chain, islice

import regex

from nlp_transfer.data.text.languages import Rules, Verdicts, find_rules

# A run of marks is looked at once, from its start, so time grows with the length of the text.
MARK = regex.compile(
    r"""
    (?<![.!?…])(?!(?<=\p{Armenian})\.(?!\.))  # a single dot is no full stop in Armenian
    (?<doubtful>(?:[.!?…]|(?<=\p{Greek})[;\u037e]|(?<=\p{Armenian}):)++)
    (?<closed>[^\S\n]?[»›](?=\s|\Z)|["'\p{Pe}\p{Pf}\p{Quotation_Mark}]*+)(?=\s|\Z)
    |
    (?:[\p{Sentence_Terminal}--[.!?．․﹒၊]]|፡፡)++  # not dots, nor the Burmese comma: these do nothing else
    (?<closed>["'\p{Pe}\p{Pf}]*+)
    """,
    regex.VERBOSE | regex.VERSION1,
)
PARAGRAPHS = regex.compile(r"\n\s*\n")
# A dot behind these ends no sentence. "etc." is not among them: it often stands last.
ABBREVIATION = regex.compile(
    r"\b(?:al|approx|bzw|ca|cf|dept|dr|eds?|eqs?|figs?|gen|gov|inc|jr|ltd|mr|mrs|ms|mt|op|pp|prof|refs?|rep|resp|rev|"
    r"sec|sen|sr|st|tab|vgl|viz|vol|vs)\.$",
    regex.IGNORECASE,
)
INITIAL = regex.compile(r"(?:^|[\s(\[.-])\p{L}\p{M}*\.$")  # "J." or the last part of "U.S."
BEFORE_NUMBER = regex.compile(  # "no." is a word, and "Oct." may stand last, unless a digit follows
    r"\b(?:nos?|nr|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\.$", regex.IGNORECASE
)
NEXT = regex.compile(r"\s*(?<dash>[—–-]?)\s?[\"'“‘«(\[]*(?<word>\w)")
PARTICLE = regex.compile(r"\p{Hiragana}")
HAN_OR_KANA = regex.compile("[\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef]")  # and their marks
TAIL = 20  # characters before a mark that are looked at
LONG = 400  # characters of a sentence: where so many are wanted, ends are looked for in no more than they take


def split_sentences(text: str, *, language: str | None = None, most: int | None = None) -> list[str]:
    """Cut a text at empty lines and behind `.`, `!`, `?`, `…` and whatever else Unicode calls Sentence_Terminal.

    A dot ends no sentence inside a number or a name, nor behind an initial or a common abbreviation; a dot or closing
    quote ends none before a word in lower case, unless the whole text is. In a language with rules of its own these
    must agree: they know its abbreviations, ordinals and dates. A text without any mark is one sentence.

    Args:
        text: whose line breaks count as spaces.
        language: BCP 47 tag, such as `de` or `pt-BR`; None, or one without rules: what holds in all languages.
        most: only so many sentences are looked for; what is left of a text without ends stays in one piece.
    """
    rules = find_rules(language) if language else None
    cased = text != text.lower()
    end = len(text) if most is None else LONG * most
    cut = (_cut(paragraph, rules, end, cased=cased) for paragraph in PARAGRAPHS.split(text))
    return list(islice(chain.from_iterable(cut), most)) or [""]


def join_sentences(sentences: Sequence[str]) -> str:
    """Join sentences by a space unless both sides are Chinese or Japanese; empty ones are left out."""
    text = ""
    for sentence in filter(None, sentences):
        beside = HAN_OR_KANA.search(text[-2:]) and HAN_OR_KANA.search(sentence[:2])  # two: one may be a quotation mark
        text += ("" if beside or not text else " ") + sentence
    return text


def _cut(text: str, rules: Rules | None, end: int, *, cased: bool) -> Iterator[str]:
    """Yield the sentences of a paragraph that end before a place, and the rest; blanks inside them are single."""
    verdicts = Verdicts(text, rules, cased=cased) if rules else None
    start = 0
    for mark in MARK.finditer(text, endpos=end):
        # Behind a quotation, and of a mark that does nothing else, all languages tell an end in the same way.
        agreed = verdicts is None or mark["closed"] or not mark["doubtful"] or verdicts.ends(mark, start)
        if agreed and _ends(mark, start, cased=cased):
            yield " ".join(text[start : mark.end()].split())
            start = mark.end()
    if rest := " ".join(text[start:].split()):
        yield rest


def _ends(mark: regex.Match[str], start: int, *, cased: bool) -> bool:
    """Tell whether a mark ends the sentence that begins at `start`, as far as that is the same in all languages."""
    text, end = mark.string, mark.end()
    following = NEXT.match(text, end)
    word = following["word"] if following else ""
    dots = (mark["doubtful"] or "").endswith((".", "…"))
    soft = dots or mark["closed"] or (following and following["dash"])
    if cased and soft and word.islower():
        return False
    if mark["closed"] and PARTICLE.match(text, end):  # a Japanese quotation, and what is said of it
        return False
    before = text[max(start, end - TAIL) : end]
    if BEFORE_NUMBER.search(before) and word.isdigit():
        return False
    return not (ABBREVIATION.search(before) or INITIAL.search(before))
