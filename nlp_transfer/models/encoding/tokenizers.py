"""Hold the tokenizers of a model: that of its input, and that of its output."""

import copy
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Tokenizers:
    """Hold the tokenizer of the input, and that of the output if a task writes text with another vocabulary."""

    source: PreTrainedTokenizerBase
    target: PreTrainedTokenizerBase | None = None


def limit_tokens(tokenizer: PreTrainedTokenizerBase, most: int) -> PreTrainedTokenizerBase:
    """Copy a tokenizer, which shares its vocabulary with the first, to say that no more tokens are read than `most`."""
    copied = copy.copy(tokenizer)
    copied.model_max_length = most
    return copied
