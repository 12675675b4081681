"""Measure the GPU table: each row against its peer on the same card, in turn A B B A, accuracy beside the time.

The model has BERT-base's shape and random weights, and the texts are made, so that nothing comes from the Hub: speed is
what is compared. A row whose accuracy is lower than the peer's does not count.

python -m benchmarks.gpu                                      # all rows at one epoch, in a few minutes
python -m benchmarks.gpu --row full-32 --epochs 3 --rounds 4  # one in full, whole processes too
python -m benchmarks.gpu --processes 4                        # the same job by four processes: DDP and FSDP2
python -m benchmarks.gpu --device cpu --tiny                  # try the benchmark itself where there is no card
"""

import argparse
import contextlib
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import astuple, fields
from pathlib import Path

from benchmarks.gpu_inputs import save_model, write_texts
from benchmarks.gpu_jobs import Bench, measure_peak, warm_up
from benchmarks.gpu_rows import HELD, ROWS, Line, Wishes, processes
from benchmarks.measuring import ROOT

TRAIN = 6920  # rows of SST-2


def read_arguments(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--row", action="append", choices=ROWS, help="only this row, in full; repeatable")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2, help="2 are A B B A")
    parser.add_argument("--processes", type=int, default=1, help="measure a job of several processes instead")
    parser.add_argument(
        "--data", type=Path, help="folder with train and dev as .jsonl or .jsonl.gz; texts are made without"
    )
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="a tiny model and few texts: tries the code")
    return parser.parse_args(given)


def prepare(folder: Path, wishes: argparse.Namespace) -> Bench:
    """Make data and models; measure the device."""
    rows = 64 if wishes.tiny else TRAIN
    write_texts(folder / "data", rows=rows, held=16 if wishes.tiny else HELD, data=wishes.data)
    texts = folder / "data" / "train.jsonl"
    weights, layers = save_model(folder / "model", texts, tiny=wishes.tiny)
    save_model(folder / "model-0", texts, tiny=wishes.tiny, attention_probs_dropout_prob=0.0)
    bench = Bench(folder, wishes.device, wishes.epochs, rows, weights, layers)
    bench.peak = measure_peak(bench)
    return bench


def measure(bench: Bench, wishes: argparse.Namespace) -> Iterator[Line]:
    """Measure the chosen rows. A row that fails says so, and the others go on."""
    asked = Wishes(wishes.rounds, bool(wishes.row), wishes.processes)
    chosen = {"processes": processes} if wishes.processes > 1 else {name: ROWS[name] for name in wishes.row or ROWS}
    for name, row in chosen.items():
        started = time.perf_counter()
        try:
            yield from row(bench, asked)
        except Exception as error:  # noqa: BLE001 - the rows beside it are worth having
            yield Line(name, "failed", str(error).strip().rpartition("\n")[2][:200])
        print(f"({name}: {time.perf_counter() - started:.0f} s)", file=sys.stderr, flush=True)


def main(given: Sequence[str] | None = None) -> None:
    """Measure if there is something to measure on."""
    wishes = read_arguments(given)
    if wishes.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tasks"), os.environ.get("PYTHONPATH", "")])
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sys.path.insert(0, str(ROOT / "tasks"))  # from a bare checkout

    import torch

    if wishes.device == "cuda" and not torch.cuda.is_available():
        print("no GPU that torch can use: nothing measured (--device cpu --tiny tries the code)")
        return
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name, contextlib.redirect_stdout(sys.stderr):
        os.environ["NLP_TRANSFER_CACHE"] = str(Path(name) / "cache")
        bench = prepare(Path(name), wishes)
        warm_up(bench)
        lines = []
        for line in measure(bench, wishes):
            print(" | ".join(filter(None, astuple(line))), file=sys.stderr, flush=True)
            lines.append(line)

    card = torch.cuda.get_device_name() if wishes.device == "cuda" else "CPU"
    print(f"{card}, torch {torch.__version__}, {wishes.epochs} epochs, peak {bench.peak / 1e12:.2f} TFLOP/s\n")
    names = [field.name for field in fields(Line)]
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")
    print("\n".join(f"| {' | '.join(astuple(line))} |" for line in lines))


if __name__ == "__main__":
    main()
