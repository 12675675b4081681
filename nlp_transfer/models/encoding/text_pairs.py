"""Encode two texts that are read together, in one unit as the tokenizer joins them, or each by itself."""

import inspect
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from nlp_transfer.models.anatomy import find_encoder
from nlp_transfer.models.encoding.batches import Encoded
from nlp_transfer.models.encoding.documents import find_special_ids, make_unit, tokenize
from nlp_transfer.models.encoding.flat import UnitWriter
from nlp_transfer.models.encoding.prompts import put_prompt, tokenize_prompt
from nlp_transfer.models.encoding.unknown_words import UnknownWords

TYPES = "token_type_ids"
APART = "texts_apart"  # a key of a saved tokenizer: its model reads each of two texts by itself


class Frame(NamedTuple):
    """The special tokens around two texts, such as `[CLS] first [SEP] second [SEP]`, and the types of all tokens.

    Attributes:
        before: ids of the tokens before the first text.
        between: ids of the tokens between the texts.
        after: ids of the tokens after the second text.
        types: for the tokens before, the first text, the tokens between, the second text and the tokens after, their
            types; None if the model reads no types.
    """

    before: list[int]
    between: list[int]
    after: list[int]
    types: tuple[list[int], int, list[int], int, list[int]] | None

    @property
    def size(self) -> int:
        """The number of special tokens."""
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

    If a pair is too long, the end of the longer text is cut off until both have the same length, then the ends of both,
    like `longest_first` in transformers.

    Args:
        first: the first text of each example.
        second: the second text of each example.
        tokenizer: joins two texts in its own way, or as `settle_frame` has told it.
        max_length: the most tokens of a unit, with special ones; fewer if the tokenizer says so of the model.
        targets: one for each example.
        importance: (examples,) the weight of each example in the loss.
    """
    frame = find_frame(tokenizer)
    room = min(max_length, tokenizer.model_max_length) - frame.size
    prompt = len(tokenize_prompt(tokenizer))

    inputs = UnitWriter()
    unknown, unknown_examples = UnknownWords(tokenizer), []
    truncated = 0
    first = put_prompt(first, tokenizer)
    apart = bool(tokenizer.init_kwargs.get(APART))
    if apart:
        second = put_prompt(second, tokenizer)
    sides = (tokenize(texts, tokenizer, room, "head", 1) for texts in (first, second))
    for (ids, grams, cut), (other_ids, other_grams, other_cut) in zip(*sides, strict=True):
        size, other_size = cut_longest_first(len(ids), len(other_ids), room)
        truncated += cut or other_cut or len(ids) + len(other_ids) > room
        nothing = unknown.add(ids, grams, prompt=prompt)
        nothing |= unknown.add(other_ids, other_grams, prompt=prompt if apart else 0)
        if nothing:
            unknown_examples.append(inputs.units)

        inputs.add(
            _join(
                make_unit(ids, grams, range(size), frame.before, frame.between),
                make_unit(other_ids, other_grams, range(other_size), [], frame.after),
                [] if frame.types is None else _spell_types(frame.types, size, other_size),
            )
        )

    return Encoded(
        inputs=inputs.collect(),
        example=np.arange(inputs.units),
        targets=targets,
        examples=inputs.units,
        truncated=truncated,
        unknown=unknown.share,
        unknown_examples=unknown_examples,
        importance=importance,
    )


def cut_longest_first(first: int, second: int, room: int) -> tuple[int, int]:
    """Decide how many tokens of two texts are kept: the longer text is cut first, then both alike."""
    shorter, longer = sorted((first, second))
    least = min(shorter, max(room - longer, room // 2))
    most = min(longer, room - least)
    return (least, most) if first <= second else (most, least)


def find_frame(tokenizer: PreTrainedTokenizerBase) -> Frame:
    """Find the special tokens that a tokenizer puts around two texts, by trying it on `a` and `b`.

    If it has no template for two texts, the tokens are those around a single text, with a separator between.
    """
    if tokenizer.init_kwargs.get(APART):
        return _make_frame_apart(tokenizer)

    # Find the two texts among the ids of the pair.
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
    """Tell a tokenizer how its model reads two texts. The settings are saved with it.

    The tokenizer gives types of tokens if, and only if, the encoder reads them. Checkpoints are not always right about
    that: for example, a tokenizer of a general class gives no types to a BERT.

    Args:
        tokenizer: of the model; it is changed.
        model: reads the texts.
        apart: whether each text is read by itself; types then say which text a token belongs to.
    """
    encoder = find_encoder(model).module
    there = TYPES in inspect.signature(encoder.forward).parameters and getattr(encoder.config, "type_vocab_size", 2) > 1

    names = [name for name in tokenizer.model_input_names if name != TYPES] + [TYPES] * there
    tokenizer.model_input_names = names
    tokenizer.init_kwargs |= {"model_input_names": names, APART: apart}  # these are saved


def _make_frame_apart(tokenizer: PreTrainedTokenizerBase) -> Frame:
    """Put the special tokens of a single text around each of the two, with types 0 and 1."""
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
    """Join two units to one. N-gram rows are padded to the longer width of the two."""
    unit: dict[str, Any] = {"input_ids": np.concatenate([first["input_ids"], second["input_ids"]])}
    width = max(len(rows[0]) for rows in (first.get("ngram_ids", [[]]), second.get("ngram_ids", [[]])))
    if width:
        rows = [row for half in (first, second) for row in half.get("ngram_ids", [[]] * len(half["input_ids"]))]
        unit["ngram_ids"] = [[*row, *[-1] * (width - len(row))] for row in rows]
    return unit | ({TYPES: types} if types else {})
