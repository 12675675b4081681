"""Cut texts into units of at most `max_length` tokens: the head, head and tail, or overlapping windows."""

from array import array
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from transformers import PreTrainedTokenizerBase

from nlp_transfer.models.encoding.batches import Encoded
from nlp_transfer.models.encoding.distinct import DistinctWords, reads_words_alone
from nlp_transfer.models.encoding.flat import UnitWriter
from nlp_transfer.models.encoding.prompts import put_prompt, read_prompt, tokenize_prompt
from nlp_transfer.models.encoding.unknown_words import UnknownWords

LongPolicy = Literal["head", "head_tail", "window"]
CHARACTERS = 16  # for each token; texts are cut to this length first, because a tokenizer reads megabytes slowly
HEAD_SHARE = 0.25  # Sun et al. 2019, section 5.3.1: of 510 tokens 128 come from the head
TOKENIZED = 1000  # texts to tokenize at once


def encode_documents(
    texts: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_length: int,
    policy: LongPolicy = "head",
    max_windows: int = 8,
    targets: Sequence[Any] | None = None,
    importance: np.ndarray | None = None,
    prefix: str = "",
) -> Encoded:
    """Tokenize texts into units.

    Args:
        texts: one for each example.
        tokenizer: its special tokens are put around every unit.
        max_length: tokens in a unit, with special ones; fewer if the tokenizer says that the model reads fewer.
        policy: keep the `head` of a long text, or a quarter from its head and the rest from its tail (`head_tail`), or
            cut it into `window`s that overlap by half.
        max_windows: the most windows of a text.
        targets: one for each example, repeated for each of its units.
        importance: (examples,) the weight of each in the loss.
        prefix: already stands before every text, and is put before each later window, as the tokenizer's prompt is.
    """
    before, after = find_special_ids(tokenizer)
    room = min(max_length, tokenizer.model_max_length) - len(before) - len(after)
    prompt, texts = tokenize_prompt(tokenizer, read_prompt(tokenizer) + prefix), put_prompt(texts, tokenizer)
    lead = prompt[: room // 2] if policy == "window" else []  # leave room for the text
    whole, room = room, room - len(lead)

    inputs = UnitWriter()
    example = array("i")
    unknown, unknown_examples = UnknownWords(tokenizer), []
    truncated = 0

    for index, (ids, ngrams, cut) in enumerate(tokenize(texts, tokenizer, room, policy, max_windows)):
        pieces, lost = _place_pieces(len(ids), whole if len(ids) <= whole else room, policy, max_windows)
        truncated += cut or lost
        if unknown.add(ids, ngrams, prompt=len(prompt)):
            unknown_examples.append(index)
        for number, positions in enumerate(pieces):
            inputs.add(make_unit(ids, ngrams, positions, [*before, *lead] if number else before, after))
            example.append(index)

    return Encoded(
        inputs=inputs.collect(),
        example=np.asarray(example),
        targets=None if targets is None else repeat_targets(targets, np.asarray(example)),
        examples=len(texts),
        truncated=truncated,
        unknown=unknown.share,
        unknown_examples=unknown_examples,
        importance=importance,
    )


def repeat_targets(targets: Sequence[Any] | np.ndarray, example: np.ndarray) -> Sequence[Any] | np.ndarray:
    """Give every unit the target of its example; numbers become an array, and class ids take 4 bytes each."""
    if all(np.ndim(target) == 0 for target in targets[:1]):
        numbers: np.ndarray = np.asarray(targets)[example]
        return numbers.astype(np.int32) if numbers.dtype.kind == "i" else numbers
    return [targets[index] for index in example.tolist()]


def find_special_ids(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Find the ids that the tokenizer puts before and behind a text."""
    whole = tokenizer("a")["input_ids"]
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    start = next(i for i in range(len(whole) + 1) if whole[i : i + len(bare)] == bare)
    return whole[:start], whole[start + len(bare) :]


def tokenize(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, room: int, policy: LongPolicy, max_windows: int
) -> Iterator[tuple[np.ndarray, list[list[int]] | None, bool]]:
    """Yield (token ids, n-gram ids or None, whether characters were cut) for each text, with one token at least."""
    most = room * CHARACTERS * (max_windows if policy == "window" else 1)
    words = DistinctWords(tokenizer) if reads_words_alone(tokenizer) else None
    for start in range(0, len(texts), TOKENIZED):
        chunk = [text if len(text) <= most else text.strip() for text in texts[start : start + TOKENIZED]]
        read = [_cut(text, most, policy) for text in chunk]
        found: Sequence[tuple[np.ndarray, list[list[int]] | None]]
        found = [(ids, None) for ids in words.read(read)] if words else _tokenize(read, tokenizer)

        for text, (ids, rows) in zip(chunk, found, strict=True):
            if len(ids):
                yield ids, rows, len(text) > most
            else:
                filler = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else tokenizer.pad_token_id
                yield np.array([filler], np.int32), None if rows is None else [[-1]], len(text) > most


def _tokenize(
    texts: list[str], tokenizer: PreTrainedTokenizerBase
) -> Sequence[tuple[np.ndarray, list[list[int]] | None]]:
    encoded = tokenizer(
        texts, add_special_tokens=False, return_attention_mask=False, return_token_type_ids=False, verbose=False
    )
    grams = encoded.get("ngram_ids") or [None] * len(texts)
    return [(np.asarray(ids, np.int32), rows) for ids, rows in zip(encoded["input_ids"], grams, strict=True)]


def _cut(text: str, most: int, policy: LongPolicy) -> str:
    if len(text) <= most:
        return text
    if policy == "head_tail":
        return f"{text[: most // 2]} {text[-(most // 2) :]}"
    return text[:most]


def _place_pieces(length: int, room: int, policy: LongPolicy, max_windows: int) -> tuple[list[np.ndarray], bool]:
    """Find the positions of the tokens in each unit, and whether some token is in none."""
    if length <= room:
        return [np.arange(length)], False
    if policy == "head":
        return [np.arange(room)], True
    if policy == "head_tail":
        head = int(room * HEAD_SHARE)
        return [np.r_[np.arange(head), np.arange(length - (room - head), length)]], True
    starts = list(range(0, max(1, length - room // 2), max(1, room // 2)))
    windows = [np.arange(start, min(start + room, length)) for start in starts[:max_windows]]
    return windows, len(starts) > max_windows


def make_unit(
    ids: np.ndarray,
    ngrams: list[list[int]] | None,
    positions: Sequence[int] | np.ndarray,
    before: list[int],
    after: list[int],
) -> dict[str, Any]:
    """Make the model inputs for the tokens at some positions, with special tokens around them."""
    parts = np.array(before, ids.dtype), ids[positions], np.array(after, ids.dtype)
    unit: dict[str, Any] = {"input_ids": np.concatenate(parts)}
    grams = [] if ngrams is None else [ngrams[position] for position in positions]
    known = (next((at for at, gram in enumerate(row) if gram < 0), len(row)) for row in grams)
    if width := max(known, default=0):  # of this unit, not of the texts that were tokenized with it
        none = [-1] * width
        unit["ngram_ids"] = [*[none] * len(before), *(row[:width] for row in grams), *[none] * len(after)]
    return unit
