"""Name the files that a run leaves, those that may be published, and those fetched again. Imports no torch."""

import json
from pathlib import Path

FINISHED = "metrics.json"  # written last, so its presence means that the run is finished
HISTORY = "history.jsonl"  # the epochs that were judged on validation
HITS = "hits.json"  # the score of each test row, to compare runs row by row; never published
TABLE = "table.json"  # in a folder of imported vectors
UNFINISHED = "unfinished.npz"  # there, of vectors that are still trained
LOCK = ".lock"  # in a folder that a process is at work in
PREDICTIONS = "predictions.jsonl"  # the test rows with their answers; never published
PROBES = "probes.jsonl"  # a few inputs and their answers; never published
COMPARISON = "comparison.json"  # in the folder of a comparison, about all its runs
CURVE = "curve.json"  # in the folder of a learning curve, about all its runs
RANKING = "rank.json"  # in the folder of a ranking of sources
SHIFT = "shift.json"  # in the folder of a shift, about texts that a run was not tested on
SEARCH = "search.json"  # in the folder of a search, about all its trials
TO_LABEL = "to_label.csv"  # beside it, if rows to label were asked for
TASKS = "tasks.json"  # in the folder of several tasks that were trained together
MERGING = "merge.json"  # in the folder of a merged run: what it is merged from, and how
CHECKPOINTS = "checkpoints"  # folder from which an unfinished run resumes
TARGET = "target_tokenizer"  # folder inside the model's, if the output has a vocabulary of its own
PORTABLE = Path(__file__).parents[1] / "models" / "portable"
MODELLING = sorted(file for file in PORTABLE.glob("*.py") if file.name != "__init__.py")

DESCRIBED = "tokenizer_config.json"
VOCABULARY = (
    *("tokenizer.json", "vocab.json", "vocab-src.json", "vocab-tgt.json", "target_vocab.json", "entity_vocab.json"),
    *("vocab.txt", "merges.txt", "bpe.codes", "dict.txt", "source.spm", "target.spm", "prophetnet.tokenizer"),
    *("spiece.model", "spm.model", "sentencepiece.model", "sentencepiece.bpe.model", "spm_char.model"),
    "tokenizer.model",
)
BYTEWISE = ("ByT5Tokenizer", "CanineTokenizer", "PerceiverTokenizer")  # these save no vocabulary file
TOKENIZER = (
    *(DESCRIBED, "special_tokens_map.json", "added_tokens.json", "normalizer.json", "emoji.json"),
    *("word_shape.json", "word_pronunciation.json", *VOCABULARY),
)
INDEX = "model.safetensors.index.json"  # lists the shards, if the weights are too large for one file
WEIGHTS = ("model.safetensors", "model-*-of-*.safetensors", INDEX)
MODULES, PROMPTS, LONGEST = "modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"
MODULE = ("config.json", "model.safetensors")  # in the folder of a module that sentence-transformers puts behind
BEHIND = "[1-9]*_*"  # the names of these folders
MODEL = (
    *("config.json", "generation_config.json", *WEIGHTS, *(file.name for file in MODELLING), *TOKENIZER),
    *(MODULES, PROMPTS, LONGEST),
)
ADAPTER = ("adapter_config.json", "adapter_model.safetensors")
PLOT = "plot.png"
RELIABILITY = "reliability.png"  # how far confidence can be trusted
REPORT = "report.html"  # all of it on one page, with texts of test; never published
RUN = ("README.md", "config.yaml", FINISHED, PLOT, RELIABILITY)
RECORDS = ("environment.json", HISTORY, HITS, PREDICTIONS, PROBES, REPORT)  # of a run, beside what is published
EXPORT = "export.json"  # in the folder of an export: its format, and the sha256 of the weights
EXPORTED = {  # folder in it -> files
    "": (
        *("README.md", "config.json", EXPORT, "predict.py", "reading.py", "model.py", "words.py", "pieces.py"),
        *TOKENIZER,
    ),
    "onnx": ("model.onnx", "model_quantized.onnx"),
    "ctranslate2": ("model.bin", "config.json", "shared_vocabulary.json"),
    "text": ("*.py",),
}
EXPORTS = "exported"  # folder in a repository
ALLOWED = (
    *RUN,
    *MODEL,
    *(f"{TARGET}/{name}" for name in TOKENIZER),
    *(f"{BEHIND}/{name}" for name in MODULE),
    *ADAPTER,
    *(f"adapter/{name}" for name in ADAPTER),
    *(f"{EXPORTS}/*/{f'{part}/' * bool(part)}{name}" for part, names in EXPORTED.items() for name in names),
)


def find_lacking_file(folder: Path) -> str | None:
    """Find the first file that a tokenizer in this folder needs and lacks; transformers would silently invent one."""
    described = folder / DESCRIBED
    if not described.is_file():
        return DESCRIBED
    if any(f'"{name}"'.encode() in described.read_bytes() for name in BYTEWISE):
        return None
    return None if any((folder / name).is_file() for name in VOCABULARY) else VOCABULARY[0]


def is_published(root: Path) -> bool:
    """Tell whether the model lies at the root, as on the Hub, and not in a folder `model`."""
    return any((root / name).is_file() for name in ("config.json", ADAPTER[0]))


def is_run(folder: Path) -> bool:
    """Tell whether a run or a comparison left this folder: then a model is not in it but in a folder below it."""
    left = ("config.yaml", FINISHED, COMPARISON)
    return not is_published(folder) and any((folder / name).is_file() for name in left)


def list_parts(folder: Path) -> list[Path]:
    """List the runs in the folder of several tasks; a folder of another kind stands for itself."""
    if not (folder / TASKS).is_file():
        return [folder]
    return [folder / name for name in json.loads((folder / TASKS).read_text(encoding="utf-8"))["tasks"]]


def find_run_of(folder: Path) -> Path | None:
    """Find the finished run whose model a folder holds: itself, a run or a published one, or the run above `model`."""
    roots = (folder, *((folder.parent,) if folder.absolute().name == "model" else ()))
    finished = (root for root in roots if (root / "config.yaml").is_file() and (root / FINISHED).is_file())
    return next(finished, None)


OTHERS = {  # the file that tells a folder that is no run, or not yet -> the way to one
    COMPARISON: "it is a comparison: name the folder of one of its runs",
    TASKS: "it holds several tasks: name the folder of one of them",
    SEARCH: "it is a search: name `best` or `unchanged` in it",
    CURVE: "it is a learning curve, whose runs keep no models",
    RANKING: "it is a ranking, which trains nothing",
    MERGING: "merge the same runs into it again",
}


def explain_unfinished(root: Path) -> str | None:
    """Explain what the folder of a run lacks, and the way out; None if the run is finished."""
    needed = ["config.yaml", FINISHED, *([] if is_published(root) else ["model"])]
    missing = [name for name in needed if not (root / name).exists()]
    if not missing:
        return None

    way = "train it again"
    if (root / CHECKPOINTS).is_dir():
        way = f"go on with it by `run CONFIG --resume {root}`"
    elif missing == needed:  # it never was a run
        finished = [one for one in (root.parent / FINISHED, *sorted(root.glob(f"*/{FINISHED}"))) if one.exists()]
        way = f"name a run, such as {finished[0].parent}" if finished else "name the folder that a run has written"
    if missing == ["model"] and (root.parent / FINISHED).exists():
        way = f"this seed was the best, and its model stands in {root.parent}"
    way = next((said for name, said in OTHERS.items() if (root / name).is_file()), way)
    return f"not a finished run: it lacks {', '.join(missing)}; {way}"
