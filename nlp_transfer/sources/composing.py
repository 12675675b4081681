"""Make tokenizers read a letter with an accent alike, whether it is one character or several."""

from collections.abc import Iterable
from typing import Any, Literal
from unicodedata import is_normalized, normalize

from tokenizers import normalizers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from nlp_transfer.models.portable.static import StaticTokenizer

Form = Literal["NFC", "NFD"]
FORMS: tuple[Form, ...] = ("NFC", "NFD")  # composed and decomposed (Unicode annex 15)
TRIED = 2000  # words of a vocabulary to try
KEPT = ("model_max_length", "padding_side", "truncation_side", "model_input_names", "clean_up_tokenization_spaces")


def find_form(words: Iterable[str]) -> Form:
    """Find the form that most of the words are in."""
    foreign = [word for word in words if not word.isascii()]
    return max(FORMS, key=lambda form: sum(is_normalized(form, word) for word in foreign))


def unify_forms(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """Let a tokenizer bring texts into the form of its vocabulary, if it does not do so itself.

    Words of the vocabulary that have two forms are tried in both. If they give the same tokens, nothing changes: BERT
    removes accents, and SentencePiece has rules of its own. A tokenizer written in Python stays as it is, because it
    cannot save such a rule. So does one that knows language codes.
    """
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None or isinstance(tokenizer, StaticTokenizer) or hasattr(tokenizer, "src_lang"):
        return tokenizer

    vocabulary = tokenizer.get_vocab()
    words = sorted((word for word in vocabulary if _has_two_forms(word)), key=vocabulary.__getitem__)[:TRIED]
    composed, decomposed = (_encode([normalize(form, word) for word in words], tokenizer) for form in FORMS)
    if composed == decomposed:
        return tokenizer

    rule = {"NFC": normalizers.NFC, "NFD": normalizers.NFD}[find_form(words)]()
    backend.normalizer = normalizers.Sequence([rule, *([backend.normalizer] if backend.normalizer else [])])

    # Many classes of transformers build their rules anew when loaded; this class reads them from its file.
    settings = {name: getattr(tokenizer, name) for name in KEPT}
    return PreTrainedTokenizerFast(tokenizer_object=backend, **tokenizer.special_tokens_map, **settings)


def _has_two_forms(word: str) -> bool:
    return not word.isascii() and normalize("NFC", word) != normalize("NFD", word)


def _encode(words: list[str], tokenizer: PreTrainedTokenizerBase) -> Any:
    return tokenizer(words, add_special_tokens=False, verbose=False)["input_ids"] if words else []
