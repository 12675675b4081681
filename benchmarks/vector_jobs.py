"""Jobs on word vectors, each run in a fresh process: `python -m benchmarks.vector_jobs JOB SHARED_FOLDER OUTPUT_FILE`.

Only the work is timed, not the imports: the seconds of a job stand in OUTPUT_FILE beside what it found.
"""

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.inputs import reviews

WORD = re.compile(r"\w+|[^\w\s]")
HELD = 5  # every fifth review is held out where features are judged
Facts = dict[str, Any]


def prepare(shared: Path) -> None:
    """Write the bundled GloVe in the formats that the contenders open, and the words they look up."""
    from gensim.models import KeyedVectors

    from nlp_transfer.sources.vectors.table import import_vectors, open_vectors
    from nlp_transfer.system.wheels import BUNDLED

    shared.mkdir(parents=True, exist_ok=True)
    table = open_vectors(BUNDLED["glove-50d"].locate())
    with (shared / "glove.txt").open("w", encoding="utf-8") as file:
        for word, row in zip(table.words, np.asarray(table.vectors, dtype=np.float64).round(6).tolist(), strict=True):
            file.write(f"{word} {' '.join(map(str, row))}\n")
    import_vectors(shared / "glove.txt", shared / "imported")
    vectors = KeyedVectors.load_word2vec_format(str(shared / "glove.txt"), no_header=True)
    vectors.save_word2vec_format(str(shared / "glove.bin"), binary=True)
    vectors.save(str(shared / "glove.kv"))
    words = sorted({word for review in reviews("rotten_tomatoes") for word in WORD.findall(review["text"].lower())})
    (shared / "words.json").write_text(json.dumps(words))
    (shared / "imdb.json").write_text(json.dumps(reviews("imdb")))


def open_imported(shared: Path) -> Facts:
    """Our import, memory-mapped."""
    from nlp_transfer.sources.vectors.table import open_vectors

    words = json.loads((shared / "words.json").read_text())
    start = time.perf_counter()
    table = open_vectors(shared / "imported")
    rows = table.find(words)
    found = table.vectors[rows[rows >= 0]]
    return _facts(start, found)


def open_gensim(shared: Path, kind: str) -> Facts:
    """Gensim's readers."""
    from gensim.models import KeyedVectors

    words = json.loads((shared / "words.json").read_text())
    start = time.perf_counter()
    if kind == "text":
        vectors = KeyedVectors.load_word2vec_format(str(shared / "glove.txt"), no_header=True)
    elif kind == "binary":
        vectors = KeyedVectors.load_word2vec_format(str(shared / "glove.bin"), binary=True)
    else:
        vectors = KeyedVectors.load(str(shared / "glove.kv"), mmap="r")
    found = np.stack([vectors[word] for word in words if word in vectors])
    return _facts(start, found)


def _facts(start: float, found: np.ndarray) -> Facts:
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "words": len(found), "sum": round(float(found.sum(dtype=np.float64)), 2)}


def bag_ours(shared: Path) -> Facts:
    """Texts to mean vectors the way a frozen run computes them."""
    from nlp_transfer import build_classifier, encode_documents
    from nlp_transfer.inference.activations import compute
    from nlp_transfer.models.encoding.units import Boundary, TokenInputs
    from nlp_transfer.sources import load_source

    records = json.loads((shared / "imdb.json").read_text())
    source = load_source("vectors", name=str(shared / "imported"))
    tokenizer, model = source.tokenizer, build_classifier(source, ("negative", "positive"), head="pooled").model
    texts = [record["text"] for record in records]
    start = time.perf_counter()
    encoded = encode_documents(texts, tokenizer, max_length=1 << 14)
    tokenized = time.perf_counter()
    units = TokenInputs(encoded, tokenizer.pad_token_id)
    rows = compute(model, units, Boundary("pooled"), np.arange(len(texts)), progress=False)
    done = time.perf_counter()
    means = np.stack(rows)[:, 0, 1]  # of first, mean and maximum
    return {
        "seconds": done - start,
        "seconds_from_tokens": done - tokenized,
        "accuracy": _judge(means, records),
    }


def bag_gensim(shared: Path) -> Facts:
    """The loop that tutorials show."""
    from gensim.models import KeyedVectors

    records = json.loads((shared / "imdb.json").read_text())
    vectors = KeyedVectors.load(str(shared / "glove.kv"))
    start = time.perf_counter()
    tokens = [WORD.findall(record["text"].lower()) for record in records]
    tokenized = time.perf_counter()
    means = np.stack([np.mean([vectors[word] for word in words if word in vectors], axis=0) for words in tokens])
    done = time.perf_counter()
    return {
        "seconds": done - start,
        "seconds_from_tokens": done - tokenized,
        "accuracy": _judge(means, records),
    }


def _judge(features: np.ndarray, records: list[dict[str, str]]) -> float:
    """Accuracy of a logistic regression on every fifth review; outside the timing."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    labels = np.array([record["label"] for record in records])
    held = np.arange(len(labels)) % HELD == 0
    scaled = StandardScaler().fit_transform(features)
    fitted = LogisticRegression(max_iter=1000).fit(scaled[~held], labels[~held])
    return float((fitted.predict(scaled[held]) == labels[held]).mean())


JOBS: dict[str, Callable[[Path], Facts | None]] = {
    "prepare": prepare,
    "open-imported": open_imported,
    "open-text": lambda shared: open_gensim(shared, "text"),
    "open-binary": lambda shared: open_gensim(shared, "binary"),
    "open-mmap": lambda shared: open_gensim(shared, "mmap"),
    "bag-ours": bag_ours,
    "bag-gensim": bag_gensim,
}

if __name__ == "__main__":
    facts = JOBS[sys.argv[1]](Path(sys.argv[2]))
    if facts is not None:
        Path(sys.argv[3]).write_text(json.dumps(facts))
