"""Read texts as the model was taught to: to ids, cut to what it reads at once, between its special tokens."""

import io
import json
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
CHARACTERS = 16  # for each token; a text is cut to this length first, because a tokenizer reads megabytes slowly
PADDING = {"attention_mask": 0, "token_type_ids": 0, "ngram_ids": -1, "sentence_ids": -1}
Unit = dict[str, list[Any]]  # the inputs of the model for what it reads at once, by their names
Read = tuple[list[int], list[list[int]]]  # the ids of a text, and for each those of its n-grams, mostly none


def read_lines() -> Iterator[tuple[int, str]]:
    """Read standard input, a text a line, each with its number; end the process at a line that is not UTF-8."""
    for number, line in enumerate(io.TextIOWrapper(sys.stdin.buffer, "utf-8", "surrogateescape"), 1):
        try:
            line.encode()
        except UnicodeEncodeError:
            sys.exit(f"error: line {number}: expected UTF-8, received other bytes; save the texts as UTF-8")
        yield number, line.rstrip("\n")


@cache
def load_config() -> dict[str, Any]:
    """Load the configuration of the model; `reading` in it says how texts are read."""
    config: dict[str, Any] = json.loads((HERE / "config.json").read_text(encoding="utf-8"))
    return config


@cache
def load_tokenizer(*, target: bool = False) -> Any:
    """Load the tokenizer, or that of what is written where there are two."""
    if (HERE / "source.spm").is_file():
        from pieces import Pieces  # type: ignore[import-not-found]

        return Pieces(HERE)
    from tokenizers import Tokenizer

    own = HERE / "target_tokenizer.json"
    tokenizer = Tokenizer.from_file(str(own if target and own.is_file() else HERE / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def read_texts(texts: Sequence[str], room: int) -> list[Read]:
    """Read the ids of texts, without special ones, at least one id each; `room` is how many will be used."""
    settings = load_config()["reading"]
    cut = [text if len(text) <= CHARACTERS * room else text.strip()[: CHARACTERS * room] for text in texts]
    found = []
    for text, one in zip(cut, load_tokenizer().encode_batch(cut, add_special_tokens=False), strict=True):
        ids = [token for token in one.ids if token != settings["dropped"]]
        grams: list[list[int]] = [[]] * len(ids)  # one list for all, which is replaced and never filled
        if settings["words"] and settings["unknown"] in ids:
            _look_again(text, ids, grams, one.offsets)
        found.append((ids, grams) if ids else ([settings["filler"]], [[]]))
    return found


def _look_again(text: str, ids: list[int], grams: list[list[int]], offsets: Sequence[tuple[int, int]]) -> None:
    """Replace unknown ids by those of known variants of the word, or give n-grams to what stays unknown."""
    from words import look_up  # type: ignore[import-not-found]

    settings, tokenizer = load_config()["reading"], load_tokenizer()
    lower = tokenizer.normalizer is not None
    for at, (start, end) in enumerate(offsets):
        if ids[at] == settings["unknown"]:
            found, grams[at] = look_up(text[start:end], tokenizer.token_to_id, settings["words"], lower=lower)
            ids[at] = ids[at] if found is None else found


def make_units(inputs: Sequence[Sequence[str]]) -> list[Unit]:
    """Make a unit of each text, or of each pair of texts, of which the longer one is cut first."""
    settings = load_config()["reading"]
    before, between, after = settings["frame"]
    room = settings["most"] - len(before) - len(between) - len(after)
    sides = []
    for prompt, texts in zip(settings["prompts"], zip(*inputs, strict=True), strict=True):
        sides.append(read_texts([prompt + text for text in texts], room))

    units = []
    for first, *rest in zip(*sides, strict=True):
        second = rest[0] if rest else ([], [])
        sizes = cut_longest_first(len(first[0]), len(second[0]), room)
        units.append(_join((before, between, after), (first, second), sizes))
    return units


def cut_longest_first(first: int, second: int, room: int) -> tuple[int, int]:
    """Decide how many ids of two texts are kept: the longer text is cut first, then both alike."""
    shorter, longer = sorted((first, second))
    least = min(shorter, max(room - longer, room // 2))
    most = min(longer, room - least)
    return (least, most) if first <= second else (most, least)


def _join(frame: Sequence[list[int]], texts: tuple[Read, Read], sizes: tuple[int, int]) -> Unit:
    (ids, grams), (others, other_grams) = texts
    parts = frame[0], ids[: sizes[0]], frame[1], others[: sizes[1]], frame[2]
    unit: Unit = {"input_ids": [one for part in parts for one in part]}
    empty: list[list[list[int]]] = [[[] for _ in part] for part in frame]
    unit["ngram_ids"] = [*empty[0], *grams[: sizes[0]], *empty[1], *other_grams[: sizes[1]], *empty[2]]
    if (types := load_config()["reading"]["types"]) is not None:
        opening, first, middle, second, end = types
        unit["token_type_ids"] = [*opening, *[first] * sizes[0], *middle, *[second] * sizes[1], *end]
    return unit


def make_batch(units: Sequence[Unit], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Pad the inputs of units to one length: (units, ids), those of n-grams (units, ids, n-grams)."""
    longest = max(len(unit["input_ids"]) for unit in units)
    batch = {}
    for name in names:
        shape: tuple[int, ...] = (len(units), longest)
        if name == "ngram_ids":
            shape += (max(1, *(len(grams) for unit in units for grams in unit[name])),)
        column = np.full(shape, PADDING.get(name, load_config()["reading"]["pad"]), dtype=np.int64)
        for row, unit in zip(column, units, strict=True):
            _fill(row, unit, name)
        batch[name] = column
    return batch


def _fill(row: np.ndarray, unit: Unit, name: str) -> None:
    """Write an input of one unit into its row."""
    if name == "ngram_ids":
        for place, grams in zip(row, unit[name], strict=False):
            place[: len(grams)] = grams
    else:
        row[: len(unit["input_ids"])] = 1 if name == "attention_mask" else unit[name]
