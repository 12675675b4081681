"""Few labels: our strategies beside SetFit, logistic regression on mean-pooled states, and TF-IDF; whole processes.

python -m benchmarks.few_labels --output runs/few --data rotten-tomatoes=reviews.csv tweets=tweets.csv news=news.csv \
    --sizes 4 8 16 64 --seeds 5 --setfit .venv-setfit/bin/python

Files have the columns text and label. The first rows of a file, in an order drawn with seed 0, are test; each seed
draws its rows of train from the others. Everybody gets the same rows; ours cuts its validation out of them. Contenders
run in turn, every other round backwards. `--setfit` is the Python of an environment that holds setfit; without it that
peer is left out. A study that was stopped goes on with the same command.
"""

import argparse
import csv
import json
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import read_json, run_process

FOUND = "found.jsonl"  # a line for each contender of each round
OURS = {  # contender -> what it sets
    "frozen": ["strategy.kind=frozen"],
    "frozen-two": ["strategy.kind=frozen", "task.head.layers=[-3, -1]"],
    "full": ["strategy.kind=full"],
    "full-pooled": ["strategy.kind=full", "task.head.kind=pooled"],
    "lora": ["strategy.kind=lora"],
    "lora-pooled": ["strategy.kind=lora", "task.head.kind=pooled"],
}
Rows = Sequence[dict[str, Any]]


def read_rows(path: Path) -> list[dict[str, str]]:
    csv.field_size_limit(10**9)
    with path.open(encoding="utf-8", newline="") as file:
        rows = [{"text": row["text"], "label": row["label"]} for row in csv.DictReader(file)]
    return [rows[at] for at in np.random.default_rng(0).permutation(len(rows))]


def write_rows(path: Path, rows: Rows) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["text", "label"])
        writer.writeheader()
        writer.writerows(rows)
    return path


def draw(rows: Rows, size: int, seed: int) -> list[dict[str, str]]:
    """`size` rows of each label."""
    order = np.random.default_rng(seed).permutation(len(rows))
    of = {label: [at for at in order if rows[at]["label"] == label][:size] for label in {row["label"] for row in rows}}
    chosen = {at for drawn in of.values() for at in drawn}
    return [rows[at] for at in order if at in chosen]


def list_commands(folder: Path, seed: int, wishes: argparse.Namespace) -> dict[str, list[str]]:
    """Contender -> its command; it leaves metrics.json in the folder of its name."""
    ours = [sys.executable, "-m", "nlp_transfer", "run", "--task", "classification", "--source", "minilm"]
    keys = [f"data.train={folder / 'train.csv'}", f"data.test={folder / 'test.csv'}", "training.precision=fp32"]
    keys += [f"task.max_length={wishes.max_length}", f"training.seed={seed}"]
    commands = {name: [*ours, *keys, *OURS[name], "--output", str(folder / name)] for name in wishes.ours}
    peer = ["-m", "benchmarks.few_labels_peer", str(folder / "train.csv"), str(folder / "test.csv")]
    peer += [f"--max-length={wishes.max_length}", f"--seed={seed}"]
    commands["logistic"] = [sys.executable, *peer, f"--output={folder / 'logistic'}"]
    if wishes.setfit:
        commands["setfit"] = [wishes.setfit, *peer, f"--output={folder / 'setfit'}", f"--steps={wishes.steps}"]
    return commands


def measure(folder: Path, about: dict[str, Any], wishes: argparse.Namespace, *, backwards: bool) -> None:
    """Run the contenders of one draw, but for those that are measured already."""
    path = wishes.output / FOUND
    known = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    commands = list_commands(folder, about["seed"], wishes)
    for name in sorted(commands, reverse=backwards):
        if any(one["name"] == name and about.items() <= one.items() for one in known):
            continue
        alone = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "NLP_TRANSFER_CACHE": str(folder / name / "cache")}
        sample = run_process([*commands[name], *_redo(folder / name)], folder / f"{name}.txt", alone)
        shutil.rmtree(folder / name / "cache", ignore_errors=True)
        metrics = read_json(folder / name / "metrics.json")
        found = {**about, "name": name, "accuracy": metrics["test"]["accuracy"], "wall": sample.wall, "cpu": sample.cpu}
        if "baselines" in metrics:
            found["tfidf"] = metrics["baselines"]["tfidf_logistic"]["test"]["accuracy"]
        write(path, found)


def write(path: Path, found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)
    with path.open("a") as file:
        file.write(json.dumps(found) + "\n")


def _redo(folder: Path) -> list[str]:
    """A run of ours that was stopped goes on."""
    return ["--resume", "auto"] if (folder / "config.yaml").exists() else []


def relate(ours: Rows, theirs: Rows) -> float:
    """The median over the seeds of their CPU seconds for one of ours."""
    seconds = {one["seed"]: one["cpu"] for one in theirs}
    ratio: float = statistics.median(seconds[one["seed"]] / one["cpu"] for one in ours if one["seed"] in seconds)
    return ratio


def write_table(found: Sequence[dict[str, Any]]) -> str:
    """Mean test accuracy over the seeds, and how many times as much CPU time SetFit takes as our best."""
    names = [*dict.fromkeys(one["name"] for one in found)]
    titles = ["data", "labels a class", "seeds", "tfidf", *names, "setfit's CPU seconds over ours"]
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    for data, size in dict.fromkeys((one["data"], one["size"]) for one in found):
        of = {n: [o for o in found if (o["data"], o["size"], o["name"]) == (data, size, n)] for n in names}
        simple = [one["tfidf"] for runs in of.values() for one in runs if "tfidf" in one]
        means = [f"{statistics.mean(one['accuracy'] for one in runs):.3f}" if runs else "" for runs in of.values()]
        ratios = [f"{name} {relate(of[name], of['setfit']):.1f}" for name in OURS if of.get(name) and of.get("setfit")]
        seeds = len({one["seed"] for runs in of.values() for one in runs})
        cells = [data, size, seeds, f"{statistics.mean(simple):.3f}" if simple else "", *means, ", ".join(ratios)]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--data", nargs="+", required=True, metavar="NAME=FILE.csv")
    parser.add_argument("--sizes", nargs="+", type=int, default=[4, 8, 16, 64], help="labels a class")
    parser.add_argument("--seeds", type=int, default=5, help="draws; at most 3 from 64 labels a class on")
    parser.add_argument("--ours", nargs="*", default=[*OURS], choices=[*OURS])
    parser.add_argument("--test", type=int, default=500, help="rows of test")
    parser.add_argument("--setfit", help="a Python that can import setfit")
    parser.add_argument("--steps", type=int, default=100, help="most steps of setfit, of 16 pairs; at most an epoch")
    parser.add_argument("--max-length", type=int, default=48)
    wishes = parser.parse_args()
    wishes.output = wishes.output.absolute()

    for place in wishes.data:
        name, _, file = place.partition("=")
        rows = read_rows(Path(file))
        for size in wishes.sizes:
            for seed in range(wishes.seeds if size < 64 else min(wishes.seeds, 3)):
                folder = wishes.output / f"{name}-{size}-{seed}"
                folder.mkdir(parents=True, exist_ok=True)
                write_rows(folder / "train.csv", draw(rows[wishes.test :], size, seed))
                write_rows(folder / "test.csv", rows[: wishes.test])
                measure(folder, {"data": name, "size": size, "seed": seed}, wishes, backwards=bool(seed % 2))
    print(write_table([json.loads(line) for line in (wishes.output / FOUND).read_text().splitlines()]))


if __name__ == "__main__":
    main()
