"""Say what a folder lacks that is no folder of vectors."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nlp_transfer.errors import SourceError
from nlp_transfer.sources.other_weights import explain_other_weights
from nlp_transfer.sources.sentence_modules import read_modules
from nlp_transfer.system.layout import MODULES, TABLE

KNOWN = {  # whose folder -> the files that show it
    "model2vec and StaticEmbedding": ("model.safetensors", "tokenizer.json"),
    "wordllama": ("weights", "tokenizers"),
    "spaCy": ("vectors", "key2row", "strings.json"),
    "`nlp-transfer vectors import`": (TABLE, "vectors.npy", "words.txt"),
}
STATIC = ("StaticEmbedding", "Normalize")  # modules of sentence-transformers that a mean of rows stands for


def make_folder_error(folder: Path) -> SourceError:
    """Explain that a folder holds no vectors, with the nearest known kind of folder and what is missing of it."""
    names = {one.name for pattern in ("*", "*/*") for one in folder.glob(pattern)}
    if kind := _read_object(folder / "config.json").get("model_type"):
        return SourceError(f"{folder}: of the architecture '{kind!s:.60}', no table: use source.kind=checkpoint")

    nearest = max(KNOWN, key=lambda name: len(names.intersection(KNOWN[name])))
    missing = [name for name in KNOWN[nearest] if name not in names]
    if len(missing) == len(KNOWN[nearest]):
        if other := explain_other_weights(folder):
            return SourceError(other)
        return SourceError(
            f"{folder}: a folder of no known kind ({', '.join(KNOWN)}); name a vector file in it, or import one with "
            "`nlp-transfer vectors import FILE OUT`"
        )

    pickled = next((name for name in sorted(names) if name.endswith((".bin", ".pt", ".pkl"))), None)
    hint = f"; {pickled} is a pickle, which is never opened: save it again as safetensors" if pickled else ""
    return SourceError(
        f"{folder}: no table of vectors; nearest to it is a folder of {nearest}, of which it lacks "
        f"{', '.join(missing) or 'a readable table'}{hint}"
    )


def refuse_other_modules(folder: Path) -> None:
    """Refuse a folder of sentence-transformers that computes more than a mean of rows.

    Raises:
        SourceError: naming the module, or the list of modules is damaged.
    """
    path = folder / MODULES
    modules = read_modules(lambda _: path if path.exists() else None)
    other = next((one.kind for one in modules if one.kind not in STATIC), None)
    if other is not None:
        raise SourceError(
            f"{path}: puts a module {other:.60} above the table, and only the mean of its rows is known here; take a "
            "model without it, or, if it has layers, source.kind=checkpoint"
        )


def _read_object(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
