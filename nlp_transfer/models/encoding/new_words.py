"""Put words of a domain into the vocabulary of a sub-word tokenizer, each as one token."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

from nlp_transfer.errors import SourceError
from nlp_transfer.models.encoding.masking import MARKS

ABOVE_PIECES = 0.1  # log-probability by which a new piece of a Unigram beats the pieces that it stands for


def find_split_words(
    tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], count: int
) -> dict[str, tuple[int, ...]]:
    """Find the most frequent words that take several tokens: what is written for one -> the ids of its pieces.

    A word is what the tokenizer splits off before it looks for pieces; one with characters that it does not know, or
    without a letter, does not count. Of equally frequent words the first by the alphabet count.
    """
    backend: Any = tokenizer.backend_tokenizer
    seen: Counter[str] = Counter()
    for text in texts:
        normal = backend.normalizer.normalize_str(text) if backend.normalizer else text
        words = backend.pre_tokenizer.pre_tokenize_str(normal) if backend.pre_tokenizer else []
        seen.update(word for word, _ in words)

    found: dict[str, tuple[int, ...]] = {}
    for word, _ in sorted(seen.items(), key=lambda one: (-one[1], one[0])):
        pieces = tuple(token.id for token in backend.model.tokenize(word))
        letters = any(map(str.isalpha, word.lstrip(MARKS)))
        if letters and len(pieces) > 1 and tokenizer.unk_token_id not in pieces:
            found[word] = pieces
        if len(found) == count:
            break
    return found


def extend_vocabulary(
    tokenizer: PreTrainedTokenizerBase, words: Mapping[str, Sequence[int]]
) -> dict[int, Sequence[int]]:
    """Add words to the vocabulary of a tokenizer in place: id of a new token -> the ids of its pieces before.

    In a vocabulary of BPE the beginnings of a word, by which it is merged step by step, become tokens too.

    Raises:
        SourceError: it does not look for sub-words.
    """
    backend: Any = tokenizer.backend_tokenizer
    values = json.loads(backend.to_str())
    model, first, added = values["model"], max(tokenizer.get_vocab().values()) + 1, dict(words)

    match model["type"]:
        case "WordPiece":
            pass
        case "BPE":
            added, merges = _merge_pieces(words, backend)
            model["merges"] += merges
        case "Unigram":
            _append_pieces(model["vocab"], tokenizer, words)
        case kind:
            raise SourceError(f"new_words: the tokenizer is a {kind}, which knows no sub-words; leave it out")

    rows = {token: first + number for number, token in enumerate(added)}
    if model["type"] != "Unigram":
        model["vocab"] |= rows
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(values))
    return {rows[token]: pieces for token, pieces in added.items()}


def _merge_pieces(
    words: Mapping[str, Sequence[int]], backend: Any
) -> tuple[dict[str, Sequence[int]], list[tuple[str, str]]]:
    """Make the merges that build each word of its pieces: the tokens that they make, with their pieces, and the merges.

    They come behind the merges there are, and each word behind those before it, whose merges it may meet.
    """
    made: dict[str, Sequence[int]] = {}
    ranks: dict[tuple[str, str], int] = {}
    for word, pieces in words.items():
        parts: list[tuple[str, tuple[int, ...]]] = [(backend.id_to_token(row), (row,)) for row in pieces]
        while len(parts) > 1:
            pairs = [(one, other) for (one, _), (other, _) in pairwise(parts)]
            at = min(range(len(pairs)), key=lambda place: ranks.get(pairs[place], len(ranks)))
            ranks.setdefault(pairs[at], len(ranks))
            token, under = "".join(pairs[at]), (*parts[at][1], *parts[at + 1][1])
            parts[at : at + 2] = [(token, under)]
            if backend.token_to_id(token) is None:
                made.setdefault(token, under)
        assert parts[0][0] == word  # noqa: S101 - pieces of BPE are the word when they are joined
    return made, list(ranks)


def _append_pieces(
    vocabulary: list[list[Any]], tokenizer: PreTrainedTokenizerBase, words: Mapping[str, Sequence[int]]
) -> None:
    """Append words to the pieces of a Unigram, whose ids are their places in the list.

    The ids behind it belong to special tokens, which are put into the list under their own names.
    """
    scores = [score for _, score in vocabulary]
    beside = {row: token for token, row in tokenizer.get_vocab().items() if row >= len(vocabulary)}
    end = max(beside, default=-1) + 1
    vocabulary += [[beside.get(row, f"<unused {row}>"), min(scores)] for row in range(len(vocabulary), end)]
    vocabulary += [[word, sum(scores[row] for row in pieces) + ABOVE_PIECES] for word, pieces in words.items()]
