"""Rows whose texts and labels a page might obey, and a tiny run on them. All of it is harmless."""

import json

import numpy as np
from tiny import BAD, GOOD, PLAIN, save_vectors

PROBES = ["<b>bold</b>", "</script><i>", "{{ 7 * 7 }}", "{% raw %}", "' \" & ", "turned\u202eround", "&lt;"]
LABELS = ("bad & 'sad'", "<b>good</b>")


def save_rows(path, count=240):
    """Save labelled texts, of which every sixteenth has the other label; returns the name of the file."""
    rng = np.random.default_rng(0)
    lines = []
    for number in range(count):
        words = [*rng.choice([BAD, GOOD][number % 2], 2), *rng.choice(PLAIN, rng.integers(2, 9))]
        text = f"{' '.join(words)} {PROBES[number % len(PROBES)]} {number}"
        lines.append({"text": text, "label": LABELS[(number + (number % 16 == 0)) % 2]})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


def configure(place, **strategy):
    """Write rows and vectors to a folder, and configure a run on them."""
    return {
        "task": {"name": "sentiment", "max_length": 32},
        "source": {"kind": "vectors", "name": save_vectors(place / "vectors.txt")},
        "strategy": {"kind": "frozen", **strategy},
        "data": {"train": save_rows(place / "data.jsonl"), "test_share": 0.45},
        "training": {"epochs": 2},
    }
