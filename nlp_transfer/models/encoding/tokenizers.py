"""Hold the tokenizers of a model: that of its input, and that of its output."""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True)
class Tokenizers:
    """Hold the tokenizer of the input, and that of the output if a task writes text with another vocabulary."""

    source: PreTrainedTokenizerBase
    target: PreTrainedTokenizerBase | None = None
