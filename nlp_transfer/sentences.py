"""Running text to sentences by the marks that end them, in scripts with and without spaces between words."""

import re
from collections.abc import Sequence

CLOSING = "\"'”’»)\\]）」』】"
ANYWHERE = "。！？｡।॥؟۔።။។"  # end a sentence without a space: Chinese, Hindi, Arabic, Amharic, Burmese, Khmer
END = re.compile(  # a run of marks is looked at once, from its start: time grows with the length of the text
    rf"(?<![.!?…])[.!?…]++[{CLOSING}]*+(?=\s)|[{ANYWHERE}]+[{CLOSING}]*|\n\s*\n"
)
# A dot behind these ends no sentence. "etc." is not among them: it often stands last.
ABBREVIATION = re.compile(
    r"\b(?:al|approx|bzw|ca|cf|dept|dr|eds?|eqs?|figs?|gen|gov|inc|jr|ltd|mr|mrs|ms|mt|op|pp|prof|refs?|rep|resp|rev|"
    r"sec|sen|sr|st|tab|vgl|viz|vol|vs)\.$",
    re.IGNORECASE,
)
INITIAL = re.compile(r"(?:^|[\s(\[.-])[^\W\d_]\.$")  # "J." or the last part of "U.S."
NUMBER = re.compile(r"\b(?:nos?|nr)\.$", re.IGNORECASE)  # "no." is a word, unless a digit follows
NEXT = re.compile(r"\s*[\"'“‘«(\[]*(\w)")
UNSPACED = re.compile("[\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef]")  # Chinese, Japanese
TAIL = 20  # characters before a mark that are looked at


def split_sentences(text: str, *, most: int | None = None) -> list[str]:
    """Cut a text behind `.`, `!`, `?`, `…`, the marks of other scripts and empty lines.

    A dot ends no sentence inside a number or a name, nor behind an initial or a common abbreviation; a dot or closing
    quote ends none before a word in lower case, unless the whole text is. A text without any mark is one sentence.
    Only the first `most` are looked for.
    """
    cased = text != text.lower()
    found: list[str] = []
    start = 0
    for match in END.finditer(text):
        following = NEXT.match(text, match.end())
        if _ends(text[max(start, match.end() - TAIL) : match.end()], following[1] if following else "", cased=cased):
            found += filter(None, [" ".join(text[start : match.end()].split())])  # between empty lines may be nothing
            start = match.end()
            if len(found) == most:
                return found
    return [*found, *filter(None, [" ".join(text[start:].split())])] or [""]


def join_sentences(sentences: Sequence[str]) -> str:
    """Join sentences by a space unless both sides are Chinese or Japanese; empty ones are left out."""
    text = ""
    for sentence in filter(None, sentences):
        beside = UNSPACED.search(text[-2:]) and UNSPACED.search(sentence[:2])  # two: one may be a quotation mark
        text += ("" if beside or not text else " ") + sentence
    return text


def _ends(before: str, following: str, *, cased: bool) -> bool:
    """Whether a sentence ends between what stands before, the mark included, and the next letter or digit."""
    if before[-1] not in f"!?{ANYWHERE}\n" and cased and following.islower():
        return False
    if NUMBER.search(before) and following.isdigit():
        return False
    return not (ABBREVIATION.search(before) or INITIAL.search(before))
