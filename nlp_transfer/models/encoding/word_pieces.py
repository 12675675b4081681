"""Read what the pieces of a WordPiece vocabulary say beside what the text says; `detokenizing.py` learns from that."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tokenizers import Encoding
from transformers import PreTrainedTokenizerBase

from nlp_transfer.data.text.scripts import compose

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
# Kinds of characters as patterns of a decoder's regular expressions (Oniguruma). Each mark is a kind of its own.
IDEOGRAPH, LETTER, DIGIT = f"[{HAN}]", rf"[\p{{L}}\p{{M}}&&[^{HAN}]]", r"\p{N}"
WIDE = (IDEOGRAPH, LETTER, DIGIT)

Rule = tuple[str, str]  # a pattern in decoded text, and its replacement


class Word(NamedTuple):
    """Hold a word or mark as its pieces say it (empty if it is unknown), and its place in the text."""

    said: str
    start: int
    end: int


class Reading(NamedTuple):
    """Hold a text and its words."""

    text: str
    words: Sequence[Word]


def read_words(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[Reading]:
    """Split composed texts into words, each as a WordPiece tokenizer would give it back."""
    texts = list(map(compose, texts))
    model: Any = tokenizer.backend_tokenizer.model
    prefix, unknown = model.continuing_subword_prefix, model.unk_token
    encodings = tokenizer(texts, add_special_tokens=False, verbose=False).encodings
    return [
        Reading(text, list(_join_pieces(one, prefix, unknown)))
        for text, one in zip(texts, encodings or (), strict=True)
    ]


def _join_pieces(encoding: Encoding, prefix: str, unknown: str) -> Iterator[Word]:
    word: Word | None = None
    for token, (start, end) in zip(encoding.tokens, encoding.offsets, strict=True):
        if word is not None and token.startswith(prefix):
            word = Word(word.said + token.removeprefix(prefix), word.start, end)
            continue
        if word is not None:
            yield word
        word = Word("" if token == unknown else token, start, end)
    if word is not None:
        yield word


def classify(character: str) -> str:
    """Classify a character: return the pattern that matches its kind."""
    if re.fullmatch(IDEOGRAPH, character):
        return IDEOGRAPH
    match unicodedata.category(character)[0]:
        case "L" | "M":
            return LETTER
        case "N":
            return DIGIT
        case _:
            return re.escape(character)
