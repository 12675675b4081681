"""What the peer is asked to do; apart from the code that does it, which takes seconds to import."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Job:
    """What to do; the same numbers as the other side's configuration.

    Attributes:
        data: folder with the splits as JSONL.
        output: folder to write to.
        model: checkpoint folder.
        epochs: over train, with validation after each.
        learning_rate: peak.
        seed: of everything.
        max_length: tokens.
        batch_size: of training and evaluation.
        pooled: a linear head on mean-pooled states instead of the checkpoint's own head.
        freeze: this many layers and the embeddings rest; -1 for the whole encoder.
        sampling: `random`, or `group_by_length`.
        padding: of each text to `max_length`; else of each batch to its longest.
        bf16: mixed precision.
        scratch: random weights.
        lora: adapters of rank 16 on all linear layers train, not the model.
    """

    data: str
    output: str
    model: str
    epochs: int
    learning_rate: float
    seed: int
    max_length: int
    batch_size: int
    pooled: bool = False
    freeze: int = 0
    sampling: str = "random"
    padding: bool = False
    bf16: bool = False
    scratch: bool = False
    lora: bool = False


@dataclass(frozen=True)
class PairJob:
    """What to do; the same numbers as the other side's configuration."""

    data: str
    output: str
    epochs: int
    seed: int
    learning_rate: float
    batch_size: int
    max_length: int
    frozen: bool
    decoder: dict[str, Any]


@dataclass(frozen=True)
class MaskedJob:
    """What to do; the same numbers as the other side's configuration. `grouped` lays texts end to end, then cuts."""

    data: str
    output: str
    model: str
    epochs: int
    learning_rate: float
    seed: int
    max_length: int
    batch_size: int
    grouped: bool


def shared_arguments(job: Job | PairJob | MaskedJob) -> dict[str, Any]:
    """What both trainers are told."""
    return {
        "output_dir": job.output,
        "per_device_train_batch_size": job.batch_size,
        "per_device_eval_batch_size": job.batch_size,
        "num_train_epochs": job.epochs,
        "learning_rate": job.learning_rate,
        "weight_decay": 0.01,
        "warmup_steps": 0.1,
        "eval_strategy": "epoch",
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": job.seed,
    }
