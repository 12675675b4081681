"""Measure the rows of the speed table and write docs/benchmarks.json and docs/benchmarks.md.

python -m benchmarks --only frozen --only help --rounds 3
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks import (
    adaptation_rows,
    export_rows,
    memory_rows,
    mixing_rows,
    prediction_rows,
    process_rows,
    seq2seq_rows,
    static_rows,
    table_rows,
    tasks_rows,
    training_rows,
    vector_rows,
)
from benchmarks.measuring import ROOT, Row, measure, summarise
from benchmarks.summary import keep, write_table
from benchmarks.training_rows import Scale

QUICK_ROUNDS, LONG_ROUNDS = 5, 3
BUILDERS = [
    *vector_rows.ROWS,
    *static_rows.ROWS,
    *table_rows.ROWS,
    *training_rows.ROWS,
    *adaptation_rows.ROWS,
    *tasks_rows.ROWS,
    *prediction_rows.ROWS,
    *export_rows.ROWS,
    *seq2seq_rows.ROWS,
    *memory_rows.ROWS,
    *mixing_rows.ROWS,
    *process_rows.ROWS,
]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", metavar="NAME", action="append", help="a row; repeatable")
    parser.add_argument("--rounds", type=int, help=f"default {QUICK_ROUNDS}, or {LONG_ROUNDS} for long rows")
    parser.add_argument("--rows", type=int, help="at most this many training rows; shortens the row `full`")
    parser.add_argument("--epochs", type=int, help="instead of those of each row; for a try")
    parser.add_argument(
        "--data", type=Path, help="folder that holds sst2/ and scitldr/, to train on instead of bundled data"
    )
    parser.add_argument("--work", type=Path, help="folder for what is made on the way (default: a temporary one)")
    parser.add_argument("--json", type=Path, default=ROOT / "docs" / "benchmarks.json", help="results, added to")
    return parser.parse_args()


def main() -> None:
    """Measure, print and write."""
    wishes = arguments()
    data = wishes.data / "sst2" if wishes.data else None
    if data is not None and not data.is_dir():
        print(f"{wishes.data}: holds no sst2/; using rotten-tomatoes")
        data = None
    with tempfile.TemporaryDirectory(dir=wishes.work, prefix="benchmarks-") as name:
        scale = Scale(Path(name), data=data, rows=wishes.rows, epochs=wishes.epochs)
        for row in _chosen(scale, wishes.only):
            rounds = wishes.rounds or (QUICK_ROUNDS if row.quick else LONG_ROUNDS)
            samples = measure(row, scale.folder, rounds, say=lambda line: print(line, flush=True))
            keep(wishes.json, row.name, summarise(row, samples))
            shutil.rmtree(scale.folder / row.name)
    table = wishes.json.with_suffix(".md")
    write_table(wishes.json, table)
    print(table.read_text(encoding="utf-8"))


def _chosen(scale: Scale, only: list[str] | None) -> list[Row]:
    rows = {row.name: row for row in (build(scale) for build in BUILDERS)}
    if unknown := set(only or ()) - set(rows):
        sys.exit(f"unknown row {', '.join(sorted(unknown))}; there are {', '.join(rows)}")
    return [row for name, row in rows.items() if not only or name in only]


if __name__ == "__main__":
    main()
