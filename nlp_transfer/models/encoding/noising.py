"""Spoil texts as encoder-decoders learn to mend them: spans of T5, or the filling of BART."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from transformers import PreTrainedTokenizerBase

from nlp_transfer.errors import SourceError
from nlp_transfer.models.encoding.batches import Encoded
from nlp_transfer.models.encoding.documents import find_special_ids
from nlp_transfer.models.encoding.flat import UnitWriter

SENTINEL = "<extra_id_{}>"
MOST_SENTINELS = 100
SPAN = 3.0  # tokens in a span, in the mean
T5_SHARE, BART_SHARE = 0.15, 0.3  # of the tokens are taken out


class Spoilt(NamedTuple):
    """What an encoder reads, and what its decoder is to write."""

    inputs: list[int]
    targets: list[int]


@dataclass(frozen=True)
class Noise:
    """Say how texts are spoilt: as T5 does if there are sentinels, else as BART does.

    Attributes:
        sentinels: ids that stand for the spans of a text, in order (Raffel et al. 2020, section 3.1.4); empty for BART.
        mask: the id that stands for every span (Lewis et al. 2020, section 2.2).
        before: ids that the tokenizer puts before a text.
        after: ids that it puts behind one.
    """

    sentinels: Sequence[int]
    mask: int
    before: Sequence[int]
    after: Sequence[int]

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> "Noise":
        """Read the vocabulary of a tokenizer.

        Raises:
            SourceError: it has no token for what is taken out.
        """
        vocabulary = tokenizer.get_vocab()
        names = [SENTINEL.format(number) for number in range(MOST_SENTINELS)]
        sentinels = [vocabulary[name] for name in names if name in vocabulary]
        if not sentinels and tokenizer.mask_token_id is None:
            raise SourceError(
                "the tokenizer has neither the sentinels of T5 nor the mask of BART, so its model has not learned to "
                "mend texts; such checkpoints, as those of Marian, cannot be adapted by texts alone"
            )
        before, after = find_special_ids(tokenizer)
        return cls(sentinels, tokenizer.mask_token_id or 0, before, after)

    def spoil_fixed(self, encoded: Encoded) -> Encoded:
        """Spoil all units, equal ones alike, and give what is to be written as targets, to measure a model by."""
        inputs, targets = UnitWriter(), []
        for ids in encoded.inputs.columns["input_ids"]:
            spoilt = self.spoil(ids, np.random.default_rng(zlib.crc32(ids.tobytes())))
            inputs.add({"input_ids": spoilt.inputs})
            targets.append(spoilt.targets)
        return replace(encoded, inputs=inputs.collect(), targets=targets)

    def spoil(self, unit: np.ndarray, rng: np.random.Generator) -> Spoilt:
        """Spoil the ids (T,) of a unit, which has the special tokens around it."""
        ids = unit[len(self.before) : len(unit) - len(self.after)]
        spoil = _take_spans if self.sentinels else _fill_spans
        inputs, targets = spoil(ids.tolist(), self.sentinels or [self.mask], rng)
        return Spoilt(*([*self.before, *part, *self.after] for part in (inputs, targets)))


def _take_spans(ids: list[int], sentinels: Sequence[int], rng: np.random.Generator) -> tuple[list[int], list[int]]:
    """Put a sentinel for each span; the target names each sentinel with its span, and ends in the next one."""
    taken = min(max(1, round(T5_SHARE * len(ids))), max(1, len(ids) - 1))
    spans = min(max(1, round(taken / SPAN)), len(sentinels) - 1, max(1, len(ids) - taken))
    kept = _divide(len(ids) - taken, spans, rng)

    inputs: list[int] = []
    targets: list[int] = []
    start = 0
    for sentinel, stay, gone in zip(sentinels, kept, _divide(taken, spans, rng), strict=False):
        inputs += [*ids[start : start + stay], sentinel]
        targets += [sentinel, *ids[start + stay : start + stay + gone]]
        start += stay + gone
    return inputs, [*targets, sentinels[spans]]


def _divide(total: int, parts: int, rng: np.random.Generator) -> list[int]:
    """Divide a number at random into parts of at least 1, as long as there is enough."""
    cuts = np.sort(rng.choice(max(0, total - 1), min(parts - 1, max(0, total - 1)), replace=False)) + 1
    sizes = np.diff([0, *cuts, total]).tolist()
    return [*[0] * (parts - len(sizes)), *sizes]


def _fill_spans(ids: list[int], mask: Sequence[int], rng: np.random.Generator) -> tuple[list[int], list[int]]:
    """Put one mask for each span, of no token at times; the target is the whole text."""
    left = max(1, round(BART_SHARE * len(ids)))
    inputs = list(ids)
    while left > 0:
        size = min(int(rng.poisson(SPAN)), left, len(inputs))
        start = int(rng.integers(len(inputs) - size + 1))
        inputs[start : start + size] = mask
        left -= max(1, size)
    return inputs, ids
