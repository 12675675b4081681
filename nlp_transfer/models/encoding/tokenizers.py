"""The tokenizers of a model: of what it reads, and of what it writes."""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Tokenizers:
    """The tokenizer of the input, and that of the output where a task writes text in another vocabulary."""

    source: PreTrainedTokenizerBase
    target: PreTrainedTokenizerBase | None = None
