"""What does `label` save? Rows are labelled in rounds, chosen by it or by chance, and a probe is fitted to them.

python -m benchmarks.labelling runs/reviews --output runs/labelling --figure docs/results-labelling.png \
    --data rotten-tomatoes=bundled:rotten-tomatoes tweets=tweets.csv news=news.csv

The features are those of the run's model, whatever it was trained on. Sets have columns text and label.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import nlp_transfer
from nlp_transfer.data.locations import open_place
from nlp_transfer.evaluation.choosing import choose_rows
from nlp_transfer.evaluation.one_thread import use_one_thread
from nlp_transfer.runs.unlabelled.observe import observe
from nlp_transfer.training.regression import Rows, fit_multinomial

ROWS, TESTED = 4000, 1000  # of each set; the test is drawn from them anew with each seed
ROUND = 20  # labels of the first round, by chance, and of each one after it
ROUNDS = 10
SEEDS = 10
PENALTY = 0.01  # inverse; the same for all
Chooser = Callable[[np.ndarray, np.ndarray, int], list[int]]
COLOURS = {"by chance": "#8a8a8a", "least sure": "#c1666b", "label": "#2a6f97"}


def choose_by_chance(_features: np.ndarray, margins: np.ndarray, seed: int) -> list[int]:
    return list(map(int, np.random.default_rng(seed).permutation(len(margins))[:ROUND]))


def choose_least_sure(_features: np.ndarray, margins: np.ndarray, _seed: int) -> list[int]:
    return list(map(int, np.argsort(margins)[:ROUND]))


def choose_by_label(features: np.ndarray, margins: np.ndarray, seed: int) -> list[int]:
    return choose_rows(features, margins.tolist(), ROUND, seed=seed)


METHODS: dict[str, Chooser] = {
    "by chance": choose_by_chance,
    "least sure": choose_least_sure,
    "label": choose_by_label,
}


def read_set(predictor: Any, place: str) -> tuple[np.ndarray, np.ndarray]:
    """Features and class of some rows, drawn with seed 0."""
    cells = [row.cells for row in open_place(place, "test").rows]
    chosen = np.sort(np.random.default_rng(0).permutation(len(cells))[:ROWS])
    texts = [(cells[at]["text"],) for at in chosen]
    features = observe(predictor, predictor.collect(texts), progress=False).features
    return features, np.unique([cells[at]["label"] for at in chosen], return_inverse=True)[1]


def grow(x: np.ndarray, y: np.ndarray, choose: Chooser, seed: int) -> list[float]:
    """Test accuracy after each round."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    tested, pool = order[:TESTED], order[TESTED:]
    x = (x - x[pool].mean(0)) / (x[pool].std(0) + 1e-6)
    known, left = pool[:ROUND], pool[ROUND:]
    classes, found = int(y.max()) + 1, []
    for _ in range(ROUNDS):
        with use_one_thread():
            (probe,) = fit_multinomial(Rows(x[known], y[known], np.ones(len(known))), [PENALTY], classes)
        found.append(float((probe.predict(x[tested]).argmax(1) == y[tested]).mean()))

        logits = probe.predict(x[left])
        shares = np.exp(logits - logits.max(1, keepdims=True))
        ordered = np.sort(shares / shares.sum(1, keepdims=True), axis=1)
        taken = choose(x[left], ordered[:, -1] - ordered[:, -2], int(rng.integers(1 << 30)))
        known, left = np.concatenate([known, left[taken]]), np.delete(left, taken)
    return found


def measure(predictor: Any, path: Path, place: str) -> dict[str, list[list[float]]]:
    """Method -> accuracy of each seed after each round; kept in a file."""
    if not path.exists():
        x, y = read_set(predictor, place)
        found = {name: [grow(x, y, choose, seed) for seed in range(SEEDS)] for name, choose in METHODS.items()}
        path.write_text(json.dumps(found))
    return dict(json.loads(path.read_text()))


def count_needed(curve: np.ndarray, score: float) -> str:
    """How many labels by chance reach a score, between two rounds by a straight line; `more` if none did."""
    best = np.maximum.accumulate(curve)
    if best[-1] < score:
        return f"more than {ROUND * ROUNDS}"
    sizes = ROUND * np.arange(1, ROUNDS + 1)
    return f"{np.interp(score, best, sizes):.0f}"


def write_table(found: dict[str, dict[str, list[list[float]]]]) -> str:
    shown = (40, 100, 200)
    titles = ["data", "rows chosen", *(f"{size} labels" for size in shown), "over chance in points, 40 to 200"]
    titles.append("labels by chance for its score at 100")
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    for data, methods in found.items():
        chance = np.array(methods["by chance"])
        for name, curves in methods.items():
            curve = np.array(curves)
            gain = 100 * (curve - chance)[:, 1:].mean(1)  # of each seed, whose test is the same for all
            reach = 2.262 * gain.std(ddof=1) / np.sqrt(SEEDS)  # t of nine degrees of freedom
            mean = curve.mean(0)
            cells = [data, name, *(f"{mean[size // ROUND - 1]:.3f}" for size in shown)]
            own = name == "by chance"
            cells.append(
                "-" if own else f"{gain.mean():+.1f} ({gain.mean() - reach:+.1f} to {gain.mean() + reach:+.1f})"
            )
            cells.append("100" if own else count_needed(chance.mean(0), mean[100 // ROUND - 1]))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(found: dict[str, dict[str, list[list[float]]]], path: Path) -> None:
    """A panel for each set: mean accuracy by the number of labels, with the standard error over seeds as a band."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(found), 3.6), layout="constrained")
    sizes = ROUND * np.arange(1, ROUNDS + 1)
    for place, (data, methods) in enumerate(found.items(), 1):
        axes = figure.add_subplot(1, len(found), place)
        for name, curves in methods.items():
            mean, error = np.mean(curves, axis=0), np.std(curves, axis=0, ddof=1) / np.sqrt(SEEDS)
            axes.fill_between(sizes, mean - error, mean + error, color=COLOURS[name], alpha=0.2, linewidth=0)
            axes.plot(sizes, mean, color=COLOURS[name], label=name)
        axes.set_title(data, loc="left", fontsize=10)
        axes.set_xlabel("labelled rows")
        axes.spines[["top", "right"]].set_visible(False)
        if place == 1:
            axes.set_ylabel("test accuracy")
            axes.legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--data", nargs="+", required=True, metavar="NAME=PLACE")
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()

    arguments.output.mkdir(parents=True, exist_ok=True)
    predictor = nlp_transfer.load(arguments.run)
    found = {}
    for one in arguments.data:
        name, _, place = one.partition("=")
        found[name] = measure(predictor, arguments.output / f"{name}.json", place)
    print(write_table(found))
    if arguments.figure:
        draw(found, arguments.figure)


if __name__ == "__main__":
    main()
