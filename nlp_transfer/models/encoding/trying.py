"""Give a model two short texts, to see whether padding changes its answers and which parameters it uses."""

import itertools
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from nlp_transfer.models.encoding.batches import Batch, Encoded
from nlp_transfer.models.encoding.documents import find_special_ids, make_unit
from nlp_transfer.models.encoding.flat import flatten_units
from nlp_transfer.models.encoding.units import TokenInputs

SHORT, LONG = 7, 12  # tokens of the two texts; an odd length reveals models that pool pairs of tokens
FAULTS = (TypeError, ValueError, LookupError, RuntimeError, AttributeError)  # of models that cannot be tried like this


def make_two_texts(tokenizer: PreTrainedTokenizerBase) -> TokenInputs:
    """Make a short unit and a long one from ordinary tokens."""
    before, after = find_special_ids(tokenizer)
    special = set(tokenizer.all_special_ids)
    ordinary = (token for token in range(tokenizer.vocab_size) if token not in special)
    tokens = np.resize(list(itertools.islice(ordinary, LONG)) or [0], LONG)

    long = min(LONG, tokenizer.model_max_length)
    sizes = [max(1, length - len(before) - len(after)) for length in (min(SHORT, long - 1), long)]
    inputs = [make_unit(tokens, None, range(size), before, after) for size in sizes]
    encoded = Encoded(inputs=flatten_units(inputs), example=np.arange(2), targets=None, examples=2)
    return TokenInputs(encoded, int(tokenizer.pad_token_id))


def give(model: PreTrainedModel, batch: Batch) -> Any:
    """Run a model on a batch and return its output; a model that generates gets a first token to continue."""
    inputs = batch.to(next(model.parameters()).device).inputs
    if model.can_generate():  # any token will do as the first, and every vocabulary has a token 0
        inputs["decoder_input_ids"] = torch.zeros_like(inputs["input_ids"][:, :1])
    return model(**inputs)
