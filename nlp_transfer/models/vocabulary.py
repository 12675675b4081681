"""Give a model rows for new words, each started at the mean of the pieces that it was read as."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from nlp_transfer.errors import SourceError
from nlp_transfer.models.encoding.new_words import extend_vocabulary, find_split_words

log = logging.getLogger(__name__)
NAMED = 5  # words that are named in the log


def add_new_words(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Iterable[str], count: int
) -> list[str]:
    """Add the most frequent words that the vocabulary splits to it, and to the model; return them.

    Args:
        model: with an output for every word, or without.
        tokenizer: of the model; it is changed.
        texts: of the domain.
        count: the most words to add; 0 changes nothing.

    Raises:
        SourceError: the tokenizer knows no sub-words, or none of the words is split.
    """
    if not count:
        return []
    if not tokenizer.is_fast:
        raise SourceError("new_words: this tokenizer cannot be changed; leave it out")
    words = find_split_words(tokenizer, texts, count)
    if not words:
        raise SourceError("new_words: the vocabulary holds every word of the texts as it is; leave it out")

    log.info("%d new words: %s", len(words), ", ".join([*words][:NAMED]))
    start_rows(model, extend_vocabulary(tokenizer, words))
    return [*words]


@torch.no_grad()
def start_rows(model: PreTrainedModel, pieces: Mapping[int, Sequence[int]]) -> None:
    """Start the row of each new id at the mean of the rows of its pieces: embedding, output and bias."""
    needed = max(pieces) + 1
    words: Any = model.get_input_embeddings()
    if needed > words.num_embeddings:
        words = model.resize_token_embeddings(needed, mean_resizing=False)
    output: Any = model.get_output_embeddings()
    tables = [words.weight, *([output.weight, output.bias] if output is not None else [])]
    tables.append(getattr(model, "final_logits_bias", None))  # of BART: (1, V)

    for table in {id(one): one for one in tables if one is not None}.values():
        rows: Tensor = table.T if table.shape[0] == 1 else table
        for row, parts in pieces.items():
            rows[row] = rows[list(parts)].mean(0)
