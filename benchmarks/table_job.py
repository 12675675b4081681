"""Jobs on a large table, each run in a fresh process: `python -m benchmarks.table_job JOB TABLE OUTPUT_FILE`."""

import csv
import json
import random
import sys
import time
from pathlib import Path

from benchmarks.inputs import reviews

ROWS, WORDS = 1_000_000, 8


def prepare(file: Path, rows: int = ROWS) -> None:
    """Write rows of words out of reviews, with one of two labels."""
    words = sorted({word for review in reviews("rotten_tomatoes") for word in review["text"].split()})
    generator = random.Random(0)  # noqa: S311 - any words will do
    with file.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(("text", "label"))
        for _ in range(rows):
            table.writerow((" ".join(generator.choices(words, k=WORDS)), generator.choice(("bad", "good"))))


def ours(file: Path) -> int:
    """Read, name labels, cut and report."""
    from nlp_transfer.config.data import DataConfig
    from nlp_transfer.data.splits import load_splits

    return len(load_splits(DataConfig(train=str(file)), {"text": "text", "label": "label"}).train)


def pandas(file: Path) -> int:
    """Read."""
    import pandas as pd

    return len(pd.read_csv(file))


def datasets(file: Path) -> int:
    """Read and cut."""
    from datasets import load_dataset

    found = load_dataset("csv", data_files=str(file), split="train")
    return len(found.train_test_split(0.2, seed=0)["train"])


JOBS = {"ours": ours, "pandas": pandas, "datasets": datasets}


def main() -> None:
    """Do the job that is named, its imports once before."""
    job, file, output = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if job == "prepare":
        prepare(file)
        return
    small = output.with_name("small.csv")
    small.write_text("text,label\n" + "".join(f"row {i},{'ab'[i % 2]}\n" for i in range(40)), encoding="utf-8")
    JOBS[job](small)  # what is imported when it is needed is no part of the reading
    start = time.perf_counter()
    rows = JOBS[job](file)
    output.write_text(json.dumps({"seconds": time.perf_counter() - start, "rows": rows}))


if __name__ == "__main__":
    main()
