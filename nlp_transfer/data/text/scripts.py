"""Split text of any script into words, in lower case; a script without spaces gives single characters instead.

Unicode's properties tell which scripts those are. The package `regex` knows these properties, Python's `re` does not.
"""

import unicodedata

import regex

# In Unicode's line breaking (UAX 14) some scripts need a dictionary of words (SA: Thai, Lao, Khmer, Burmese, Tai), some
# break between syllables (AK to VI: Javanese, Balinese, Batak) and some anywhere (ID, CJ: Han, kana, Yi). ID includes
# emoji too, and some Hangul, which has spaces. Tibetan marks its syllables but not its words.
UNSPACED = (
    r"[[[\p{L}\p{M}]&&[\p{LB=SA}\p{LB=AK}\p{LB=AP}\p{LB=AS}\p{LB=VF}\p{LB=VI}\p{LB=ID}\p{LB=CJ}"
    r"\p{Hiragana}\p{Katakana}\p{Tibetan}]]\p{Ideographic}--\p{Hangul}]"
)
RUN = r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*"
RUNS, TOKENS = regex.compile(RUN), regex.compile(rf"{RUN}|[^\s\p{{L}}\p{{N}}]")
PIECES = regex.compile(rf"{UNSPACED}[\p{{M}}--{UNSPACED}]*|[^{UNSPACED}]+", regex.V1)
ALONE = regex.compile(UNSPACED, regex.V1)
PHRASE = 3  # words of a phrase
LETTERS = 3  # characters of a word in scripts without spaces, on average: two in Chinese, four in Thai


def compose(text: str) -> str:
    """Write each letter with its accents as one character (Unicode's NFC), as nearly all texts and vocabularies do."""
    return unicodedata.normalize("NFC", text)


def split_words(text: str) -> list[str]:
    """Split a text into words and drop the marks; in scripts without spaces each character stands alone."""
    return _split_pieces(RUNS.findall(compose(text).lower()))


def split_tokens(text: str) -> list[str]:
    """Split a text into words and marks, each by itself."""
    return _split_pieces(split_runs(text))


def split_runs(text: str) -> list[str]:
    """Split a text at spaces and around each mark; without spaces a whole sentence may stay in one piece."""
    return TOKENS.findall(compose(text).lower())


def list_phrases(text: str) -> set[tuple[str, ...]]:
    """List every three words in a row; in scripts without spaces, as many characters as three words have."""
    words = split_words(text)
    alone = sum(ALONE.match(word) is not None for word in words)
    size = PHRASE * LETTERS if 2 * alone > len(words) else PHRASE
    return set(zip(*(words[start:] for start in range(size)), strict=False))


def _split_pieces(runs: list[str]) -> list[str]:
    return [piece for run in runs for piece in ([run] if run.isascii() else PIECES.findall(run))]
