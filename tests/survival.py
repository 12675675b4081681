"""A small training that is stopped, killed and resumed, in this process or in a forked one."""

import contextlib
import hashlib
import json
import os
import resource
import signal
import sys
import time

import pytest

import nlp_transfer
from nlp_transfer.cli import process as cli

STRATEGIES = {
    "full": {"kind": "full"},
    "partly": {"kind": "full", "freeze_below": 1},
    "lora": {"kind": "lora", "rank": 2, "dropout": 0.1},
    "dora": {"kind": "lora", "rank": 2, "dora": True, "init": "pissa"},
    "solved": {"kind": "frozen"},
    "frozen": {"kind": "frozen", "solver": "gradient"},
    "ulmfit": {"kind": "gradual", "phase_epochs": 2},
    "lp_ft": {"kind": "gradual", "schedule": "lp_ft"},
}


def config(place, strategy="full", source="bert", **training):
    """A training with dropout, accumulation and a schedule: four steps an epoch."""
    sources = {
        "bert": {"kind": "checkpoint", "name": str(place / "bert")},
        "bag": {"kind": "vectors", "name": str(place / "v.txt")},
        "table": {"kind": "vectors", "name": str(place / "v.txt"), "contextualizer": "cnn", "width": 8},
    }
    return {
        "task": {"name": "sentiment", "max_length": 16, "head": {"dropout": 0.2}},
        "source": sources[source],
        "strategy": STRATEGIES[strategy],
        "data": {"train": str(place / "data.csv")},
        "training": {"epochs": 2, "batch_size": 14, "accumulation": 2, "precision": "fp32", **training},
    }


def run(wanted, folder, **settings):
    return nlp_transfer.run(wanted, output=folder, progress=False, **settings)


def outcome(folder):
    """sha256 of the weights, and the history without times."""
    records = [json.loads(line) for line in (folder / "history.jsonl").open()]
    weights = hashlib.sha256((folder / "model" / "model.safetensors").read_bytes()).hexdigest()
    return weights, [{key: value for key, value in record.items() if key != "seconds"} for record in records]


@contextlib.contextmanager
def largest_file(size):
    """No file of this process may grow beyond `size`: the system refuses in the middle of a write."""
    before, compiled = resource.getrlimit(resource.RLIMIT_FSIZE), sys.dont_write_bytecode
    sys.dont_write_bytecode = True  # else what is imported meanwhile is kept cut off, for all later processes
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        sys.dont_write_bytecode = compiled
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def send(number):
    return lambda _: os.kill(os.getpid(), number)


def forked(work):
    """Run something in a process of its own, which starts warm; returns its id. It ends with the code of `work`."""
    child = os.fork()
    if child:
        return child
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the threads of its pool are not in the child
    code = 99
    try:
        work()
        code = 0
    except SystemExit as leaving:
        code = leaving.code
    finally:
        os._exit(code)


def wait_for(child, seconds=60):
    """The exit code of a forked process, minus the signal if one ended it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return pytest.fail("the process did not end")


def command(*arguments):
    sys.argv = ["nlp-transfer", *map(str, arguments)]
    cli.main()
