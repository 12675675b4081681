"""Runs that are stopped go on as if they had not been; promises 1 to 13 of docs/reliability.md."""

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import platform
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time

import accelerate
import numpy as np
import psutil
import pytest
import torch
from tiny import ROOT, save_checkpoint, save_csv, save_vectors

import nlp_transfer
from nlp_transfer import cli, features
from nlp_transfer.checkpointing import load_checkpoint, newest_checkpoint
from nlp_transfer.checkpointing import save_checkpoint as save
from nlp_transfer.errors import CheckpointError, ConfigError, SourceError, StoppedError, TrainingError
from nlp_transfer.folders import locked, make_folder
from nlp_transfer.stepping import Stepper
from nlp_transfer.training import Trainer

STRATEGIES = {
    "full": {"kind": "full"},
    "partly": {"kind": "full", "freeze_below": 1},
    "lora": {"kind": "lora", "rank": 2, "dropout": 0.1},
    "dora": {"kind": "lora", "rank": 2, "dora": True},
    "pissa": {"kind": "lora", "rank": 2, "init": "pissa"},
    "solved": {"kind": "frozen"},
    "frozen": {"kind": "frozen", "solver": "gradient"},
    "ulmfit": {"kind": "gradual", "phase_epochs": 2},
    "lp_ft": {"kind": "gradual", "schedule": "lp_ft"},
}
TENSORS = {"a": torch.arange(50_000.0), "b": torch.ones(3, dtype=torch.int64)}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Sources and data."""
    root = tmp_path_factory.mktemp("survival")
    save_checkpoint(root / "bert")
    save_vectors(root / "v.txt")
    save_csv(root / "data.csv", 57)
    return root


def config(place, strategy="full", source="bert", **training):
    """A training with dropout, accumulation and a schedule: seven steps an epoch."""
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
def during(monkeypatch):
    """Let something happen in the middle of a step, counted from 1 and anew at each call."""
    original = Stepper.gradients

    def arrange(step, act):
        seen = {"steps": 0}

        def gradients(self, wrapped, *arguments):
            seen["steps"] += 1
            if seen["steps"] == step:
                act(wrapped)
            return original(self, wrapped, *arguments)

        monkeypatch.setattr(Stepper, "gradients", gradients)

    return arrange


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


# Promise 1


def test_the_same_configuration_twice_leaves_the_same_bytes(place, tmp_path):
    for name in ("one", "two"):
        run(config(place), tmp_path / name)
    assert outcome(tmp_path / "one") == outcome(tmp_path / "two")


# Promise 2


@pytest.mark.parametrize(
    ("strategy", "source"),  # a head that is solved takes no steps
    [
        *((name, "bert") for name in STRATEGIES if name != "solved"),
        ("full", "table"),
        ("lora", "table"),
        ("full", "bag"),
    ],
)
def test_a_run_that_is_stopped_and_resumed_equals_one_that_is_not(place, tmp_path, during, strategy, source):
    wanted = config(place, strategy, source)
    run(wanted, tmp_path / "whole")
    for count, step in enumerate(
        [1, 6, 1, 3]
    ):  # the first step, the last of an epoch, the first of the next, mid-epoch
        during(step, send(signal.SIGTERM))
        with pytest.raises(StoppedError, match="terminated after step"):
            run(wanted, tmp_path / "parts", **({"resume": "auto"} if count else {}))
    during(-1, None)
    run(wanted, tmp_path / "parts", resume="auto")
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")


@pytest.mark.parametrize(
    ("strategy", "method", "call"),
    [
        ("full", "validate", 1),
        ("full", "validate", 2),  # after the last step of all
        ("solved", "validate", 1),  # the only step
        ("lp_ft", "validate", 1),  # solved, then trained
        ("ulmfit", "_units", 2),  # activations for the second phase
        ("frozen", "_units", 1),
    ],
)
def test_a_run_that_is_stopped_between_two_steps_goes_on_from_there(
    place, tmp_path, monkeypatch, caplog, strategy, method, call
):
    wanted = config(place, strategy)
    run(wanted, tmp_path / "whole")
    original, count = getattr(Trainer, method), iter(range(1, 100))

    def struck(self, *arguments):
        if next(count) == call:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, *arguments)

    monkeypatch.setattr(Trainer, method, struck)
    with pytest.raises(StoppedError, match=r"terminated after step \d+; go on with"):
        run(wanted, tmp_path / "parts")
    caplog.set_level(logging.INFO)
    run(wanted, tmp_path / "parts", resume="auto")
    assert "resumed at step" in caplog.text
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")


@pytest.fixture
def in_features(monkeypatch):
    """Send a signal in the second batch of the passes that compute activations; returns the batches of the last."""
    original = features._activations
    monkeypatch.setattr(features, "BUDGET", 128)

    def arrange(number):
        count = []

        def activations(*arguments):
            count.append(1)
            if len(count) == 2:
                os.kill(os.getpid(), number)
            return original(*arguments)

        monkeypatch.setattr(features, "_activations", activations)
        return count

    return arrange


@pytest.mark.parametrize(("strategy", "cached"), [("solved", True), ("solved", False), ("ulmfit", False)])
def test_a_signal_ends_the_pass_over_frozen_layers_after_a_batch_and_what_it_found_is_kept(
    place, tmp_path, monkeypatch, in_features, caplog, strategy, cached
):
    wanted = config(place, strategy)
    if strategy == "solved":
        wanted["strategy"] = {"kind": "frozen", "cache": "disk" if cached else "memory"}
    monkeypatch.setenv("NLP_TRANSFER_CACHE", str(tmp_path / "one"))
    count = in_features(signal.SIGTERM)
    with pytest.raises(StoppedError, match=r"terminated after step \d+; go on with"):
        run(wanted, tmp_path / "parts")
    assert len(count) == 2
    count[:] = [1, 1]
    caplog.set_level(logging.INFO)
    run(wanted, tmp_path / "parts", resume="auto")
    assert ("from the cache" in caplog.text) == cached
    assert "resumed at step" in caplog.text
    again = len(count)
    count[:] = [1, 1]
    monkeypatch.setenv("NLP_TRANSFER_CACHE", str(tmp_path / "two"))
    run(wanted, tmp_path / "whole")
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")
    assert again == len(count) - (2 if cached else 0)


def test_a_signal_in_the_features_of_a_resumed_run_leaves_what_it_went_on_from(
    place, tmp_path, monkeypatch, during, in_features
):
    wanted = config(place, "frozen")
    monkeypatch.setenv("NLP_TRANSFER_CACHE", str(tmp_path / "cache"))
    run(wanted, tmp_path / "whole")
    during(3, send(signal.SIGTERM))
    with pytest.raises(StoppedError, match="after step 3"):
        run(wanted, tmp_path / "parts")
    during(-1, None)
    for number in (signal.SIGINT, signal.SIGTERM):
        in_features(number)
        monkeypatch.setenv("NLP_TRANSFER_CACHE", str(tmp_path / str(number)))
        with pytest.raises(StoppedError, match="after step 3"):
            run(wanted, tmp_path / "parts", resume="auto")
    run(wanted, tmp_path / "parts", resume="auto")
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")


def test_the_seconds_of_a_run_are_those_of_all_its_attempts(place, tmp_path, during):
    def slowly(_):
        time.sleep(3)
        signal.raise_signal(signal.SIGTERM)

    during(2, slowly)
    with pytest.raises(StoppedError):
        run(config(place, epochs=1), tmp_path / "run")
    during(-1, None)
    seconds = run(config(place, epochs=1), tmp_path / "run", resume="auto").metrics["seconds"]
    assert 3 < seconds["training"] < seconds["total"]


def test_trackers_are_closed_when_a_training_is_stopped(place, tmp_path, during, monkeypatch):
    closed = []
    tracker = pytest.importorskip("tensorboard") and accelerate.tracking.TensorBoardTracker
    finish = tracker.finish
    monkeypatch.setattr(tracker, "finish", lambda self: closed.append(finish(self)))
    during(2, send(signal.SIGTERM))
    with pytest.raises(StoppedError):
        run(config(place, epochs=1, tracker="tensorboard"), tmp_path / "run")
    assert len(closed) == 1


def test_a_run_may_be_stopped_after_every_single_step(place, tmp_path, during):
    wanted = config(place, epochs=2, patience=1)
    run(wanted, tmp_path / "whole")
    during(1, send(signal.SIGINT))
    count = 0
    while count < 60:
        try:
            run(wanted, tmp_path / "parts", resume="auto")
            break
        except StoppedError:
            count += 1
            during(1, send(signal.SIGINT))
    assert count == json.loads((tmp_path / "whole" / "metrics.json").read_text())["steps"]
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")


def test_runs_of_several_seeds_go_on_with_the_seed_that_was_stopped(place, tmp_path, during, caplog):
    wanted = config(place, epochs=1, seeds=[0, 1])
    run(wanted, tmp_path / "whole")
    during(9, send(signal.SIGTERM))  # the second seed
    with pytest.raises(StoppedError, match=re.escape(f"--resume {tmp_path / 'parts'}")):
        run(wanted, tmp_path / "parts")
    during(-1, None)
    caplog.set_level(logging.INFO)
    run(wanted, tmp_path / "parts", resume="auto")
    assert "resumed at step 2" in caplog.text
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")
    seeds = [json.loads((tmp_path / name / "metrics.json").read_text())["seeds"] for name in ("whole", "parts")]
    assert seeds[0] == seeds[1]


@pytest.mark.parametrize("seeds", [None, [0, 1]])
def test_a_finished_run_says_later_what_it_said_then(place, tmp_path, seeds):
    wanted = config(place, "full", "table", epochs=1, seeds=seeds)
    done = run(wanted, tmp_path / "run")
    again = run(wanted, tmp_path / "run", resume="auto")
    assert again.summary.splitlines()[1:] == done.summary.splitlines()
    assert again.row == dataclasses.replace(done.row, source="v.txt + cnn")
    assert again.baselines == done.baselines
    if seeds:
        spread = done.metrics["seeds"]["test"]["accuracy"]
        mean = f"accuracy {spread['mean']:.4f} ± {spread['standard_deviation']:.4f}"
        assert f"test: over seeds 0, 1: {mean}" in done.summary


def test_runs_of_several_seeds_do_not_go_on_from_a_checkpoint_of_one(place, tmp_path, during):
    during(9, send(signal.SIGTERM))
    with pytest.raises(StoppedError):
        run(config(place, epochs=1, seeds=[0, 1]), tmp_path / "run")
    before = (tmp_path / "run" / "seed-1" / "config.yaml").read_bytes()
    named = tmp_path / "run" / "seed-1" / "checkpoints" / "step-00000002"
    with pytest.raises(ConfigError, match=f"--resume {re.escape(str(named))}: a run of several seeds"):
        nlp_transfer.run(config(place, epochs=1, seeds=[0, 1]), resume=named, progress=False)
    assert (tmp_path / "run" / "seed-1" / "config.yaml").read_bytes() == before


def test_a_comparison_goes_on_where_it_was_stopped(place, tmp_path, during, capfd, caplog):
    configs = []
    for name, changes in {"one": {}, "two": {"scratch": True}, "three": {}}.items():
        wanted = config(place, "full", "table", epochs=1, learning_rate=0.001 if name == "three" else 0.01)
        save_csv(tmp_path / "data.csv", 240)
        wanted |= {"data": {"train": str(tmp_path / "data.csv")}, "source": wanted["source"] | changes}
        configs.append(tmp_path / f"{name}.yaml")
        configs[-1].write_text(json.dumps(wanted))
    whole = nlp_transfer.compare(configs, output=tmp_path / "whole", progress=False)
    steps = json.loads((tmp_path / "whole" / "one" / "metrics.json").read_text())["steps"]
    during(steps + 2, send(signal.SIGTERM))  # in the second run
    parts = tmp_path / "parts"
    assert wait_for(forked(lambda: command("compare", *configs, "--output", parts))) == 143
    said = capfd.readouterr().err.splitlines()[-1]
    assert said == f"error: terminated after step 2; go on with the same command and --resume {parts}"
    during(-1, None)
    kept = (parts / "one" / "model" / "model.safetensors").stat().st_mtime_ns
    caplog.set_level(logging.INFO)
    resumed = nlp_transfer.compare(configs, resume=parts, progress=False)
    assert caplog.text.count("resumed at step 2") == 1
    assert (parts / "one" / "model" / "model.safetensors").stat().st_mtime_ns == kept
    assert resumed.verdicts == whole.verdicts
    timeless = [[dataclasses.replace(row, seconds=0) for row in one.rows] for one in (whole, resumed)]
    assert timeless[0] == timeless[1]
    assert wait_for(forked(lambda: command("compare", *configs, "--output", parts, "--resume", "auto"))) == 0
    metrics = [json.loads((one / "one" / "metrics.json").read_text()) for one in (tmp_path / "whole", parts)]
    assert metrics[0]["verdict"] == metrics[1]["verdict"]
    assert "controls" in metrics[1]


def test_checkpoints_come_every_so_many_steps_and_a_finished_run_keeps_none(place, tmp_path, during):
    seen = []
    folder = tmp_path / "run" / "checkpoints"
    during(11, lambda _: seen.extend(sorted(path.name for path in folder.iterdir())))
    run(config(place, checkpoint={"steps": 3, "keep_last": 2}), tmp_path / "run")
    assert seen == ["step-00000006", "step-00000009"]
    assert not folder.exists()


def test_checkpoints_come_every_so_many_minutes(place, tmp_path, during):
    seen = []
    folder = tmp_path / "run" / "checkpoints"
    during(5, lambda _: seen.extend(sorted(path.name for path in folder.iterdir())))
    run(config(place, checkpoint={"minutes": 1e-9}), tmp_path / "run")
    assert seen == ["step-00000003", "step-00000004"]


# Promise 3


def save_without_end(folder, first, pipe):
    """Save one checkpoint after another, saying each time which is done."""
    for step in range(first, first + 10_000):
        save(folder, step, {"step": step}, {**TENSORS, "step": torch.tensor(step)}, keep_last=2)
        os.write(pipe, step.to_bytes(4, "little"))


def test_a_save_that_is_killed_at_any_moment_leaves_the_newest_whole_checkpoint(tmp_path, caplog):
    kills, dice, step, midway = 60, random.Random(0), 0, 0  # noqa: S311
    for _ in range(kills):
        reading, writing = os.pipe()
        child = forked(lambda first=step + 1, pipe=writing: save_without_end(tmp_path, first, pipe))
        os.close(writing)
        time.sleep(dice.uniform(0.005, 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        said = b"".join(iter(lambda: os.read(reading, 4096), b""))  # noqa: B023
        os.close(reading)
        done = int.from_bytes(said[-4:], "little") or step
        midway += bool(list(tmp_path.glob(".tmp-*")))
        found = newest_checkpoint(tmp_path)
        if found is None:
            assert not done
            continue
        step = found.values["step"]
        assert step in (done, done + 1)  # killed between the rename and the word
        assert torch.equal(found.tensors["step"], torch.tensor(step))
    assert not caplog.records  # nothing half-written ever bears a checkpoint's name
    assert midway >= kills // 2
    save(tmp_path, step + 1, {}, TENSORS, keep_last=2)
    assert not list(tmp_path.glob(".tmp-*"))


def test_a_finished_run_is_on_the_disk_before_its_checkpoints_go(place, tmp_path, monkeypatch):
    flushed, fsync, rmtree = set(), os.fsync, shutil.rmtree
    seen = []

    def noting(descriptor):
        fsync(descriptor)
        flushed.add(os.fstat(descriptor).st_ino)

    def removing(path, *arguments, **settings):
        if path == tmp_path / "run" / "checkpoints":
            kept = [one for one in (tmp_path / "run").rglob("*") if path not in one.parents and one.name != ".lock"]
            seen.extend(one.name for one in [*kept, tmp_path / "run"] if one.stat().st_ino not in flushed)
            seen.append(any(one.name == "model.safetensors" for one in kept))
        rmtree(path, *arguments, **settings)

    monkeypatch.setattr("os.fsync", noting)
    monkeypatch.setattr("shutil.rmtree", removing)
    run(config(place, "lora", epochs=1), tmp_path / "run")
    assert seen == [True]


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_as_one_that_is_not(place, tmp_path):
    wanted = config(place, "ulmfit", checkpoint={"steps": 1})
    run(wanted, tmp_path / "whole")
    started = time.monotonic()
    run(wanted, tmp_path / "again")  # warm, as the forked ones are
    took = time.monotonic() - started
    dice, kills, code = random.Random(0), 0, None  # noqa: S311
    while code != 0 and kills < 40:
        child = forked(lambda: run(wanted, tmp_path / "parts", resume="auto"))
        if kills < 20:
            time.sleep(dice.uniform(0.0, took / 2))
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        code = wait_for(child)
        assert code in (0, -signal.SIGKILL)
        kills += code != 0
    assert kills >= 5
    assert outcome(tmp_path / "parts") == outcome(tmp_path / "whole")


# Promise 4


def cut(file):
    file.write_bytes(file.read_bytes()[:-7])


def empty(file):
    file.write_bytes(b"")


def flip(file):
    content = bytearray(file.read_bytes())
    content[5] ^= 1
    file.write_bytes(content)


DAMAGES = [cut, empty, flip, os.unlink]
FILES = ["manifest.json", "values.json", "tensors.safetensors"]


@pytest.fixture
def two(tmp_path):
    for step in (1, 2):
        save(tmp_path, step, {"step": step}, TENSORS, keep_last=2)
    return tmp_path


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_with_one_warning(two, caplog, damage, name):
    damage(two / "step-00000002" / name)
    assert newest_checkpoint(two).values["step"] == 1
    assert len(caplog.records) == 1
    assert str(two / "step-00000002" / name) in caplog.text
    assert "resuming from step-00000001" in caplog.text


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_asked_for_by_name_is_an_error_that_names_the_file(two, damage, name):
    damage(two / "step-00000002" / name)
    with pytest.raises(CheckpointError, match=re.escape(str(two / "step-00000002" / name))):
        load_checkpoint(two / "step-00000002")


def test_every_flipped_bit_is_found_or_harmless(two):
    dice, path = random.Random(0), two / "step-00000002"  # noqa: S311
    whole = load_checkpoint(path)
    found = 0
    for _ in range(200):
        file = path / dice.choice(FILES)
        content = file.read_bytes()
        at = dice.randrange(len(content))
        file.write_bytes(content[:at] + bytes([content[at] ^ (1 << dice.randrange(8))]) + content[at + 1 :])
        try:
            again = load_checkpoint(path)
            assert again.values == whole.values
            assert all(torch.equal(tensor, again.tensors[name]) for name, tensor in whole.tensors.items())
        except CheckpointError:
            found += 1
        file.write_bytes(content)
    assert found >= 197  # a blank of the manifest may become another


def test_a_run_resumes_from_the_checkpoint_that_is_named(place, tmp_path, during, caplog):
    wanted = config(place, checkpoint={"steps": 1, "keep_last": 5})
    during(5, send(signal.SIGTERM))
    with pytest.raises(StoppedError):
        run(wanted, tmp_path / "run")
    during(-1, None)
    caplog.set_level(logging.INFO)
    named = tmp_path / "run" / "checkpoints" / "step-00000002"
    nlp_transfer.run(wanted, resume=named, progress=False)
    assert f"resumed at step 2 from {named}" in caplog.text
    run(wanted, tmp_path / "whole")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


@pytest.mark.parametrize("keep_last", [1, 2])
def test_saves_after_a_named_resume_stay_and_what_was_given_up_goes(tmp_path, keep_last):
    for step in (200, 300, 400, 350, 380):  # resumed from 300
        save(tmp_path, step, {"step": step}, TENSORS, keep_last=3 if step in (200, 300, 400) else keep_last)
        assert newest_checkpoint(tmp_path).values["step"] == step
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["step-00000350", "step-00000380"][-keep_last:]


@pytest.mark.parametrize("resume", ["auto", "nowhere"])
def test_resume_without_a_run_is_refused(place, resume):
    with pytest.raises(ConfigError, match=f"--resume {resume}"):
        nlp_transfer.run(config(place), resume=resume)


# Promise 5


@contextlib.contextmanager
def largest_file(size):
    """No file of this process may grow beyond `size`: the system refuses in the middle of a write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_during_a_save_leaves_the_checkpoint_before(two):
    message = rf"no room for a checkpoint in {re.escape(str(two))}: [\d,]+ bytes needed, [\d,]+ free; step-00000002"
    with largest_file(20_000), pytest.raises(TrainingError, match=message):
        save(two, 3, {}, TENSORS, keep_last=1)
    assert sorted(path.name for path in two.iterdir()) == ["step-00000001", "step-00000002"]
    assert newest_checkpoint(two).values["step"] == 2


