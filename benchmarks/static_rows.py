"""Rows about opening tables of other packages; only of those that are installed."""

import importlib.util
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.measuring import Contender, Row, read_json, run_process
from benchmarks.training_rows import Scale

PACKAGES = {  # kind -> the package that reads it
    "wordllama": "wordllama",
    "model2vec": "model2vec",
    "static-embedding": "sentence_transformers",
    "spacy": "spacy",
    "floret": "spacy",
    "floret-text": "spacy",
    "navec": "navec",
    "wikipedia2vec": "wikipedia2vec",
    "numberbatch": "gensim",
    "pieces": "gensim",
    "pieces-binary": "gensim",
}
TOKENS = ("wordllama", "model2vec", "static-embedding")  # kinds with a tokenizer


def static(kind: str, scale: Scale) -> Row:
    """Open a table that the package wrote, and look up words or the tokens of sentences."""
    package = PACKAGES[kind].replace("_", "-")
    asked = "the tokens of 200 sentences" if kind in TOKENS else "all words of rotten-tomatoes"
    asked = "rows without words" if kind.startswith("floret") else asked
    asked = "all pieces of rotten-tomatoes" if kind.startswith("pieces") else asked
    return Row(
        name=f"vectors-{kind}",
        title=f"open a {kind} table, look up {asked}",
        contenders=[_job(scale, kind, "ours", "opened here"), _job(scale, kind, "theirs", package)],
        targets={package: 1.0},
        quantity="seconds",
        says="CPU seconds of opening and looking up; imports excluded",
        prepare=partial(_prepare, scale, kind),
    )


def _shared(scale: Scale) -> Path:
    return scale.folder / "static"


def _prepare(scale: Scale, kind: str) -> None:
    """Write the table, and what is asked of it."""
    _shared(scale).mkdir(exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.static_jobs", kind, "write", str(_shared(scale))]
    run_process(command, scale.folder / "prepare.txt")


def _job(scale: Scale, kind: str, side: str, name: str) -> Contender:
    def command(folder: Path, _: int) -> Sequence[str]:
        return [sys.executable, "-m", "benchmarks.static_jobs", kind, side, str(_shared(scale)), str(folder / "f.json")]

    return Contender(name, command, lambda folder: read_json(folder / "f.json"), ours=side == "ours")


ROWS: Sequence[Callable[[Scale], Row]] = [
    partial(static, kind) for kind, package in PACKAGES.items() if importlib.util.find_spec(package)
]
