"""Runs that are stopped go on as if they had not been; promises 1 to 13 of docs/reliability.md."""

import hashlib
import json
import os
import signal

import pytest
from tiny import save_checkpoint, save_csv, save_vectors

import nlp_transfer
from nlp_transfer.errors import StoppedError
from nlp_transfer.training import Trainer

STRATEGIES = {
    "full": {"kind": "full"},
    "partly": {"kind": "full", "freeze_below": 1},
    "lora": {"kind": "lora", "rank": 2, "dropout": 0.1},
    "dora": {"kind": "lora", "rank": 2, "dora": True},
    "frozen": {"kind": "frozen", "solver": "gradient"},
    "ulmfit": {"kind": "gradual", "phase_epochs": 2},
    "lp_ft": {"kind": "gradual", "schedule": "lp_ft"},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Sources and data."""
    root = tmp_path_factory.mktemp("survival")
    save_checkpoint(root / "bert")
    save_vectors(root / "v.txt")
    save_csv(root / "data.csv", 57)
    return root


def config(place, strategy="full", source="bert", **training):
    """A training with dropout, accumulation and a schedule: eight steps an epoch, the last of one row."""
    sources = {
        "bert": {"kind": "checkpoint", "name": str(place / "bert")},
        "table": {"kind": "vectors", "name": str(place / "v.txt"), "contextualizer": "cnn", "width": 8},
    }
    return {
        "task": {"name": "sentiment", "max_length": 16, "head": {"dropout": 0.2}},
        "source": sources[source],
        "strategy": STRATEGIES[strategy],
        "data": {"train": str(place / "data.csv")},
        "training": {"epochs": 2, "batch_size": 7, "accumulation": 2, "precision": "fp32", **training},
    }


def run(wanted, folder, **settings):
    return nlp_transfer.run(wanted, output=folder, progress=False, **settings)


def outcome(folder):
    """sha256 of the weights, and the history without times."""
    records = [json.loads(line) for line in (folder / "history.jsonl").open()]
    weights = hashlib.sha256((folder / "model" / "model.safetensors").read_bytes()).hexdigest()
    return weights, [{key: value for key, value in record.items() if key != "seconds"} for record in records]


@pytest.fixture
def stop_at(monkeypatch):
    """Let a real signal arrive during a step of the run."""
    original = Trainer._accumulate

    def arrange(step, number=signal.SIGTERM, times=1):
        seen = {"steps": 0}

        def accumulate(self, *arguments):
            seen["steps"] += 1
            if seen["steps"] == step:
                for _ in range(times):
                    os.kill(os.getpid(), number)
            return original(self, *arguments)

        monkeypatch.setattr(Trainer, "_accumulate", accumulate)

    yield arrange
    monkeypatch.setattr(Trainer, "_accumulate", original)


def interrupted(wanted, folder, stop_at, steps):
    """Stop a run after each of `steps` further steps and go on each time."""
    for count, step in enumerate(steps):
        stop_at(step)
        with pytest.raises(StoppedError, match="terminated after step"):
            run(wanted, folder, **({"resume": "auto"} if count else {}))
    stop_at(-1)
    return run(wanted, folder, resume="auto")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_that_is_stopped_and_resumed_equals_one_that_is_not(place, tmp_path, stop_at, strategy):
    wanted = config(place, strategy)
    run(wanted, tmp_path / "whole")
    # The first step, the last of an epoch, the first of the next, in mid-epoch.
    interrupted(wanted, tmp_path / "parts", stop_at, [1, 6, 1, 3])
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")