def test_a_checkpoint_larger_than_the_free_space_is_not_begun(two):
    huge = torch.zeros(1).expand(10**15)
    with pytest.raises(TrainingError, match="4,000,000,001,048,576 bytes needed"):
        save(two, 3, {}, {"huge": huge}, keep_last=1)
    assert newest_checkpoint(two).values["step"] == 2


# Promise 7


def test_a_second_run_on_a_folder_in_use_is_refused_by_process_and_host(place, tmp_path, monkeypatch):
    ours, theirs = socket.socketpair()

    def hold():
        with locked(tmp_path):
            theirs.send(b"!")
            time.sleep(60)

    child = forked(hold)
    try:
        assert ours.recv(1) == b"!"
        monkeypatch.setattr("nlp_transfer.running.prepare", lambda *_: pytest.fail("something was loaded"))
        for resume in (None, "auto"):
            with pytest.raises(ConfigError, match=f"in use by process {child} on {re.escape(platform.node())}"):
                run(config(place), tmp_path, resume=resume)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    monkeypatch.undo()
    assert (tmp_path / ".lock").exists()
    run(config(place, epochs=1), tmp_path)  # what a dead process left does not count
    assert not (tmp_path / ".lock").exists()


def test_two_runs_that_start_together_take_two_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start = time.time() + 0.1

    def take():
        time.sleep(max(0, start - time.time()))
        for _ in range(30):
            with make_folder(None, "run") as folder:
                (folder / str(os.getpid())).touch()

    assert [wait_for(child) for child in [forked(take) for _ in range(4)]] == [0] * 4
    folders = list((tmp_path / "runs").iterdir())
    assert len(folders) == 120
    assert all(len(list(folder.iterdir())) == 1 for folder in folders)


