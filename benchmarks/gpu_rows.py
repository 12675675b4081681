"""The rows of the GPU table: what each measures, and the line or lines it gives."""

import json
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from benchmarks import gpu_jobs
from benchmarks.gpu_jobs import Bench
from benchmarks.measuring import ROOT, Sample, accuracy_holds, read_json, run_process

HELD = 500  # rows of validation, and of test
STEP_TOKENS = 16_384  # true tokens a step of the row `tokens`
SHARDED = ROOT / "configs" / "accelerate" / "eight_gpus_sharded.yaml"
UNTIL_FIRST_STEP = """
import os, sys
from nlp_transfer.training.phase_steps import PhaseSteps
make_step = PhaseSteps.make_step
def stop(self, units, step):
    make_step(self, units, step)
    os._exit(0)
PhaseSteps.make_step = stop
from nlp_transfer.__main__ import main
main()
"""


@dataclass(frozen=True)
class Wishes:
    """What was asked for: rounds of turns A B B A, whether whole processes are measured in each, and how many work."""

    rounds: int
    whole: bool
    processes: int


@dataclass(frozen=True)
class Line:
    """A line of the table; `ratio` is how many times faster ours is."""

    row: str
    ours: str = ""
    peer: str = ""
    ratio: str = ""
    wanted: str = ""
    accuracy: str = ""
    counts: str = ""


Work = Callable[[], Sample]
Turns = tuple[Sequence[Sample], Sequence[Sample]]
Row = Callable[[Bench, Wishes], Iterator[Line]]


def take_turns(ours: Work, peer: Work, rounds: int) -> Turns:
    """Run both in turn, A B B A A B ..."""
    mine: list[Sample] = []
    theirs: list[Sample] = []
    for turn in range(rounds):
        for work, found in ((ours, mine), (peer, theirs))[:: -1 if turn % 2 else 1]:
            found.append(work())
    return mine, theirs


def relate(row: str, turns: Turns, wanted: str = "") -> Line:
    """Relate the two sides of a row, inside each round."""
    mine, theirs = turns
    seconds = [statistics.median(one.wall for one in side) for side in turns]
    ratio = statistics.median(b.wall / a.wall for a, b in zip(mine, theirs, strict=True))
    holds = accuracy_holds(mine, theirs, HELD)
    scores = [] if holds is None else [statistics.mean(one.facts["accuracy"] for one in side) for side in turns]
    return Line(
        row=row,
        ours=f"{seconds[0]:.2f} s",
        peer=f"{seconds[1]:.2f} s",
        ratio=f"{ratio:.2f}x",
        wanted=wanted,
        accuracy=" / ".join(f"{score:.3f}" for score in scores),
        counts="no: less accurate" if holds is False else "",
    )


def full(bench: Bench, wishes: Wishes, *, batch_size: int, alone: str, whole: str) -> Iterator[Line]:
    """Full fine-tuning: the training alone, with and without graphs, and whole processes with their TF-IDF."""
    turns = take_turns(
        lambda: gpu_jobs.train_ours(bench, {"kind": "full"}, batch_size=batch_size),
        lambda: gpu_jobs.train_peer(bench, batch_size=batch_size),
        wishes.rounds,
    )
    yield relate(f"full, batch {batch_size}: training alone", turns, alone)
    eager = gpu_jobs.train_ours(bench, {"kind": "full"}, batch_size=batch_size, graphs="none")
    yield relate(f"full, batch {batch_size}: training alone, graphs: none", ([eager], turns[1][-1:]))

    if wishes.whole or batch_size == 32:
        work = partial(run_ours, bench, batch_size), partial(run_peer, bench, batch_size)
        turns = take_turns(*work, wishes.rounds if wishes.whole else 1)
        yield relate(f"full, batch {batch_size}: whole process", turns, whole)
        last = turns[0][-1]
        seconds = last.facts["baselines"]
        yield Line("TF-IDF, share of that run", f"{seconds:.2f} s", "", f"{seconds / last.wall:.1%}", "at most 3%")


