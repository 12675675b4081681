"""Two texts that are read together: in one unit as the tokenizer joins them, or each in a frame of its own."""

import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from nlp_transfer.models.anatomy import find_encoder
from nlp_transfer.models.encoding.batches import Encoded
from nlp_transfer.models.encoding.documents import count_unknown, find_special_ids, make_unit, tokenize

TYPES = "token_type_ids"
APART = "texts_apart"  # in what is saved of a tokenizer: its model reads each of two texts by itself


class Frame(NamedTuple):
    """The special tokens around two texts, and the types of all of them; no types where the model reads none.

    `types` are those of: what stands before, the first text, what stands between, the second text, what stands after.
    """

    before: list[int]
    between: list[int]
    after: list[int]
    types: tuple[list[int], int, list[int], int, list[int]] | None

    @property
    def size(self) -> int:
        """How many special tokens there are."""
        return len(self.before) + len(self.between) + len(self.after)


def encode_text_pairs(
    first: Sequence[str],
    second: Sequence[str],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_length: int,
    targets: Sequence[Any] | None = None,
    importance: np.ndarray | None = None,
) -> Encoded:
    """Tokenize pairs of texts, each pair into one unit.

    Where a pair is too long, the end of the longer text is cut off, then of both alike, as `longest_first` of
    tokenizers does.

    Args:
        first: texts, one per example.
        second: those that belong to them.
        tokenizer: joins two texts as it was made to, or as `settle_frame` told it to.
        max_length: tokens per unit, special ones included; fewer where the tokenizer says that the model reads fewer.
        targets: one per example.
        importance: (examples,) weight of each in the loss.
    """
    frame = find_frame(tokenizer)
    room = min(max_length, tokenizer.model_max_length) - frame.size
    unknown_id = tokenizer.unk_token_id  # not a plain attribute, and slow
    inputs: list[dict[str, Any]] = []
    truncated = unknown = total = 0
    sides = (tokenize(texts, tokenizer, room, "head", 1) for texts in (first, second))
    for (ids, grams, cut), (other_ids, other_grams, other_cut) in zip(*sides, strict=True):
        size, other_size = cut_longest_first(len(ids), len(other_ids), room)
        truncated += cut or other_cut or len(ids) + len(other_ids) > room
        unknown += count_unknown(ids, grams, unknown_id) + count_unknown(other_ids, other_grams, unknown_id)
        total += len(ids) + len(other_ids)
        inputs.append(
            _join(
                make_unit(ids, grams, range(size), frame.before, frame.between),
                make_unit(other_ids, other_grams, range(other_size), [], frame.after),
                [] if frame.types is None else _spell_types(frame.types, size, other_size),
            )
        )
    return Encoded(
        inputs=inputs,
        example=np.arange(len(inputs)),
        targets=targets,
        examples=len(inputs),
        truncated=truncated,
        unknown=unknown / max(1, total),
        importance=importance,
    )


def cut_longest_first(first: int, second: int, room: int) -> tuple[int, int]:
    """Say how many tokens of two texts fit: the longer one is cut first, then both alike."""
    shorter, longer = sorted((first, second))
    least = min(shorter, max(room - longer, room // 2))
    most = min(longer, room - least)
    return (least, most) if first <= second else (most, least)


def find_frame(tokenizer: PreTrainedTokenizerBase) -> Frame:
    """Find what stands around two texts: what the tokenizer puts there, or the frame of a single text around each."""
    if tokenizer.init_kwargs.get(APART):
        return _make_frame_apart(tokenizer)
    whole = tokenizer("a", "b", return_token_type_ids=True)
    ids, first, second = whole["input_ids"], *(tokenizer(text, add_special_tokens=False)["input_ids"] for text in "ab")
    start = _find_part(first, ids, 0)
    end = None if start is None else start + len(first)
    other = None if end is None else _find_part(second, ids, end)
    if start is None or end is None or other is None or other == end:  # no template of its own for two texts
        before, after = find_special_ids(tokenizer)
        mark = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
        return Frame(before, after or [mark] * (mark is not None), after, None)
    types, behind = whole.get(TYPES, [0] * len(ids)), other + len(second)
    known = (types[:start], types[start], types[end:other], types[other], types[behind:])
    told = TYPES in tokenizer.model_input_names and any(types)
    return Frame(ids[:start], ids[end:other], ids[behind:], known if told else None)


def settle_frame(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, *, apart: bool) -> None:
    """Tell a tokenizer how its model reads two texts; what is told is saved with it.

    It gives the types of tokens where the encoder reads them, and nowhere else. Checkpoints are not always right about
    that: a tokenizer of a general class gives none to a BERT.

    Args:
        tokenizer: of the model.
        model: any.
        apart: whether each text is read by itself; types then tell the two apart.
    """
    encoder = find_encoder(model).module
    there = TYPES in inspect.signature(encoder.forward).parameters and getattr(encoder.config, "type_vocab_size", 2) > 1
    names = [name for name in tokenizer.model_input_names if name != TYPES] + [TYPES] * there
    tokenizer.model_input_names = names
    tokenizer.init_kwargs |= {"model_input_names": names, APART: apart}  # what is saved


def _make_frame_apart(tokenizer: PreTrainedTokenizerBase) -> Frame:
    """Give each text the frame of a single one, and the types 0 and 1."""
    before, after = find_special_ids(tokenizer)
    ends = [0] * len(after) + [1] * len(before)
    return Frame(before, [*after, *before], after, ([0] * len(before), 0, ends, 1, [1] * len(after)))


def _find_part(part: Sequence[int], ids: Sequence[int], start: int) -> int | None:
    """Find where a text stands in a pair from `start` on; None if the tokenizer spells it otherwise there."""
    return next((at for at in range(start, len(ids) + 1) if list(ids[at : at + len(part)]) == list(part)), None)


def _spell_types(types: tuple[list[int], int, list[int], int, list[int]], size: int, other_size: int) -> list[int]:
    before, first, between, second, after = types
    return [*before, *[first] * size, *between, *[second] * other_size, *after]


def _join(first: dict[str, Any], second: dict[str, Any], types: list[int]) -> dict[str, Any]:
    """One unit out of two; n-grams are as many a token as the longer row of both has."""
    unit: dict[str, Any] = {"input_ids": first["input_ids"] + second["input_ids"]}
    width = max(len(rows[0]) for rows in (first.get("ngram_ids", [[]]), second.get("ngram_ids", [[]])))
    if width:
        rows = [row for half in (first, second) for row in half.get("ngram_ids", [[]] * len(half["input_ids"]))]
        unit["ngram_ids"] = [[*row, *[-1] * (width - len(row))] for row in rows]
    return unit | ({TYPES: types} if types else {})
