"""Every source by every strategy on rotten-tomatoes, with controls: writes docs/results.json, .md and .png.

python -m benchmarks.quality --output runs/quality
"""

import argparse
import json
from pathlib import Path
from typing import Any

import yaml

import nlp_transfer
from nlp_transfer.config import DataConfig
from nlp_transfer.data import load_splits
from nlp_transfer.report import Row, plot
from nlp_transfer.task import find_task

DOCS = Path(__file__).parent.parent / "docs"
BEGIN, END = "<!-- written by benchmarks.quality -->", "<!-- end -->"
CONTROLLED = ("minilm", "glove", "glove_cnn", "glove_bilstm")  # also from scratch
RUNS = [
    f"{source}_{strategy}"
    for source in (*CONTROLLED, "word2vec")
    for strategy in ("full", "lora", "frozen", "gradual", "scratch")
    if strategy != "scratch" or source in CONTROLLED
]
EPOCHS = {"checkpoint": 3, "vectors": 5}


def sources(word2vec: Path) -> dict[str, dict[str, Any]]:
    """What is transferred from."""
    glove = {"kind": "vectors", "name": "glove-50d"}
    return {
        "minilm": {"kind": "checkpoint", "name": "minilm"},
        "glove": glove,
        "glove_cnn": {**glove, "contextualizer": "cnn"},
        "glove_bilstm": {**glove, "contextualizer": "bilstm"},
        "word2vec": {"kind": "vectors", "name": str(word2vec)},
    }


def write_configs(folder: Path, word2vec: Path, names: list[str]) -> list[Path]:
    """One file per run."""
    paths = []
    for name in names:
        source_name, _, strategy = name.rpartition("_")
        source = sources(word2vec)[source_name] | ({"scratch": True} if strategy == "scratch" else {})
        config = {
            "task": {"name": "sentiment"},
            "source": source,
            "strategy": {"kind": strategy.replace("scratch", "full")},
            "data": {"train": "bundled:rotten-tomatoes"},
            "training": {"epochs": EPOCHS[source["kind"]], "batch_size": 32, "seed": 0},
        }
        path = folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(config))
        paths.append(path)
    return paths


def train_word2vec(folder: Path) -> Path:
    """100-dimensional skip-gram vectors of the imdb reviews: in-domain text, no labels used."""
    corpus, vectors = folder / "imdb.jsonl", folder / "word2vec-imdb"
    splits = load_splits(DataConfig(train="bundled:imdb"), {"text": "text", "label": "label"})
    with corpus.open("w", encoding="utf-8") as file:
        for rows in (splits.train, splits.validation, splits.test):
            file.writelines(json.dumps({"text": text}) + "\n" for text in rows["text"])
    nlp_transfer.train_vectors(corpus, vectors, dim=100, epochs=5, workers=1)
    return vectors


def table(runs: dict[str, Any]) -> str:
    """A line per baseline and per run."""
    lines = [
        "| source | strategy | trainable | seconds | validation accuracy | test accuracy | test macro-F1 |",
        "|" + "---|" * 7,
    ]
    for name, scores in next(iter(runs.values()))["baselines"].items():
        lines.append(f"| {name} | - | - | - | {_cells(scores)} |")
    for name, metrics in runs.items():
        source, _, strategy = name.rpartition("_")
        strategy = "full, from scratch" if strategy == "scratch" else strategy
        size = f"{metrics['parameters']['trainable']:,}"
        lines.append(f"| {source} | {strategy} | {size} | {metrics['seconds']['training']:.0f} | {_cells(metrics)} |")
    return "\n".join(lines)


def _cells(scores: dict[str, Any]) -> str:
    shown = (scores["validation"]["accuracy"], scores["test"]["accuracy"], scores["test"]["macro_f1"])
    return " | ".join(f"{value:.4f}" for value in shown)


def keep(path: Path, found: dict[str, Any]) -> dict[str, Any]:
    """Add runs to those that results.json holds, in the order of `write_configs`; return all."""
    parts = ("parameters", "seconds", "baselines", "validation", "test", "seed", "precision")
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known |= {name: {part: metrics[part] for part in parts} for name, metrics in found.items()}
    known = {name: known[name] for name in RUNS if name in known}
    path.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    return known


def write_table(page: Path, text: str) -> None:
    """Put a table between the markers of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def draw(runs: dict[str, Any], path: Path) -> None:
    """Test accuracy of all runs, beside the baselines."""

    def row(name: str, metrics: dict[str, Any], source: str = "", strategy: str = "") -> Row:
        return Row(
            name=name,
            source=source,
            strategy=strategy.replace("scratch", "full"),
            scratch=strategy == "scratch",
            **metrics.get("parameters", {"trainable": 0, "total": 0}),
            seconds=None,
            validation=metrics["validation"],
            test=metrics["test"],
            correct=[],
        )

    rows = [row(name, metrics, *name.rsplit("_", 1)) for name, metrics in runs.items()]
    baselines = [row(name, scores) for name, scores in next(iter(runs.values()))["baselines"].items()]
    plot(rows, baselines, path, task=find_task("sentiment"))


def main() -> None:
    """Train what is asked for and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--word2vec", type=Path, help="vectors trained on the imdb reviews before")
    parser.add_argument("--only", metavar="NAME", nargs="+", choices=RUNS, default=RUNS, help="runs; default all")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True)
    vectors = arguments.word2vec or train_word2vec(arguments.output)
    configs = arguments.output / "configs"
    configs.mkdir()
    paths = write_configs(configs, vectors, arguments.only)
    nlp_transfer.compare(paths, output=arguments.output / "runs", progress=False)
    found = {
        path.stem: json.loads((arguments.output / "runs" / path.stem / "metrics.json").read_text()) for path in paths
    }
    runs = keep(DOCS / "results.json", found)
    write_table(DOCS / "results.md", table(runs))
    draw(runs, DOCS / "results.png")


if __name__ == "__main__":
    main()
