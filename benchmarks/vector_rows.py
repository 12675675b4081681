"""Rows about word vectors and about starting up."""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.measuring import Contender, Row, read_json, run_process
from benchmarks.training_rows import Scale

IMDB_HELD = 5000  # reviews behind the accuracy of the features


def vectors(scale: Scale) -> Row:
    """Open a table of 400,000 words and look up those of a corpus."""
    return Row(
        name="vectors",
        title="open GloVe 400k x 50, imported once, and look up all words of rotten-tomatoes",
        contenders=[
            _job(scale, "imported folder", "open-imported", ours=True),
            _job(scale, "gensim, text", "open-text"),
            _job(scale, "gensim, binary", "open-binary"),
            _job(scale, "gensim, its own mmap", "open-mmap"),
        ],
        targets={"gensim, text": 100.0, "gensim, binary": 15.0, "gensim, its own mmap": 0.9},
        quantity="seconds",
        says="opening and looking up; imports excluded",
        prepare=partial(_prepare, scale),
    )


def vectors_process(scale: Scale) -> Row:
    """The same counted from the start of the process, imports included."""
    row = vectors(scale)
    return Row(
        name="vectors-process",
        title="open that GloVe and look up those words, whole process",
        contenders=[row.contenders[0], row.contenders[-1]],
        targets={"gensim, its own mmap": 1.3},
        prepare=row.prepare,
    )


def bag(scale: Scale) -> Row:
    """Mean vectors of 25,000 reviews; tokenizing is the same work for both, so it is left out."""
    return Row(
        name="bag",
        title="bag-of-vectors features of imdb, 25,000 reviews, from tokens",
        contenders=[_job(scale, "features", "bag-ours", ours=True), _job(scale, "gensim word loop", "bag-gensim")],
        targets={"gensim word loop": 10.0},
        quantity="seconds_from_tokens",
        says="from tokens to features; ours are first, mean and maximum at once",
        examples=IMDB_HELD,
        prepare=partial(_prepare, scale),
    )


def bag_from_text(scale: Scale) -> Row:
    """The same with tokenizing on both sides; nothing is promised."""
    row = bag(scale)
    return Row(
        name="bag-text",
        title="the same from raw text",
        contenders=row.contenders,
        targets={},
        quantity="seconds",
        says="from text to features, each with its own tokenizer",
        examples=IMDB_HELD,
        prepare=row.prepare,
    )


def help_text(_: Scale) -> Row:
    """Answer `--help`."""
    script = str(Path(sys.executable).with_name("nlp-transfer"))
    return Row(
        name="help",
        title="`nlp-transfer --help`",
        contenders=[
            Contender("--help", lambda *_: [script, "--help"], ours=True),
            Contender("AutoModel", lambda *_: [sys.executable, "-c", "from transformers import AutoModel"]),
        ],
        targets={"AutoModel": 8.0},
    )


def _shared(scale: Scale) -> Path:
    return scale.folder / "vectors"


def _prepare(scale: Scale) -> None:
    if not (_shared(scale) / "imdb.json").exists():
        command = [sys.executable, "-m", "benchmarks.vector_jobs", "prepare", str(_shared(scale))]
        run_process(command, scale.folder / "prepare.txt")


def _job(scale: Scale, name: str, job: str, *, ours: bool = False) -> Contender:
    def command(folder: Path, _: int) -> Sequence[str]:
        return [sys.executable, "-m", "benchmarks.vector_jobs", job, str(_shared(scale)), str(folder / "facts.json")]

    return Contender(name=name, command=command, read=lambda folder: read_json(folder / "facts.json"), ours=ours)


ROWS: Sequence[Callable[[Scale], Row]] = (vectors, vectors_process, bag, bag_from_text, help_text)
