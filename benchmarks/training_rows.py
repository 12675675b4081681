"""Rows that train a model: this project's command line against Hugging Face's Trainer, same numbers on both sides."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.inputs import write_splits
from benchmarks.job import Job
from benchmarks.measuring import Contender, Row, read_json, run_process

BATCH_SIZE, MAX_LENGTH = 32, 128
HELD = 500  # validation rows, and as many test rows, of the small jobs


@dataclass(frozen=True)
class Scale:
    """How large the jobs are.

    Attributes:
        folder: shared by all rounds.
        data: other data than rotten-tomatoes.
        rows: at most this many training rows.
        epochs: instead of those of each row.
        held: validation rows, and as many test rows, of all jobs but full fine-tuning on all rows.
        model: bundled name, or checkpoint folder.
    """

    folder: Path
    data: Path | None = None
    rows: int | None = None
    epochs: int | None = None
    held: int = HELD
    model: str = "minilm"


@dataclass(frozen=True)
class Recipe:
    """The numbers that both sides share."""

    data: Path
    model: str
    epochs: int
    learning_rate: float
    scratch: bool = False

    def ours(self, name: str, strategy: Mapping[str, Any], **changes: Any) -> Contender:
        """`nlp-transfer run` with this recipe.

        Args:
            name: shown.
            strategy: the `strategy:` section.
            changes: `precision`, `head` of the task, `cache` (a folder, not a fresh one), `seed` (added to the round).
        """

        def command(folder: Path, turn: int) -> Sequence[str]:
            config = self._config(strategy, turn, **changes)
            (folder / "config.yaml").write_text(json.dumps(config))
            run = [sys.executable, "-m", "nlp_transfer", "run", str(folder / "config.yaml")]
            return [*run, "--output", str(folder / "run")]

        cache = changes.get("cache")
        return Contender(
            name=name,
            command=command,
            read=read_run,
            ours=True,
            environment=lambda folder: {"NLP_TRANSFER_CACHE": str(cache or folder / "cache")},
        )

    def _config(self, strategy: Mapping[str, Any], turn: int, **changes: Any) -> dict[str, Any]:
        task: dict[str, Any] = {"name": "sentiment", "max_length": MAX_LENGTH}
        if "head" in changes:
            task["head"] = changes["head"]
        return {
            "task": task,
            "source": {"kind": "checkpoint", "name": self.model, "scratch": self.scratch},
            "strategy": dict(strategy),
            "data": {name: str(self.data / f"{name}.jsonl") for name in ("train", "validation", "test")},
            "training": {
                "epochs": self.epochs,
                "batch_size": BATCH_SIZE,
                "learning_rate": self.learning_rate,
                "precision": changes.get("precision", "fp32"),
                "seed": turn + changes.get("seed", 0),
            },
        }

    def peer(self, name: str, **settings: Any) -> Contender:
        """Hugging Face's Trainer with this recipe; `settings` are those of `Job`."""

        def command(folder: Path, turn: int) -> Sequence[str]:
            job = Job(
                data=str(self.data),
                output=str(folder),
                model=self.model,
                epochs=self.epochs,
                learning_rate=self.learning_rate,
                seed=turn,
                max_length=MAX_LENGTH,
                batch_size=BATCH_SIZE,
                scratch=self.scratch,
                **settings,
            )
            return [sys.executable, "-m", "benchmarks.trainer_peer", json.dumps(asdict(job))]

        return Contender(name=name, command=command, read=lambda folder: read_json(folder / "facts.json"))


def read_run(folder: Path) -> dict[str, Any]:
    """Accuracy on test, and the seconds in which the model was at work: training and evaluation, features included."""
    metrics = read_json(folder / "run" / "metrics.json")
    seconds = metrics["seconds"]
    facts = {
        "accuracy": metrics["test"]["accuracy"],
        "model_seconds": seconds["training"] + seconds["evaluation"],
        "bf16": float(metrics["precision"] == "bf16"),
    }
    return facts | {f"seconds_{name}": value for name, value in seconds.items()}


def frozen(scale: Scale) -> Row:
    """The encoder rests: features once against an encoder pass each epoch."""
    recipe = _small(scale, "frozen", epochs=10, learning_rate=1e-3)
    gradient = {"kind": "frozen", "solver": "gradient"}
    head = {"layers": "last"}  # as the Trainer's
    return Row(
        name="frozen",
        title=f"frozen encoder, {_counted(scale)}, {recipe.epochs} epochs, end to end",
        contenders=[
            recipe.ours("frozen", gradient, head=head),
            recipe.ours("frozen, head solved", {"kind": "frozen"}),
            recipe.ours("frozen, precision: auto", gradient, precision="auto", head=head),
            recipe.peer("Trainer, encoder frozen", pooled=True, freeze=-1),
        ],
        targets={"Trainer, encoder frozen": 12.0},
        examples=scale.held,
        prepare=partial(_write, scale, recipe.data, 2000, scale.held),
    )


