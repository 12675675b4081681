"""Every source by every strategy on rotten-tomatoes, with controls: writes docs/results.md and docs/results.png.

python -m benchmarks.quality --output runs/quality
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import yaml

import nlp_transfer
from nlp_transfer.config import DataConfig
from nlp_transfer.data import load_splits

ROOT = Path(__file__).parent.parent
STRATEGIES: dict[str, dict[str, Any]] = {
    "full": {"kind": "full"},
    "lora": {"kind": "lora"},
    "frozen": {"kind": "frozen"},
    "gradual": {"kind": "gradual"},
}
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


def write_configs(folder: Path, word2vec: Path) -> list[Path]:
    """One file per run; `scratch` controls for each architecture."""
    runs = {
        f"{s}_{k}": (source, strategy) for s, source in sources(word2vec).items() for k, strategy in STRATEGIES.items()
    }
    for name in ("minilm", "glove", "glove_cnn", "glove_bilstm"):
        runs[f"{name}_scratch"] = ({**sources(word2vec)[name], "scratch": True}, STRATEGIES["full"])
    paths = []
    for name, (source, strategy) in runs.items():
        config = {
            "task": {"name": "sentiment"},
            "source": source,
            "strategy": strategy,
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


def table(results: dict[str, Any]) -> str:
    lines = [
        "| source | strategy | trainable | seconds | validation accuracy | test accuracy | test macro-F1 |",
        "|" + "---|" * 7,
    ]
    runs = results["runs"]
    baselines = next(iter(runs.values()))["baselines"]
    for name, scores in baselines.items():
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--word2vec", type=Path, help="Vectors trained on the imdb reviews before.")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True)
    vectors = arguments.word2vec or train_word2vec(arguments.output)
    configs = arguments.output / "configs"
    configs.mkdir()
    found = nlp_transfer.compare(write_configs(configs, vectors), output=arguments.output / "runs", progress=False)
    results = json.loads((found.folder / "comparison.json").read_text())
    print(table(results))
    shutil.copy(found.folder / "plot.png", ROOT / "docs" / "results.png")
    (arguments.output / "table.md").write_text(table(results) + "\n")


if __name__ == "__main__":
    main()
