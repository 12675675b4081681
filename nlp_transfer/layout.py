"""The names of what a run leaves, of what of it may go up, and of what is fetched again. Nothing here imports torch."""

from pathlib import Path

FINISHED = "metrics.json"  # written last
HITS = "hits.json"  # the score of each test row, to compare runs pair by pair; it stays here
PROBES = "probes.jsonl"  # a few inputs and answers; they stay here
TARGET = "target_tokenizer"  # folder in the model's, where the output has a vocabulary of its own
MODELLING = sorted(file for file in (Path(__file__).parent / "modeling").glob("*.py") if file.name != "__init__.py")

DESCRIBED = "tokenizer_config.json"
VOCABULARY = (
    *("tokenizer.json", "vocab.json", "vocab-src.json", "vocab-tgt.json", "target_vocab.json", "entity_vocab.json"),
    *("vocab.txt", "merges.txt", "bpe.codes", "dict.txt", "source.spm", "target.spm", "prophetnet.tokenizer"),
    *("spiece.model", "spm.model", "sentencepiece.model", "sentencepiece.bpe.model", "spm_char.model"),
    "tokenizer.model",
)
BYTEWISE = ("ByT5Tokenizer", "CanineTokenizer", "PerceiverTokenizer")  # have no vocabulary to keep
TOKENIZER = (
    *(DESCRIBED, "special_tokens_map.json", "added_tokens.json", "normalizer.json", "emoji.json"),
    *("word_shape.json", "word_pronunciation.json", *VOCABULARY),
)
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


def lacking(folder: Path) -> str | None:
    """The file that a tokenizer in this folder needs and that is not there; transformers would make one up."""
    described = folder / DESCRIBED
    if not described.is_file():
        return DESCRIBED
    if any(f'"{name}"'.encode() in described.read_bytes() for name in BYTEWISE):
        return None
    return None if any((folder / name).is_file() for name in VOCABULARY) else VOCABULARY[0]
