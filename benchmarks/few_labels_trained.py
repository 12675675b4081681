"""Few labels: are `full` and `lora`, as they are by default, below the frozen probe of the same source?

python -m benchmarks.few_labels_trained --output runs/trained --data rotten-tomatoes=reviews.csv tweets=tweets.csv \
    --sizes 8 64 --seeds 3

Rows are drawn as in `benchmarks.few_labels`. All runs are made in one process, and one that is done is not repeated.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import nlp_transfer
from benchmarks.few_labels import OURS, draw, read_rows, write, write_rows
from nlp_transfer.evaluation.metrics import bootstrap_difference

FOUND = "found.jsonl"  # a line for each run


def measure(folder: Path, name: str, seed: int, max_length: int) -> dict[str, Any]:
    """Train one contender on the rows in a folder; its scores, the hits of each test row, and what it took."""
    keys = [f"data.train={folder / 'train.csv'}", f"data.test={folder / 'test.csv'}", "training.precision=fp32"]
    keys += [f"task.max_length={max_length}", f"training.seed={seed}", *OURS[name]]
    base = {"task": {"name": "classification"}, "source": {"kind": "checkpoint", "name": "minilm"}}
    done = nlp_transfer.run(base, keys, output=folder / name, resume="auto", progress=False)
    metrics = done.metrics
    return {
        "accuracy": metrics["test"]["accuracy"],
        "steps": metrics["steps"],
        "seconds": metrics["seconds"]["training"],
        "hits": json.loads((folder / name / "hits.json").read_text())["run"],
    }


def write_table(found: list[dict[str, Any]]) -> str:
    """Each contender less the frozen probe in points, and on how many draws it is below by more than chance."""
    titles = ["data", "labels a class", "seeds", "frozen", "contender", "accuracy", "less frozen", "below by more"]
    lines = [f"| {' | '.join(titles)} |", "|---|---:|---:|---:|---|---:|---:|---:|"]
    for data, size in dict.fromkeys((one["data"], one["size"]) for one in found):
        cell = [one for one in found if (one["data"], one["size"]) == (data, size)]
        probes = {one["seed"]: one for one in cell if one["name"] == "frozen"}
        for name in dict.fromkeys(one["name"] for one in cell if one["name"] != "frozen"):
            pairs = [(one, probes[one["seed"]]) for one in cell if one["name"] == name and one["seed"] in probes]
            apart = [bootstrap_difference(one["hits"], probe["hits"]) for one, probe in pairs]
            means = [sum(side["accuracy"] for side in sides) / len(pairs) for sides in zip(*pairs, strict=True)]
            worse = sum(one.high < 0 for one in apart)
            numbers = [f"{means[1]:.3f}", name, f"{means[0]:.3f}", f"{100 * (means[0] - means[1]):+.1f}"]
            lines.append(f"| {data} | {size} | {len(pairs)} | {' | '.join(numbers)} | {worse} of {len(pairs)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--data", nargs="+", required=True, metavar="NAME=FILE.csv")
    parser.add_argument("--sizes", nargs="+", type=int, default=[8, 64], help="labels a class")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ours", nargs="*", default=["frozen", "full", "lora"], choices=[*OURS])
    parser.add_argument("--test", type=int, default=300, help="rows of test")
    parser.add_argument("--max-length", type=int, default=48)
    wishes = parser.parse_args()

    path = wishes.output.absolute() / FOUND
    for size in wishes.sizes:
        for seed in range(wishes.seeds):
            for place in wishes.data:
                data, _, file = place.partition("=")
                rows, folder = read_rows(Path(file)), path.parent / f"{data}-{size}-{seed}"
                folder.mkdir(parents=True, exist_ok=True)
                write_rows(folder / "train.csv", draw(rows[wishes.test :], size, seed))
                write_rows(folder / "test.csv", rows[: wishes.test])
                for name in wishes.ours:
                    about = {"data": data, "size": size, "seed": seed, "name": name}
                    known = [json.loads(line) for line in path.open()] if path.exists() else []
                    if not any(about.items() <= one.items() for one in known):
                        write(path, {**about, **measure(folder, name, seed, wishes.max_length)})
    print(write_table([json.loads(line) for line in path.open()]))


if __name__ == "__main__":
    main()
