"""Write a random BART, with a vocabulary of its own: `python -m benchmarks.write_writer PAIRS FOLDER`."""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import BartConfig, BartForConditionalGeneration

from nlp_transfer.models.encoding.pairs import train_tokenizer

WIDTH, LAYERS, VOCABULARY, POSITIONS = 384, 4, 4000, 128
SIZES = {"layers": LAYERS, "attention_heads": WIDTH // 64, "ffn_dim": 4 * WIDTH}


def main() -> None:
    """Draw its weights with seed 0."""
    pairs, folder = map(Path, sys.argv[1:])
    texts = [text for line in pairs.read_text(encoding="utf-8").splitlines() for text in json.loads(line).values()]
    tokenizer = train_tokenizer(texts, VOCABULARY)
    sides: dict[str, Any] = {f"{side}_{name}": size for side in ("encoder", "decoder") for name, size in SIZES.items()}
    names: dict[str, Any] = {
        f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")
    }
    config = BartConfig(
        vocab_size=len(tokenizer),
        d_model=WIDTH,
        max_position_embeddings=POSITIONS,
        decoder_start_token_id=tokenizer.eos_token_id,
        forced_eos_token_id=None,
        **sides,
        **names,
    )
    torch.manual_seed(0)
    BartForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main()