def test_a_run_holds_its_folder_from_the_moment_it_is_made(tmp_path):
    with (
        make_folder(tmp_path / "run", "run"),
        pytest.raises(ConfigError, match=f"in use by process {os.getpid()}"),
        make_folder(tmp_path / "run", "run"),
    ):
        pass


# Promise 8


def command(*arguments):
    sys.argv = ["nlp-transfer", *map(str, arguments)]
    cli.main()


@pytest.mark.parametrize(("number", "word"), [(signal.SIGTERM, "terminated"), (signal.SIGINT, "interrupted")])
def test_a_signal_during_a_step_ends_the_run_after_it_and_says_how_to_go_on(
    place, tmp_path, during, number, word, capfd
):
    (tmp_path / "run.yaml").write_text(json.dumps(config(place)))
    during(4, send(number))
    code = wait_for(forked(lambda: command("run", tmp_path / "run.yaml", "--output", tmp_path / "run")))
    assert code == 128 + number
    error = capfd.readouterr().err.splitlines()[-1]
    assert error == f"error: {word} after step 4; go on with the same command and --resume {tmp_path / 'run'}"
    during(-1, None)
    assert wait_for(forked(lambda: command("run", tmp_path / "run.yaml", "--resume", tmp_path / "run"))) == 0
    run(config(place), tmp_path / "whole")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


