"""Find out what a vocabulary does not know of texts: which share of their tokens, and of which texts no word at all."""

import unicodedata
from collections.abc import Sequence

import numpy as np
from transformers import PreTrainedTokenizerBase

BEGINNING = "\u2581"  # how SentencePiece marks the beginning of a word; by itself a symbol


class UnknownWords:
    """Count the tokens that neither a vocabulary nor its n-grams know, over several texts."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Begin without texts."""
        self._tokenizer = tokenizer
        self._unknown = tokenizer.unk_token_id  # read once, because this attribute is slow
        self._lost = self._total = 0

    @property
    def share(self) -> float:
        """The share of the tokens so far that are unknown."""
        return self._lost / max(1, self._total)

    def add(self, ids: np.ndarray, grams: Sequence[list[int]] | None, *, prompt: int = 0) -> bool:
        """Count the tokens of a text, and tell whether no word of it is known.

        Marks, such as a full stop, are no words of a text, nor is the prompt that stands before it. A text that
        has only marks, all of them known, does not count.

        Args:
            ids: (T,) of all tokens.
            grams: the n-grams of each token, of which the first is negative if there is none; None without any.
            prompt: the number of tokens of the prompt, the first of `ids`.
        """
        lost = np.flatnonzero(ids == self._unknown)
        if grams is not None:
            lost = np.array([at for at in lost.tolist() if grams[at][0] < 0], dtype=np.int64)
        self._lost += len(lost)
        self._total += len(ids)
        if not len(lost):
            return False

        known = np.ones(len(ids), dtype=bool)
        known[lost] = known[:prompt] = False
        return not any(map(self._is_word, ids[known].tolist()))

    def _is_word(self, token: int) -> bool:
        """Tell whether a token holds a letter, a digit or a picture."""
        text = str(self._tokenizer.convert_ids_to_tokens(token)).lstrip(BEGINNING)
        return any(kind[0] in "LN" or kind == "So" for kind in map(unicodedata.category, text))
