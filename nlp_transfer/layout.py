"""The names of what a run leaves, of what of it may go up, and of what is fetched again. Nothing here imports torch."""

from pathlib import Path

FINISHED = "metrics.json"  # written last
HITS = "hits.json"  # the score of each test row, to compare runs pair by pair; it stays here
PROBES = "probes.jsonl"  # a few inputs and answers; they stay here
TARGET = "target_tokenizer"  # folder in the model's, where the output has a vocabulary of its own
MODELLING = sorted(file for file in (Path(__file__).parent / "modeling").glob("*.py") if file.name != "__init__.py")

TOKENIZER = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "vocab.txt", "merges.txt", "source.spm", "target.spm", "spiece.model", "sentencepiece.bpe.model"),
)
NEEDED = (("tokenizer_config.json",), ("tokenizer.json", "*.spm", "*.model", "vocab.*"))  # of each one, by a tokenizer
INDEX = "model.safetensors.index.json"  # names the shards of weights that are too large for one file
WEIGHTS = ("model.safetensors", "model-*-of-*.safetensors", INDEX)
MODEL = ("config.json", "generation_config.json", *WEIGHTS, *(file.name for file in MODELLING), *TOKENIZER)
ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
PLOT = "plot.png"
RUN = ("README.md", "config.yaml", FINISHED, PLOT)
ALLOWED = (
    *RUN,
    *MODEL,
    *(f"{TARGET}/{name}" for name in TOKENIZER),
    *ADAPTER,
    *(f"adapter/{name}" for name in ADAPTER),
)
