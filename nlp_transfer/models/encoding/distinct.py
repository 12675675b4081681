"""Read texts by tokenizing each distinct word once: a corpus repeats most of its words many times.

This holds for a tokenizer of static word vectors. It reads what stands between two spaces without a look beyond them.
"""

import re
from array import array
from collections.abc import Sequence

import numpy as np
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import PreTrainedTokenizerBase

from nlp_transfer.models.encoding.flat import Ragged
from nlp_transfer.models.portable.static import StaticTokenizer

MOST_HELD = 1 << 20  # words whose ids are held; beyond that they are forgotten, so that memory stays bounded
ASCII_WORDS = re.compile(r"[0-9A-Za-z]+|[!-/:-@\[-`{-~]")  # as BERT splits printable ASCII


def reads_words_alone(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Tell whether a tokenizer reads what stands between two spaces alone, and makes nothing but ids of it."""
    if not isinstance(tokenizer, StaticTokenizer):
        return False
    if tokenizer.ngram_buckets or tokenizer.init_kwargs.get("own_tokens"):
        return False
    backend = tokenizer.backend_tokenizer
    splits = isinstance(backend.pre_tokenizer, BertPreTokenizer) and isinstance(backend.normalizer, Lowercase | None)
    return splits and not any(
        " " in one.content or one.normalized for one in backend.get_added_tokens_decoder().values()
    )


class _Numbers(dict[str, int]):
    """Number words in the order in which they come."""

    def __missing__(self, word: str) -> int:
        self[word] = number = len(self)
        return number


class DistinctWords:
    """Read texts with a tokenizer for which `reads_words_alone` holds."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Start without words."""
        self.tokenizer = tokenizer
        self._lower = tokenizer.backend_tokenizer.normalizer is not None
        self._added = re.compile("|".join(re.escape(token) for token in tokenizer.get_added_vocab()) or "(?!)")
        self._forget()

    def _forget(self) -> None:
        self._numbers = _Numbers()
        self._ids = array("i")
        self._ends = array("q", [0])

    def read(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Read the ids of each text, (T,) int32, as the tokenizer does without special tokens."""
        if not texts:
            return []
        if len(self._numbers) > MOST_HELD:
            self._forget()

        words = " ".join(texts).split(" ")
        numbers = np.fromiter(map(self._numbers.__getitem__, words), np.int64, len(words))
        self._learn(list(self._numbers)[len(self._ends) - 1 :])

        held = Ragged(np.frombuffer(self._ids, np.int32), np.frombuffer(self._ends, np.int64))
        counts = np.array([text.count(" ") + 1 for text in texts])
        starts = np.cumsum(counts) - counts
        lengths = np.add.reduceat(held.lengths[numbers], starts)
        return np.split(held.take(numbers).values, np.cumsum(lengths)[:-1])

    def _learn(self, words: Sequence[str]) -> None:
        """Keep the ids of new words, in their order."""
        found = [self._look_up(word) for word in words]
        hard = [word for word, ids in zip(words, found, strict=True) if ids is None]
        read = iter(self._tokenize(hard))
        for ids in found:
            self._ids.extend(next(read) if ids is None else ids)
            self._ends.append(len(self._ids))

    def _look_up(self, word: str) -> list[int] | None:
        """Look up the parts of a word of printable ASCII; None if it is another, or if a part is not in the table."""
        if not (word.isascii() and word.isprintable()) or self._added.search(word):
            return None
        parts = ASCII_WORDS.findall(word.lower() if self._lower else word)
        ids = list(map(self.tokenizer.backend_tokenizer.token_to_id, parts))
        return None if None in ids else ids

    def _tokenize(self, words: Sequence[str]) -> list[list[int]]:
        """Read words with the tokenizer, which tries the other spellings of those that it does not know."""
        if not words:
            return []
        found: list[list[int]] = self.tokenizer(
            list(words),
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]
        return found
