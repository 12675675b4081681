"""Words in any script, composed and in lower case; a script without blanks between words gives characters instead.

Which scripts those are is read off Unicode's properties. The `regex` package knows them, Python's `re` does not.
"""

import unicodedata

import regex

# Unicode's line breaking (UAX 14) looks words up in a dictionary (SA: Thai, Lao, Khmer, Burmese, Tai), cuts between
# syllables (AK to VI: Javanese, Balinese, Batak) or anywhere (ID, CJ: Han, kana, Yi). Emoji are ID too, and so is some
# Hangul, which has blanks. Tibetan marks its syllables, and not its words.
UNSPACED = (
    r"[[[\p{L}\p{M}]&&[\p{LB=SA}\p{LB=AK}\p{LB=AP}\p{LB=AS}\p{LB=VF}\p{LB=VI}\p{LB=ID}\p{LB=CJ}"
    r"\p{Hiragana}\p{Katakana}\p{Tibetan}]]\p{Ideographic}--\p{Hangul}]"
)
RUN = r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*"
RUNS, TOKENS = regex.compile(RUN), regex.compile(rf"{RUN}|[^\s\p{{L}}\p{{N}}]")
PIECES = regex.compile(rf"{UNSPACED}[\p{{M}}--{UNSPACED}]*|[^{UNSPACED}]+", regex.V1)
ALONE = regex.compile(UNSPACED, regex.V1)
PHRASE = 3  # words
LETTERS = 3  # of a word where they stand alone: two in Chinese, four in Thai


def compose(text: str) -> str:
    """Write letters with their accents as one character each (NFC), as nearly all texts and vocabularies do."""
    return unicodedata.normalize("NFC", text)


def split_words(text: str) -> list[str]:
    """Cut a text into words without the marks between them; each character alone in scripts without blanks."""
    return _pieces(RUNS.findall(compose(text).lower()))


def split_tokens(text: str) -> list[str]:
    """Cut a text into words, and each mark between them."""
    return _pieces(split_runs(text))


def split_runs(text: str) -> list[str]:
    """Cut a text at blanks and around each mark, whatever its script; a sentence without blanks may be one run."""
    return TOKENS.findall(compose(text).lower())


def phrases(text: str) -> set[tuple[str, ...]]:
    """List every three words that follow each other, or as many characters as three words have."""
    words = split_words(text)
    alone = sum(ALONE.match(word) is not None for word in words)
    size = PHRASE * LETTERS if 2 * alone > len(words) else PHRASE
    return set(zip(*(words[start:] for start in range(size)), strict=False))


def _pieces(runs: list[str]) -> list[str]:
    return [piece for run in runs for piece in ([run] if run.isascii() else PIECES.findall(run))]
