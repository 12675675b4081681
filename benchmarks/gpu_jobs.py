"""The work of the rows that benchmarks.gpu measures: one process does all, so that imports are paid once."""

import contextlib
import functools
import importlib
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.job import Job
from benchmarks.measuring import Sample, read_json

MAX_LENGTH = 128


@dataclass
class Bench:
    """What all rows share.

    Attributes:
        folder: holds data and models, and what the rows make.
        device: `cuda` or `cpu`.
        epochs: of every training.
        rows: of train.
        weights: numbers in the matrices of the model, which decide what a token costs.
        layers: of the model.
        peak: operations a second of a large matrix product, two for each product of two numbers.
        made: how many folders were made.
    """

    folder: Path
    device: str
    epochs: int
    rows: int
    weights: int
    layers: int
    peak: float = 0.0
    made: int = field(default=0)

    @property
    def precision(self) -> str:
        """bf16 on a GPU."""
        return "bf16" if self.device == "cuda" else "fp32"

    def new_folder(self) -> Path:
        """A folder of its own for a job."""
        self.made += 1
        found = self.folder / f"job-{self.made}"
        found.mkdir()
        return found

    def config(
        self, strategy: dict[str, Any], *, batch_size: int = 32, model: str = "model", **training: Any
    ) -> dict[str, Any]:
        """A configuration of this project."""
        return {
            "task": {"name": "sentiment", "max_length": MAX_LENGTH},
            "source": {"kind": "checkpoint", "name": str(self.folder / model)},
            "strategy": strategy,
            "data": {name: str(self.folder / "data" / f"{name}.jsonl") for name in ("train", "validation", "test")},
            "training": {
                "epochs": self.epochs,
                "batch_size": batch_size,
                "learning_rate": 5e-5,
                "precision": self.precision,
                **training,
            },
        }

    def job(self, folder: Path, *, batch_size: int = 32, model: str = "model", **settings: Any) -> Job:
        """The same for the Trainer."""
        return Job(
            data=str(self.folder / "data"),
            output=str(folder),
            model=str(self.folder / model),
            epochs=self.epochs,
            learning_rate=settings.pop("learning_rate", 5e-5),
            seed=0,
            max_length=MAX_LENGTH,
            batch_size=batch_size,
            bf16=self.precision == "bf16",
            **settings,
        )

    def count_tokens(self) -> int:
        """Tokens of train, special ones included."""
        from transformers import AutoTokenizer

        lines = (self.folder / "data" / "train.jsonl").read_text(encoding="utf-8").splitlines()
        texts = [json.loads(line)["text"] for line in lines]
        tokenizer = AutoTokenizer.from_pretrained(self.folder / "model")
        return sum(map(len, tokenizer(texts, truncation=True, max_length=MAX_LENGTH)["input_ids"]))


@contextlib.contextmanager
def without_simple_methods() -> Iterator[None]:
    """TF-IDF is measured once, not beside every training."""
    from nlp_transfer_tasks.sentiment import Sentiment

    before = Sentiment.baselines
    Sentiment.baselines = lambda self, splits: {}  # type: ignore[method-assign]  # noqa: ARG005
    try:
        yield
    finally:
        Sentiment.baselines = before  # type: ignore[method-assign]


def train_ours(bench: Bench, strategy: dict[str, Any], **settings: Any) -> Sample:
    """Train with this project; the time is that of the training alone, judging after each epoch included."""
    import nlp_transfer

    folder = bench.new_folder()
    peak = _reset_memory(bench)
    with without_simple_methods():
        nlp_transfer.run(bench.config(strategy, **settings), output=folder / "run", progress=False)
    metrics = read_json(folder / "run" / "metrics.json")
    shutil.rmtree(folder)
    facts = {"accuracy": metrics["test"]["accuracy"], "memory": peak()}
    return Sample(metrics["seconds"]["training"], 0.0, 0.0, facts)


@contextlib.contextmanager
def packed() -> Iterator[None]:
    """Let trainings pack their texts on a GPU too, where they keep to padded batches that can be replayed."""
    from nlp_transfer.models.surgery.packed import use_packing

    loop: Any = importlib.import_module("nlp_transfer.training.loop")
    loop.use_packing = functools.partial(use_packing, on_gpu=True)
    try:
        yield
    finally:
        loop.use_packing = use_packing


def warm_up(bench: Bench) -> None:
    """Import what trainings import, and load kernels, before anything is timed."""
    import nlp_transfer
    from benchmarks import trainer_peer  # noqa: F401

    config = bench.config({"kind": "full"})
    config["data"]["limit"] = 64
    nlp_transfer.run(config, output=bench.new_folder() / "run", progress=False)


