"""What is compared on which data: a study is a task, its data, and a grid of runs named SOURCE_STRATEGY."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nlp_transfer
from nlp_transfer.config.data import DataConfig
from nlp_transfer.data.splits import load_splits

MINILM = {"kind": "checkpoint", "name": "minilm"}
GLOVE = {"kind": "vectors", "name": "glove-50d"}
WORD2VEC = {"kind": "vectors", "name": "word2vec-imdb"}  # the name is that of a folder made by `train_word2vec`
TRANSFORMER = {"contextualizer": "transformer", "width": 256, "layers": 2, "vocabulary": "data"}
SOURCES: Mapping[str, Mapping[str, Any]] = {
    "minilm": MINILM,
    "glove": GLOVE,
    "glove_cnn": {**GLOVE, "contextualizer": "cnn"},
    "glove_bilstm": {**GLOVE, "contextualizer": "bilstm"},
    "glove_transformer": {**GLOVE, **TRANSFORMER},
    "word2vec": WORD2VEC,
    "word2vec_transformer": {**WORD2VEC, **TRANSFORMER},
}


def _nothing(data: Path, names: Sequence[str]) -> None:
    """No preparation."""


@dataclass(frozen=True)
class Study:
    """A grid on one set of data.

    Attributes:
        task: the `task:` section.
        data: the `data:` section; `{data}` in it becomes the folder of the study's files.
        runs: names, SOURCE_STRATEGY, with `scratch` for full training of random weights.
        epochs: by name of the run, or by kind of source; `auto` trains until validation does not get better.
        seeds: of the trainings; the cut of the data is the same.
        batch_size: of all runs.
        folder: with the files, under --data; None where the data is bundled.
        prepare: makes what the runs need in the folder.
    """

    task: Mapping[str, Any]
    data: Mapping[str, Any]
    runs: Sequence[str]
    epochs: Mapping[str, int | str]
    seeds: Sequence[int] = (0,)
    batch_size: int = 32
    folder: str | None = None
    prepare: Callable[[Path, Sequence[str]], None] = field(default=_nothing)

    def config(self, name: str, data: Path) -> dict[str, Any]:
        """The configuration of a run."""
        chosen, _, strategy = name.rpartition("_")
        source = {**SOURCES[chosen], **({"scratch": True} if strategy == "scratch" else {})}
        if source["name"] == WORD2VEC["name"]:
            source["name"] = str(data / source["name"])
        return {
            "task": dict(self.task),
            "source": source,
            "strategy": {"kind": strategy.replace("scratch", "full")},
            "data": {key: v.replace("{data}", str(data)) if isinstance(v, str) else v for key, v in self.data.items()},
            "training": {
                "epochs": self.epochs.get(name, self.epochs[source["kind"]]),
                "batch_size": self.batch_size,
                **({"seeds": [*self.seeds]} if len(self.seeds) > 1 else {"seed": self.seeds[0]}),
            },
        }


def train_word2vec(data: Path, names: Sequence[str]) -> None:
    """100-dimensional skip-gram vectors of the imdb reviews: in-domain text, no labels used."""
    if not any(name.startswith("word2vec") for name in names) or (data / "word2vec-imdb").exists():
        return
    corpus = data / "imdb.jsonl"
    splits = load_splits(DataConfig(train="bundled:imdb"), {"text": "text", "label": "label"})
    with corpus.open("w", encoding="utf-8") as file:
        for rows in (splits.train, splits.validation, splits.test):
            file.writelines(json.dumps({"text": text}) + "\n" for text in rows["text"])
    nlp_transfer.train_vectors(corpus, data / "word2vec-imdb", dim=100, epochs=5, workers=1)


def _grid(sources: Sequence[str], strategies: Sequence[str]) -> list[str]:
    return [f"{source}_{strategy}" for source in sources for strategy in strategies]


ALL = ("full", "lora", "frozen", "gradual")
WRITERS = [*_grid(["minilm", "glove_transformer"], [*ALL, "scratch"]), *_grid(["word2vec_transformer"], ALL)]


def multi30k(target: str, limit: int | None) -> Study:
    """Image captions from English; `val` is measured once, the checkpoint is chosen on a cut of train."""
    data = {"train": "{data}/train.jsonl", "test": "{data}/val.jsonl", "validation_share": 0.03}
    epochs = {1000: 40, 5000: 20, None: 12}[limit]
    return Study(
        task={
            "name": "translation",
            "max_length": 64,
            "max_target_length": 64,
            "decoder": {"layers": 3, "width": 256, "vocabulary": 8000},
        },
        data={**data, "columns": {"source": "en", "target": target}, "limit": limit},
        runs=WRITERS,
        epochs={"checkpoint": epochs, "vectors": epochs},
        batch_size=64,
        folder="multi30k",
        prepare=train_word2vec,
    )


UNTIL_BEST = {"checkpoint": "auto", "vectors": "auto"}
SCITLDR = {
    "train": "{data}/train.jsonl",
    "test": "{data}/dev.jsonl",
    "columns": {"text": "source", "summary": "target"},
}
STUDIES: Mapping[str, Study] = {
    "rotten-tomatoes": Study(
        task={"name": "sentiment"},
        data={"train": "bundled:rotten-tomatoes"},
        runs=[*_grid(["minilm", "glove", "glove_cnn", "glove_bilstm"], [*ALL, "scratch"]), *_grid(["word2vec"], ALL)],
        epochs=UNTIL_BEST,
        seeds=(0, 1, 2),
        prepare=train_word2vec,
    ),
    "sst2": Study(
        task={"name": "sentiment"},
        data={"train": "{data}/train.jsonl", "test": "{data}/dev.jsonl", "validation_share": 0.1},
        runs=_grid(["minilm", "glove", "glove_cnn", "glove_bilstm"], [*ALL, "scratch"]),
        epochs=UNTIL_BEST,
        seeds=(0, 1, 2),
        folder="sst2",
    ),
    "scitldr": Study(
        task={"name": "summarization", "style": "extractive", "sentences": 1},
        data=SCITLDR,
        runs=[*_grid(["minilm", "glove", "glove_bilstm"], [*ALL, "scratch"]), *_grid(["word2vec"], ALL)],
        epochs={"checkpoint": 3, "vectors": 5},
        batch_size=16,
        folder="scitldr",
        prepare=train_word2vec,
    ),
    "scitldr-abstractive": Study(
        task={
            "name": "summarization",
            "style": "abstractive",
            "max_length": 256,
            "max_target_length": 48,
            "decoder": {"layers": 2, "width": 256, "vocabulary": 4000},
        },
        data=SCITLDR,
        runs=WRITERS,
        epochs={"checkpoint": 15, "vectors": 15},
        batch_size=16,
        folder="scitldr",
        prepare=train_word2vec,
    ),
    "docstrings": Study(
        task={
            "name": "summarization",
            "style": "abstractive",
            "max_length": 128,
            "max_target_length": 32,
            "decoder": {"layers": 2, "width": 256, "vocabulary": 3000},
        },
        data={"train": "bundled:docstrings", "group": "module", "limit": 1000},
        runs=WRITERS,
        epochs={"checkpoint": 10, "vectors": 10},
        prepare=train_word2vec,
    ),
    **{
        f"multi30k-en-{target}{'' if limit is None else f'-{limit}'}": multi30k(target, limit)
        for target in ("de", "fr")
        for limit in (None, 5000, 1000)
    },
}
