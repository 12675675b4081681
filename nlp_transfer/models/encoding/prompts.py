"""Put a prompt before every text, for encoders that were trained with one, such as `query: ` of E5.

The tokenizer carries it, so a saved model reads its texts as they were read in the training.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from nlp_transfer.system.layout import DESCRIBED

PROMPT = "prompt"  # a key of a saved tokenizer


def settle_prompt(tokenizer: PreTrainedTokenizerBase, prompt: str) -> None:
    """Tell a tokenizer which prompt its model reads before every text; it is saved with it."""
    if prompt != read_prompt(tokenizer):
        tokenizer.init_kwargs[PROMPT] = prompt


def read_prompt(tokenizer: PreTrainedTokenizerBase) -> str:
    """Read the prompt of a tokenizer; empty if it has none."""
    found = tokenizer.init_kwargs.get(PROMPT)
    return found if isinstance(found, str) else ""


def read_saved_prompt(folder: Path) -> str:
    """Read the prompt of a saved tokenizer off its file; empty if it has none."""
    path = folder / DESCRIBED
    values = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found = values.get(PROMPT) if isinstance(values, dict) else None
    return found if isinstance(found, str) else ""


def put_prompt(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase) -> Sequence[str]:
    """Put the tokenizer's prompt before every text."""
    prompt = read_prompt(tokenizer)
    return [prompt + text for text in texts] if prompt else texts


def tokenize_prompt(tokenizer: PreTrainedTokenizerBase, prompt: str | None = None) -> list[int]:
    """Tokenize a prompt alone, by default that of the tokenizer, without special tokens."""
    prompt = read_prompt(tokenizer) if prompt is None else prompt
    return tokenizer(prompt.strip(), add_special_tokens=False)["input_ids"] if prompt.strip() else []
