"""Hide some tokens of a batch, for a model to find them again (Devlin et al. 2019, section 3.1)."""

import zlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from nlp_transfer.errors import SourceError
from nlp_transfer.models.encoding.batches import IGNORED, Encoded
from nlp_transfer.models.encoding.flat import UnitWriter

SHARE = 0.15  # of the tokens are to be found again
MASKED, REPLACED = 0.8, 0.1  # of these become the mask, or any other token; the rest stay as they are
MARKS = "Ġ▁"  # begin the pieces of byte-level BPE and of SentencePiece that begin a word


class Hidden(NamedTuple):
    """A batch with hidden tokens.

    Attributes:
        input_ids: (B, T) what the model reads.
        places: (B, T) true where a token is to be found again.
        targets: (M,) the tokens that stood there, row by row.
    """

    input_ids: Tensor
    places: Tensor
    targets: Tensor


@dataclass(frozen=True)
class Masking:
    """Say which tokens may be hidden, and behind what.

    Attributes:
        mask: the id of the mask.
        ordinary: (V,) true for the tokens that are not special.
        begins: (V,) true for tokens that begin a word, to hide whole words; None hides single tokens.
        share: of the ordinary tokens that are hidden.
    """

    mask: int
    ordinary: Tensor
    begins: Tensor | None = None
    share: float = SHARE

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase, *, whole_words: bool = False, mask: int | None = None) -> "Masking":
        """Read the vocabulary of a tokenizer; `mask` hides words where it has no token of its own for that.

        Raises:
            SourceError: it has no token for what is hidden.
        """
        mask = mask if tokenizer.mask_token_id is None else tokenizer.mask_token_id
        if mask is None:
            raise SourceError("the tokenizer has no mask token, so its model has not learned to find hidden words")
        vocabulary = tokenizer.get_vocab()
        ordinary = torch.zeros(max(vocabulary.values()) + 1, dtype=torch.bool)
        ordinary[sorted(set(vocabulary.values()) - set(tokenizer.all_special_ids))] = True
        return cls(mask, ordinary, _find_beginnings(vocabulary) if whole_words else None)

    @cached_property
    def _others(self) -> Tensor:
        """The ids of ordinary tokens."""
        return self.ordinary.nonzero()[:, 0]

    def draw_places(
        self, input_ids: Tensor, attention_mask: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw the places (B, T) of the tokens to hide, by the CPU's random numbers; at least one in each text."""
        ids = input_ids.cpu()
        chance = torch.rand(ids.shape, generator=generator)
        if self.begins is not None:  # all pieces of a word have the chance of its first
            word = self.begins[ids].long().cumsum(1)
            chance = chance.gather(1, word.clamp(max=ids.shape[1] - 1))

        chance = chance.masked_fill((attention_mask.cpu() == 0) | ~self.ordinary[ids], torch.inf)
        least = chance.amin(1, keepdim=True)  # in a text without ordinary tokens infinite, as those that are not
        return chance.isfinite() & ((chance < self.share) | (chance == least))

    def hide_fixed(self, encoded: Encoded) -> Encoded:
        """Hide tokens behind the mask and give them as targets, the same ones in equal units, to measure a model by."""
        inputs, targets = UnitWriter(), []
        for unit in range(len(encoded.inputs)):
            row = encoded.inputs[unit]
            ids = torch.tensor(row["input_ids"])[None]
            seed = zlib.crc32(ids.numpy().tobytes())
            places = self.draw_places(ids, torch.ones_like(ids), torch.Generator().manual_seed(seed))
            inputs.add({**row, "input_ids": ids.masked_fill(places, self.mask)[0].tolist()})
            targets.append(ids.masked_fill(~places, IGNORED)[0].numpy())
        return replace(encoded, inputs=inputs.collect(), targets=targets)

    def hide(self, input_ids: Tensor, attention_mask: Tensor, generator: torch.Generator | None = None) -> Hidden:
        """Hide tokens of a batch (B, T), other ones at every call."""
        places = self.draw_places(input_ids, attention_mask, generator)
        targets = input_ids[places.to(input_ids.device)]
        kind = torch.rand(len(targets), generator=generator)
        others = self._others[torch.randint(len(self._others), targets.shape, generator=generator)]

        shown = torch.where(kind < MASKED, self.mask, others).to(input_ids.device)
        kept = (kind >= MASKED + REPLACED).to(input_ids.device)
        places = places.to(input_ids.device)
        return Hidden(input_ids.masked_scatter(places, torch.where(kept, targets, shown)), places, targets)


def _find_beginnings(vocabulary: dict[str, int]) -> Tensor:
    """Find the tokens (V,) that begin a word: by the marks of a vocabulary, or as those that do not go on (`##`).

    Where spaces are marked, punctuation has no mark before it, and yet begins what is no part of the word.
    """
    marked = any(token.startswith(tuple(MARKS)) for token in vocabulary)
    begins = torch.ones(max(vocabulary.values()) + 1, dtype=torch.bool)
    for token, row in vocabulary.items():
        goes_on = not token.startswith(tuple(MARKS)) and token[:1].isalnum() if marked else token.startswith("##")
        begins[row] = not goes_on
    return begins
