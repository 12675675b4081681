"""Few labels on frozen features: the head that a run solves, on other features too, in many draws and without seconds.

python -m benchmarks.few_labels_heads --data rotten-tomatoes=reviews.csv tweets=tweets.csv news=news.csv --seeds 10

Draws are those of `benchmarks.few_labels`; validation is cut, features are standardised and the head is solved as in a
run. Logistic regression by the defaults of scikit-learn stands beside it; it reads the rows of validation too. With
`--other` test rows are others, for what is chosen must not be chosen on the rows that are reported.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.few_labels import draw, read_rows, write_rows
from benchmarks.few_labels_peer import embed, normalise
from nlp_transfer.config.data import DataConfig
from nlp_transfer.data.splits import Splits, load_splits
from nlp_transfer.evaluation.folds import deal_folds
from nlp_transfer.training.regression import Rows, fit_outputs
from nlp_transfer.training.solver import choose_solution

LAYERS = (-4, -3, -2, -1)


def list_features(means: np.ndarray) -> dict[str, np.ndarray]:
    """Name -> (N, F), of the means (N, 4, H) of the last four layers."""
    return {
        "own": normalise(means[:, 3]),
        "last_four": means.mean(1),
        "[-3, -1]": means[:, [1, 3]].reshape(len(means), -1),
    }


def answer(train: Rows, judges: Rows, test: np.ndarray) -> np.ndarray:
    """The classes (N,) of test (N, F), by the head that a run solves on train and validation."""
    shift, deviation = train.x.mean(0), train.x.std(0)
    scale = 1.0 / np.where(deviation > 1e-6, deviation, 1.0)
    folds = deal_folds(train.y, np.arange(len(train.y)))
    rows = [one._replace(x=(one.x - shift) * scale) for one in (train, judges)]
    count = len(set(train.y))
    chosen = choose_solution(*rows, solved_as="softmax", count=count, folds=folds)
    both = Rows(*(np.concatenate(columns) for columns in zip(*rows, strict=True)))
    (found,) = fit_outputs(both, (chosen.strength,), count, solved_as="softmax")
    classes: np.ndarray = found.predict((test - shift) * scale).argmax(1)
    return classes


def cut(test: list[dict[str, str]], train: list[dict[str, str]], seed: int) -> Splits:
    """The splits of a run on these rows: validation is cut from train."""
    with tempfile.TemporaryDirectory() as folder:
        places = [str(write_rows(Path(folder) / name, rows)) for name, rows in (("a.csv", train), ("b.csv", test))]
        return load_splits(DataConfig(train=places[0], test=places[1]), {"text": "text", "label": "label"}, seed=seed)


def score(splits: Splits, known: dict[str, np.ndarray], max_length: int) -> dict[str, float]:
    """Features -> test accuracy of one draw; `known` keeps the means of texts."""
    parts = [part.to_dict() for part in (splits.train, splits.validation, splits.test)]
    new = [text for part in parts for text in part["text"] if text not in known]
    known.update(zip(new, embed(new, max_length, LAYERS), strict=True))
    inputs = [list_features(np.stack([known[text] for text in part["text"]])) for part in parts]
    labels = [np.asarray(part["label"]) for part in parts]

    found = {}
    for name in inputs[0]:
        train, judges = (Rows(inputs[at][name], labels[at], np.ones(len(labels[at]))) for at in (0, 1))
        found[name] = float(np.mean(answer(train, judges, inputs[2][name]) == labels[2]))
    own = [one["own"] for one in inputs]
    plain = LogisticRegression(max_iter=1000).fit(np.concatenate(own[:2]), np.concatenate(labels[:2]))
    return {**found, "logistic": float(plain.score(own[2], labels[2]))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True, metavar="NAME=FILE.csv")
    parser.add_argument("--sizes", nargs="+", type=int, default=[4, 8, 16, 64], help="labels a class")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--test", type=int, default=300, help="rows of test")
    parser.add_argument("--other", action="store_true", help="test on the rows behind those that are reported")
    parser.add_argument("--max-length", type=int, default=48)
    wishes = parser.parse_args()

    print("| data | labels a class | own | last_four | [-3, -1] | logistic |\n|---|---|---|---|---|---|")
    for place in wishes.data:
        name, _, file = place.partition("=")
        rows = read_rows(Path(file))
        known: dict[str, np.ndarray] = {}
        if wishes.other:
            rows = rows[wishes.test :]
        test, rest = rows[: wishes.test], rows[wishes.test :]
        for size in wishes.sizes:
            draws = [cut(test, draw(rest, size, seed), seed) for seed in range(wishes.seeds)]
            scores = zip(*(score(one, known, wishes.max_length).values() for one in draws), strict=True)
            cells = [f"{np.mean(of):.3f} ± {np.std(of, ddof=1):.3f}" for of in scores]
            print(f"| {name} | {size} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