def warm(scale: Scale) -> Row:
    """Another seed or head on features that an earlier run left, against a first run."""
    recipe = _small(scale, "warm", epochs=10, learning_rate=1e-3)
    cache = scale.folder / "warm-cache"
    gradient = {"kind": "frozen", "solver": "gradient"}

    def prepare() -> None:
        if (scale.folder / "warm-first").exists():
            return
        _write(scale, recipe.data, 2000, scale.held)
        # The embedding of the checkpoint's own; and pooled states, which a head with another pooling finds.
        for name, head in {"own": {}, "mean": {"pooling": ["mean"]}}.items():
            folder = scale.folder / "warm-first" / name
            folder.mkdir(parents=True)
            filler = recipe.ours("first", gradient, cache=cache, head=head)
            run_process(filler.command(folder, 0), folder / "log.txt", filler.environment(folder))

    first = recipe.ours("first run", gradient)
    return Row(
        name="warm",
        title="the same on a warm cache, time in the model",
        contenders=[
            recipe.ours("another seed", {"kind": "frozen"}, cache=cache, seed=100),
            recipe.ours(
                "another head: mean and max", {"kind": "frozen"}, cache=cache, head={"pooling": ["mean", "max"]}
            ),
            recipe.ours("another seed, head by gradient", gradient, cache=cache, seed=100),
            recipe.ours("another, deeper head", gradient, cache=cache, head={"hidden": [64]}),
            Contender(first.name, first.command, first.read, ours=False, environment=first.environment),
        ],
        targets={"first run": 50.0},
        quantity="model_seconds",
        says="training and evaluation, features included; reading data, loading and saving excluded",
        examples=scale.held,
        prepare=prepare,
    )


def warm_process(scale: Scale) -> Row:
    """Start, simple methods and saving too, against nothing but importing what every such program imports."""
    row = warm(scale)
    return Row(
        name="warm-process",
        title="a frozen encoder's second run, its features in the cache, whole process",
        contenders=[
            row.contenders[0],
            Contender("import torch, transformers", lambda *_: [sys.executable, "-c", "import torch, transformers"]),
        ],
        targets={"import torch, transformers": 0.5},
        quantity="cpu",
        says="processor time of the whole process",
        prepare=row.prepare,
    )


def top_layer(scale: Scale) -> Row:
    """Five of six layers rest: their activations once against a pass each epoch."""
    recipe = _small(scale, "top-layer", epochs=5, learning_rate=1e-4)
    return Row(
        name="top-layer",
        title=f"only the top 1 of 6 layers trains, {_counted(scale)}, {recipe.epochs} epochs, end to end",
        contenders=[
            recipe.ours("full, freeze_below: 5", {"kind": "full", "freeze_below": 5}),
            recipe.peer("Trainer, same layers frozen", freeze=5),
        ],
        targets={"Trainer, same layers frozen": 2.5},
        quick=False,
        examples=scale.held,
        prepare=partial(_write, scale, recipe.data, 2000, scale.held),
    )


def full(scale: Scale) -> Row:
    """Everything trains on the whole data; the round is the seed."""
    recipe = Recipe(scale.folder / "full-data", scale.model, scale.epochs or 3, 5e-5)
    counted = f"{'sst2' if scale.data else 'rotten-tomatoes'}, {f'{scale.rows:,}' if scale.rows else 'all'} rows"
    held = scale.held if scale.rows is not None else None
    return Row(
        name="full",
        title=f"full fine-tuning, {counted}, {recipe.epochs} epochs, end to end",
        contenders=[
            recipe.ours("full, fp32", {"kind": "full"}),
            recipe.ours("full, precision: auto", {"kind": "full"}, precision="auto"),
            recipe.peer("Trainer"),
            recipe.peer("Trainer, grouped by length", sampling="group_by_length"),
            recipe.peer("Trainer, padded to 128", padding=True),
        ],
        targets={"Trainer": 1.7, "Trainer, grouped by length": 1.1, "Trainer, padded to 128": 3.5},
        quick=False,
        examples=held or 850,
        prepare=partial(_write, scale, recipe.data, scale.rows, held),
    )


def _small(scale: Scale, name: str, *, epochs: int, learning_rate: float) -> Recipe:
    return Recipe(scale.folder / f"{name}-data", scale.model, scale.epochs or epochs, learning_rate)


def _counted(scale: Scale) -> str:
    return f"{min(scale.rows or 2000, 2000):,} + {2 * scale.held:,} rows"


def _write(scale: Scale, folder: Path, train: int | None, held: int | None) -> None:
    most = train if scale.rows is None else min(scale.rows, train or scale.rows)
    write_splits(folder, train=most, held=held, data=scale.data)


ROWS: Sequence[Callable[[Scale], Row]] = (frozen, warm, warm_process, top_layer, full)