def train_peer(bench: Bench, **settings: Any) -> Sample:
    """Train with Hugging Face's Trainer; the same part is timed."""
    from benchmarks import trainer_peer

    folder = bench.new_folder()
    peak = _reset_memory(bench)
    trainer_peer.main(bench.job(folder, **settings))
    facts = read_json(folder / "facts.json")
    shutil.rmtree(folder)
    return Sample(facts["seconds_training"], 0.0, 0.0, {"accuracy": facts["accuracy"], "memory": peak()})


def _reset_memory(bench: Bench) -> Any:
    """Count the most memory on the device from now on; the result gives gigabytes."""
    import torch

    if bench.device != "cuda":
        return lambda: 0.0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return lambda: torch.cuda.max_memory_allocated() / 1e9


def measure_peak(bench: Bench) -> float:
    """Time a large matrix product in the format of the trainings."""
    import torch

    size = 8192 if bench.device == "cuda" else 256
    kind = torch.bfloat16 if bench.device == "cuda" else torch.float32
    left = torch.ones(size, size, dtype=kind, device=bench.device)
    left @ left
    wait(bench)
    started = time.perf_counter()
    for _ in range(10):
        left @ left
    wait(bench)
    return 10 * 2 * size**3 / (time.perf_counter() - started)


def wait(bench: Bench) -> None:
    """Wait for the device."""
    import torch

    if bench.device == "cuda":
        torch.cuda.synchronize()


def read_texts(bench: Bench) -> list[str]:
    """The texts of train."""
    lines = (bench.folder / "data" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def encode_ours(bench: Bench, texts: Sequence[str]) -> Sample:
    """Features of the frozen encoder, in half precision, tokenizing included."""
    import torch

    from nlp_transfer import build_classifier
    from nlp_transfer.inference.activations import compute
    from nlp_transfer.models.encoding.documents import encode_documents
    from nlp_transfer.models.encoding.units import Boundary, TokenInputs
    from nlp_transfer.sources import load_source

    source = load_source("checkpoint", name=str(bench.folder / "model"))
    model = build_classifier(source, ["a", "b"], head="pooled").model.to(bench.device).eval()  # type: ignore[arg-type]
    if bench.device == "cuda":
        model.half()
    started = time.perf_counter()
    encoded = encode_documents(texts, source.tokenizer, max_length=MAX_LENGTH)
    with torch.inference_mode():
        compute(model, TokenInputs(encoded, 0), Boundary("pooled"), np.arange(len(texts)), progress=False)
    wait(bench)
    return Sample(time.perf_counter() - started, 0.0, 0.0)


def encode_peer(bench: Bench, texts: Sequence[str]) -> Sample:
    """The same with sentence-transformers.

    Raises:
        ImportError: it is not installed.
    """
    from sentence_transformers import SentenceTransformer, models

    word = models.Transformer(str(bench.folder / "model"), max_seq_length=MAX_LENGTH)
    model = SentenceTransformer(modules=[word, models.Pooling(word.get_word_embedding_dimension())])
    model = model.to(bench.device)
    if bench.device == "cuda":
        model.half()
    started = time.perf_counter()
    model.encode(list(texts), batch_size=128, show_progress_bar=False)
    wait(bench)
    return Sample(time.perf_counter() - started, 0.0, 0.0)


def train_writer(bench: Bench) -> Path:
    """Train a small translator, so that texts end where they should; return its run folder."""
    import nlp_transfer

    folder, config = bench.new_folder(), bench.config({"kind": "full"})
    config["task"] = {"name": "translation", "max_length": 64, "max_target_length": 32}
    config["task"]["decoder"] = {"layers": 2, "width": 64 if bench.device == "cpu" else 256, "vocabulary": 1000}
    pairs = bench.folder / "data" / "pairs"
    config["data"] = {name: str(pairs / f"{name}.jsonl") for name in ("train", "validation", "test")}
    config["data"] |= {"columns": {"source": "en", "target": "fr"}, "limit": min(2000, bench.rows)}
    config["training"] |= {"epochs": 1, "learning_rate": 1e-3}
    nlp_transfer.run(config, output=folder / "run", progress=False)
    return folder / "run"


def write(bench: Bench, run: Path, *, beams: int, ours: bool) -> Sample:
    """Write translations of 1,000 texts of train."""
    from benchmarks import generation_job

    folder = bench.new_folder()
    lines = (bench.folder / "data" / "pairs" / "train.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "some.jsonl").write_text("".join(lines[:1000]), encoding="utf-8")
    pairs = str(folder / "some.jsonl")
    generation_job.main({"run": str(run), "pairs": pairs, "output": str(folder), "beams": beams, "ours": ours})
    facts = read_json(folder / "facts.json")
    return Sample(facts["seconds"], 0.0, 0.0, {"accuracy": facts["accuracy"]})
