"""Two short texts, to see what a model does with a text: whether padding changes it, and which parameters it uses."""

import itertools
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from nlp_transfer.models.encoding.batches import Batch, Encoded
from nlp_transfer.models.encoding.documents import make_unit, special_ids
from nlp_transfer.models.encoding.units import TokenUnits

SHORT, LONG = 7, 12  # tokens of the two texts; what pools pairs of tokens shows itself where they are odd
FAULTS = (TypeError, ValueError, LookupError, RuntimeError, AttributeError)  # of models that cannot be tried so


def two_texts(tokenizer: PreTrainedTokenizerBase) -> TokenUnits:
    """A short unit and a long one of ordinary tokens."""
    before, after = special_ids(tokenizer)
    special = set(tokenizer.all_special_ids)
    ordinary = (token for token in range(tokenizer.vocab_size) if token not in special)
    tokens = np.resize(list(itertools.islice(ordinary, LONG)) or [0], LONG).tolist()

    long = min(LONG, tokenizer.model_max_length)
    sizes = [max(1, length - len(before) - len(after)) for length in (min(SHORT, long - 1), long)]
    inputs = [make_unit(tokens, None, range(size), before, after) for size in sizes]
    encoded = Encoded(inputs=inputs, example=np.arange(2), targets=None, examples=2)
    return TokenUnits(encoded, int(tokenizer.pad_token_id))


def give(model: PreTrainedModel, batch: Batch) -> Any:
    """Give a batch to a model, and what it has written so far to one that writes; returns its output."""
    inputs = batch.to(next(model.parameters()).device).inputs
    if model.can_generate():  # any first token will do, and 0 is one in every vocabulary
        inputs["decoder_input_ids"] = torch.zeros_like(inputs["input_ids"][:, :1])
    return model(**inputs)