def test_a_second_signal_ends_the_run_at_once(place, tmp_path, during, capfd):
    def twice(_):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    (tmp_path / "run.yaml").write_text(json.dumps(config(place)))
    during(4, twice)
    code = wait_for(forked(lambda: command("run", tmp_path / "run.yaml", "--output", tmp_path / "run")), 20)
    assert code == 143
    assert capfd.readouterr().err.splitlines()[-1] == "error: terminated"
    assert not (tmp_path / "run" / "checkpoints").exists()


# Promise 9


@pytest.fixture
def stopped(place, tmp_path, during):
    """A run of its own data that was stopped after two steps."""
    for name in ("data.csv", "v.txt"):
        (tmp_path / name).write_bytes((place / name).read_bytes())
    during(2, send(signal.SIGTERM))
    with pytest.raises(StoppedError):
        run(
            config(tmp_path, "partly", "table") | {"strategy": {"kind": "frozen", "solver": "gradient"}},
            tmp_path / "run",
        )
    during(-1, None)
    return tmp_path


def resume(stopped, *overrides):
    wanted = config(stopped, "partly", "table") | {"strategy": {"kind": "frozen", "solver": "gradient"}}
    return nlp_transfer.run(wanted, overrides, resume=stopped / "run", progress=False)


def test_another_configuration_is_refused_with_the_keys_that_differ(stopped):
    with pytest.raises(ConfigError) as caught:
        resume(stopped, "training.epochs=9", "training.warmup=0.2", "strategy.cache=memory")
    assert str(caught.value).splitlines()[1:] == [
        "  strategy.cache: disk before, memory now",
        "  training.epochs: 2 before, 9 now",
        "  training.warmup: 0.1 before, 0.2 now",
    ]


