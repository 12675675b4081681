"""The names of what a run leaves, of what of it may go up, and of what is fetched again. Nothing here imports torch."""

from pathlib import Path

FINISHED = "metrics.json"  # written last
HITS = "hits.json"  # the score of each test row, to compare runs pair by pair; it stays here
TABLE = "table.json"  # in a folder of imported vectors
PROBES = "probes.jsonl"  # a few inputs and answers; they stay here
COMPARISON = "comparison.json"  # of the runs in a folder
CHECKPOINTS = "checkpoints"  # folder of what an unfinished run goes on from
TARGET = "target_tokenizer"  # folder in the model's, where the output has a vocabulary of its own
PORTABLE = Path(__file__).parents[1] / "models" / "portable"
MODELLING = sorted(file for file in PORTABLE.glob("*.py") if file.name != "__init__.py")

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


def published(root: Path) -> bool:
    """Tell whether the model is at the root, as on the Hub, and not in a folder of its own."""
    return any((root / name).is_file() for name in ("config.json", ADAPTER[0]))


def is_run(folder: Path) -> bool:
    """Tell whether a folder is what a run or a comparison left here, so that a model is not in it but below it."""
    left = ("config.yaml", FINISHED, COMPARISON)
    return not published(folder) and any((folder / name).is_file() for name in left)


def unfinished(root: Path) -> str | None:
    """Say what the folder of a run lacks, and the way out; None where the run is finished."""
    needed = ["config.yaml", FINISHED, *([] if published(root) else ["model"])]
    missing = [name for name in needed if not (root / name).exists()]
    if not missing:
        return None
    way = f"go on with it by `run CONFIG --resume {root}`" if (root / CHECKPOINTS).is_dir() else "train it again"
    if missing == ["model"] and (root.parent / FINISHED).exists():
        way = f"this seed was the best, and its model stands in {root.parent}"
    if (root / COMPARISON).is_file():
        way = "it is a comparison: name the folder of one of its runs"
    return f"not a finished run: it lacks {', '.join(missing)}; {way}"