def run_ours(
    bench: Bench, batch_size: int, launcher: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Sample:
    """A whole run by the command line, in one process or more."""
    folder = bench.new_folder()
    (folder / "config.yaml").write_text(json.dumps(bench.config({"kind": "full"}, batch_size=batch_size)))
    command = [sys.executable, *launcher, "-m", "nlp_transfer", "run", str(folder / "config.yaml")]
    sample = run_process([*command, "--output", str(folder / "run")], folder / "log.txt", environment)
    metrics = read_json(folder / "run" / "metrics.json")
    sample.facts.update(accuracy=metrics["test"]["accuracy"], **metrics["seconds"])
    return sample


def run_peer(bench: Bench, batch_size: int, launcher: Sequence[str] = ()) -> Sample:
    """The same by the Trainer."""
    folder = bench.new_folder()
    processes = int(launcher[-1]) if launcher else 1
    job = bench.job(folder, batch_size=batch_size // processes)  # its batch size is that of one process
    command = [sys.executable, *launcher, "-m", "benchmarks.trainer_peer", json.dumps(asdict(job))]
    sample = run_process(command, folder / "log.txt")
    sample.facts.update(read_json(folder / "facts.json"))
    return sample


def tokens(bench: Bench, wishes: Wishes) -> Iterator[Line]:
    """Large steps of mixed lengths, attention dropout 0: tokens a second, and the share of the card's peak."""
    count = bench.count_tokens()
    batch_size = max(1, round(STEP_TOKENS / count * bench.rows))
    turns = take_turns(
        lambda: gpu_jobs.train_ours(bench, {"kind": "full"}, batch_size=batch_size, model="model-0"),
        lambda: gpu_jobs.train_peer(bench, batch_size=batch_size, model="model-0"),
        wishes.rounds,
    )
    with gpu_jobs.packed():
        laid = gpu_jobs.train_ours(bench, {"kind": "full"}, batch_size=batch_size, model="model-0", graphs="none")

    for name, sides in (("padded buckets, graphs", turns), ("packed, no graphs", ([laid], turns[1][-1:]))):
        line = relate(f"16k true tokens a step, attention dropout 0: {name}", sides)
        rates = [count * bench.epochs / statistics.median(one.wall for one in side) for side in sides]
        ours, peer = (
            f"{rate / 1e3:.1f}k tokens/s, {6 * bench.weights * rate / bench.peak:.1%} of peak" for rate in rates
        )
        yield Line(line.row, ours, peer, line.ratio, "40% of peak", line.accuracy, line.counts)


def lora(bench: Bench, wishes: Wishes) -> Iterator[Line]:
    """Adapters of rank 16 on all linear layers."""
    turns = take_turns(
        lambda: gpu_jobs.train_ours(bench, {"kind": "lora"}, learning_rate=5e-4),
        lambda: gpu_jobs.train_peer(bench, lora=True, learning_rate=5e-4),
        wishes.rounds,
    )
    yield relate("LoRA, all-linear, r=16: training alone", turns, "6x")


def features(bench: Bench, wishes: Wishes) -> Iterator[Line]:
    """Features of a frozen encoder in half precision, from texts."""
    texts, count = gpu_jobs.read_texts(bench), bench.count_tokens()
    ours = partial(gpu_jobs.encode_ours, bench, texts)
    ours()  # loads kernels
    try:
        gpu_jobs.encode_peer(bench, texts)
    except ImportError:
        yield Line("features", f"{count / ours().wall / 1e3:.1f}k tokens/s", "sentence-transformers is not installed")
        return
    turns = take_turns(ours, partial(gpu_jobs.encode_peer, bench, texts), wishes.rounds)
    yield relate("features against sentence-transformers `encode`", turns, "1.2x")


def writing(bench: Bench, wishes: Wishes) -> Iterator[Line]:
    """Greedy and beam search for 1,000 texts, against `generate` in the order of the file."""
    run = gpu_jobs.train_writer(bench)
    for beams, wanted in ((1, "4x"), (4, "2x")):
        ours = partial(gpu_jobs.write, bench, run, beams=beams, ours=True)
        peer = partial(gpu_jobs.write, bench, run, beams=beams, ours=False)
        turns = take_turns(ours, peer, wishes.rounds)
        yield relate(f"write 1,000 texts, {beams} beam{'s' * (beams > 1)}", turns, wanted)


def start(bench: Bench, wishes: Wishes) -> Iterator[Line]:
    """From the start of the process to its first step, against importing torch and transformers and loading a model."""
    folder = bench.new_folder()
    (folder / "config.yaml").write_text(json.dumps(bench.config({"kind": "full"})))
    ours = [sys.executable, "-c", UNTIL_FIRST_STEP, "run", str(folder / "config.yaml"), "--output"]
    peer = "import torch, transformers; torch.ones(1, device=" + repr(bench.device) + ")"

    def begin() -> Sample:
        return run_process([*ours, str(bench.new_folder() / "run")], folder / "log.txt")

    def load() -> Sample:
        return run_process([sys.executable, "-c", peer], folder / "log.txt")

    mine, theirs = take_turns(begin, load, wishes.rounds if wishes.whole else 1)
    line = relate("start to the first step, against importing torch and transformers", (mine, theirs))
    times = statistics.median(a.wall / b.wall for a, b in zip(mine, theirs, strict=True))
    yield Line(line.row, line.ours, line.peer, f"{times:.2f}x of its time", "at most 1.5x")


def freeze(bench: Bench, wishes: Wishes) -> Iterator[Line]:  # noqa: ARG001 - one run each
    """The lowest layers rest: time, memory and score for each number of them."""
    first = None
    for below in range(bench.layers + 1):
        strategy: dict[str, Any] = {"kind": "full", "freeze_below": below} if below else {"kind": "full"}
        if below == bench.layers:
            strategy = {"kind": "frozen", "solver": "gradient"}
        found = gpu_jobs.train_ours(bench, strategy)
        first = first or found
        shown = f"{found.wall:.2f} s, {found.facts['memory']:.2f} GB"
        faster = f"{first.wall / found.wall:.2f}x"
        yield Line(f"freeze_below: {below}", shown, "", faster, "", f"{found.facts['accuracy']:.3f}")


def processes(bench: Bench, wishes: Wishes) -> Iterator[Line]:
    """The same job by several processes: copies of the model (DDP), and a model shared out (FSDP2)."""
    count = str(wishes.processes)
    torchrun = ["-m", "torch.distributed.run", "--nproc_per_node", count]
    turns = take_turns(partial(run_ours, bench, 256, torchrun), partial(run_peer, bench, 256, torchrun), wishes.rounds)
    yield relate(f"full, batch 256, {count} processes, DDP: whole job", turns)
    if bench.device == "cpu":
        yield Line("the same, FSDP2", "Accelerate shards on GPUs only")
        return
    sharded = ["-m", "accelerate.commands.launch", "--config_file", str(SHARDED), "--num_processes", count]
    mine = [run_ours(bench, 256, sharded) for _ in range(wishes.rounds)]
    yield relate("the same, FSDP2", (mine, turns[1]))


ROWS: Mapping[str, Row] = {
    "full-32": partial(full, batch_size=32, alone="8x", whole="3x"),
    "full-256": partial(full, batch_size=256, alone="3.5x", whole="2x"),
    "tokens": tokens,
    "lora": lora,
    "features": features,
    "writing": writing,
    "start": start,
    "freeze": freeze,
}