def interrupted(_):
    raise KeyboardInterrupt


def test_another_configuration_is_refused_before_there_is_a_checkpoint(place, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("nlp_transfer.running.measure_baselines", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(config(place), tmp_path / "run")
    before = (tmp_path / "run" / "config.yaml").read_bytes()
    with pytest.raises(ConfigError, match=r"training\.epochs: 2 before, 9 now"):
        run(config(place, epochs=9), tmp_path / "run", resume="auto")
    assert (tmp_path / "run" / "config.yaml").read_bytes() == before


def test_other_data_under_the_same_name_are_refused(stopped):
    text = (stopped / "data.csv").read_text()
    (stopped / "data.csv").write_text(text.replace("film", "movie"))
    with pytest.raises(ConfigError, match=r"data\.train \(contents\): \w{57}\.\.\. before"):
        resume(stopped)


def test_other_weights_under_the_same_name_are_refused(stopped):
    save_vectors(stopped / "v.txt", dim=8)
    text = (stopped / "v.txt").read_text()
    (stopped / "v.txt").write_text(text.replace("0.1", "0.2"))
    with pytest.raises(ConfigError, match=r"source\.name \(weights\)"):
        resume(stopped)


def test_how_a_batch_is_cut_and_when_it_is_saved_may_change(stopped):
    resume(stopped, "training.accumulation=3", "training.checkpoint.steps=2", "training.threads=1")
    assert (stopped / "run" / "metrics.json").exists()


def test_resuming_a_finished_run_says_so(place, tmp_path, capfd):
    (tmp_path / "run.yaml").write_text(json.dumps(config(place, "solved")))
    done = run(config(place, "solved"), tmp_path / "run")
    assert wait_for(forked(lambda: command("run", tmp_path / "run.yaml", "--resume", tmp_path / "run"))) == 0
    assert capfd.readouterr().out.startswith(f"{tmp_path / 'run'} holds a finished run; there is nothing to resume\n")
    assert run(config(place, "solved"), tmp_path / "run", resume="auto").metrics == json.loads(json.dumps(done.metrics))
    with pytest.raises(ConfigError, match=r"training\.epochs: 2 before, 5 now"):
        run(config(place, "solved", epochs=5), tmp_path / "run", resume="auto")


# Promise 10


def plant(value):
    def act(model):
        with torch.no_grad():
            next(iter(model.parameters()))[0] = value

    return act


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_names_step_rate_and_the_last_good_checkpoint(place, tmp_path, during, value):
    during(5, plant(value))
    last = tmp_path / "run" / "checkpoints" / "step-00000004"
    message = rf"loss is (nan|inf) .* at step 5 \(phase 'full', learning rate .*\); the last good checkpoint is {last}"
    with pytest.raises(TrainingError, match=message):
        run(config(place, checkpoint={"steps": 1}), tmp_path / "run")
    assert all(tensor.isfinite().all() for tensor in load_checkpoint(last).tensors.values())
    during(1, plant(value))  # before there is another checkpoint
    with pytest.raises(TrainingError, match=message):
        run(config(place, checkpoint={"steps": 1}), tmp_path / "run", resume="auto")
    during(-1, None)
    run(config(place, checkpoint={"steps": 1}), tmp_path / "run", resume="auto")
    run(config(place), tmp_path / "whole")
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


def test_no_checkpoint_is_written_of_weights_that_are_not_finite(place, tmp_path, monkeypatch):
    step = torch.optim.AdamW.step

    def poisoned(self, *arguments):
        step(self, *arguments)
        self.param_groups[0]["params"][0].data.view(-1)[0] = torch.nan

    monkeypatch.setattr(torch.optim.AdamW, "step", poisoned)
    with pytest.raises(TrainingError, match=r"model/\S+ is not finite at step 1; no checkpoint was written"):
        run(config(place, checkpoint={"steps": 1}), tmp_path / "run")
    assert not (tmp_path / "run" / "checkpoints").exists()


# Promise 11; weights and vectors are in test_source_faults.py and test_vectors.py


def test_an_adapter_with_values_that_are_not_finite_is_refused_by_tensor_and_count(place, tmp_path):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel

    shutil.copytree(place / "bert", tmp_path / "bert")
    model = get_peft_model(AutoModel.from_pretrained(tmp_path / "bert"), LoraConfig(r=2, target_modules=["query"]))
    with torch.no_grad():
        next(p for name, p in model.named_parameters() if "lora_B" in name).view(-1)[:2] = torch.nan
    model.save_pretrained(tmp_path / "bert")
    with pytest.raises(SourceError, match=r"lora_B\.default\.weight holds 2 values that are NaN or infinite"):
        run(config(tmp_path) | {"data": {"train": str(place / "data.csv")}}, tmp_path / "run")


# Promise 12


@contextlib.contextmanager
def most_memory(spare):
    """Let this process allocate `spare` bytes and no more."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + spare, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture
def hungry(monkeypatch):
    """Let every forward pass in training take so many bytes an example, from torch or numpy."""

    def arrange(each, allocate):
        def forward(self, features, _original=nlp_transfer.modeling.pooled.Head.forward):
            room = allocate(each * len(features)) if self.training else None
            return _original(self, features) if room is not None or not self.training else None

        monkeypatch.setattr("nlp_transfer.modeling.pooled.Head.forward", forward)

    return arrange


ALLOCATORS = {
    "torch": lambda size: torch.empty(size, dtype=torch.uint8),
    "numpy": lambda size: np.empty(size, dtype=np.uint8),
}


@pytest.mark.parametrize("name", ALLOCATORS)
def test_out_of_memory_halves_the_micro_batch_and_changes_nothing_else(place, tmp_path, hungry, caplog, name):
    wanted = config(place, "full", "table", batch_size=16, accumulation=1)
    wanted["task"]["head"]["dropout"] = 0.0  # it draws other numbers for other pieces
    run(wanted, tmp_path / "whole")
    hungry(100_000_000, ALLOCATORS[name])
    with most_memory(500_000_000):
        run(wanted, tmp_path / "tight")
    said = [record.getMessage() for record in caplog.records if "out of memory" in record.getMessage()]
    assert [re.findall(r"\d+", one) for one in said] == [["2", "8"], ["4", "4"]]
    records = [[json.loads(line) for line in (tmp_path / one / "history.jsonl").open()] for one in ("whole", "tight")]
    for one, other in zip(*records, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], abs=1e-6)
        assert one["step"] == other["step"]


def test_what_a_failed_attempt_left_in_the_gradients_is_not_counted_twice(place, tmp_path, hungry, caplog):
    wanted = config(place, "full", "table", batch_size=16, accumulation=2)
    wanted["task"]["head"]["dropout"] = 0.0
    run(wanted, tmp_path / "whole")
    passes = iter(range(1000))
    hungry(100_000_000, lambda size: ALLOCATORS["torch"](size if next(passes) % 2 else 0))  # the second piece fails
    with most_memory(500_000_000):
        run(wanted, tmp_path / "tight")
    assert "now cut in 4 passes" in caplog.text
    records = [[json.loads(line) for line in (tmp_path / one / "history.jsonl").open()] for one in ("whole", "tight")]
    assert [one["loss"] for one in records[0]] == pytest.approx([one["loss"] for one in records[1]], abs=1e-6)


def test_out_of_memory_with_one_example_is_an_error_with_ways_out(place, tmp_path, hungry):
    hungry(2_000_000_000, ALLOCATORS["torch"])
    with (
        most_memory(1_000_000_000),
        pytest.raises(TrainingError, match=r"one example at a time; try training\.gradient"),
    ):
        run(config(place, "full", "table"), tmp_path / "run")


@pytest.mark.parametrize(
    ("failing", "said"),
    [
        ("bytearray(1 << 60)", "out of memory; try a smaller training.batch_size or task.max_length"),
        ("Stepper(Accelerator(), None, 8, 0.0)._cut_smaller(8)", "out of memory with one example at a time; try "),
    ],
)
def test_a_command_that_runs_out_of_memory_ends_without_what_libraries_do_at_exit(failing, said):
    code = f"""
import atexit, os, sys
from accelerate import Accelerator
from nlp_transfer import __main__, cli
from nlp_transfer.stepping import Stepper
atexit.register(os.abort)  # as some do that find no memory to end with
print("kept")
sys.argv = ["nlp-transfer", "schema"]
cli.app = lambda **_: {failing}
__main__.main()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (ended.returncode, ended.stdout) == (5, "kept\n")
    assert ended.stderr.startswith(f"error: {said}")


def test_recomputing_activations_runs_layers_twice_and_changes_no_weight(place, tmp_path, monkeypatch):
    from transformers.models.bert.modeling_bert import BertSelfAttention

    passes, original = [], BertSelfAttention.forward
    monkeypatch.setattr(
        BertSelfAttention, "forward", lambda self, *a, **k: passes.append(self.training) or original(self, *a, **k)
    )
    counts = []
    for name, wanted in {"plain": False, "saving": True}.items():
        run(config(place, gradient_checkpointing=wanted), tmp_path / name)
        counts.append(sum(passes))
        passes.clear()
    assert counts[1] == 2 * counts[0]
    assert outcome(tmp_path / "plain") == outcome(tmp_path / "saving")
