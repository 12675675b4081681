"""Running text to sentences by the marks that end them, in scripts with and without spaces between words."""

import re

# Words whose dot ends no sentence; single letters, as in initials and "e.g.", are told by their form.
ABBREVIATIONS = re.compile(
    "al|approx|bzw|ca|cf|dept|dr|eds?|eqs?|etc|figs?|gen|gov|inc|jr|ltd|mr|mrs|ms|mt|nos?|nr|op|pp|prof|refs?|rep|resp|"
    "rev|sec|sen|sr|st|tab|vgl|viz|vol|vs"
)
CLOSING = "\"'”’»)\\]）」』】"
END = re.compile(rf"[.!?…]+[{CLOSING}]*(?=\s)|[。！？｡]+[{CLOSING}]*|\n\s*\n")
LAST_WORD = re.compile(r"([^\W\d_]+)\.$")
DOTTED = re.compile(r"(?:^|[\s(\[.-])[^\W\d_]\.$")  # "J." or the last part of "U.S."
NEXT = re.compile(r"\s*[\"'“‘«(\[]*(?:[^\W\d_]|\d)")  # what the next sentence begins with


def split_sentences(text: str) -> list[str]:
    """Cut a text behind `.`, `!`, `?`, `…`, their full-width forms and empty lines.

    A dot ends no sentence inside a number or a name, behind an initial or a common abbreviation, nor before a word in
    lower case. A text without any mark is one sentence.
    """
    found = []
    start = 0
    for match in END.finditer(text):
        if not _ends(text[start : match.end()], text[match.end() :]):
            continue
        found.append(text[start : match.end()])
        start = match.end()
    kept = [" ".join(sentence.split()) for sentence in [*found, text[start:]]]
    return [sentence for sentence in kept if sentence] or [text.strip()]


def _ends(before: str, after: str) -> bool:
    if not before.endswith("."):
        return True
    first = NEXT.match(after)
    if first and first.group()[-1].islower():
        return False
    word = LAST_WORD.search(before)
    return not (DOTTED.search(before) or (word and ABBREVIATIONS.fullmatch(word[1].lower())))
