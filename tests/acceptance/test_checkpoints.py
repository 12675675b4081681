"""Checkpoints outlive kills, damage and a full disk: promises 3 to 5 of docs/reliability.md."""

import contextlib
import logging
import os
import random
import re
import shutil
import signal
import time

import pytest
import torch
from survival import config, forked, largest_file, outcome, run, send, wait_for

import nlp_transfer
from nlp_transfer.errors import CheckpointError, ConfigError, DiskError, StoppedError
from nlp_transfer.training.checkpoint_files import find_newest, load_checkpoint
from nlp_transfer.training.checkpoint_files import save_checkpoint as save

TENSORS = {"a": torch.arange(50_000.0), "b": torch.ones(3, dtype=torch.int64)}

# Promise 3


def save_without_end(folder, first, pipe):
    """Say that it begins, then save one checkpoint after another, saying each time which is done."""
    os.write(pipe, (first - 1).to_bytes(4, "little"))
    for step in range(first, first + 10_000):
        save(folder, step, {"step": step}, {**TENSORS, "step": torch.tensor(step)}, keep_last=2)
        os.write(pipe, step.to_bytes(4, "little"))


def test_a_save_that_is_killed_at_any_moment_leaves_the_newest_whole_checkpoint(tmp_path, caplog):
    dice, step, kills, midway = random.Random(0), 0, 0, 0  # noqa: S311
    while kills < 15 or midway < 5:  # a busy machine needs more kills until five have hit a save
        reading, writing = os.pipe()
        child = forked(lambda first=step + 1, pipe=writing: save_without_end(tmp_path, first, pipe))
        os.close(writing)
        said = os.read(reading, 4)
        time.sleep(dice.uniform(0.0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        said += b"".join(iter(lambda: os.read(reading, 4096), b""))  # noqa: B023
        os.close(reading)
        done = int.from_bytes(said[-4:], "little")

        kills += 1
        midway += bool(list(tmp_path.glob(".tmp-*")))
        assert kills < 1000, f"only {midway} of {kills} kills hit a save"
        found = find_newest(tmp_path)
        if found is None:
            assert not done
            continue
        step = found.values["step"]
        assert step in (done, done + 1)  # killed between the rename and the word
        assert torch.equal(found.tensors["step"], torch.tensor(step))
    assert not caplog.records  # nothing half-written ever bears a checkpoint's name
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
    run(config(place, "lora", "bag", epochs=1), tmp_path / "run")
    assert seen == [True]


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_as_one_that_is_not(place, tmp_path):
    wanted = config(place, "ulmfit", checkpoint={"steps": 1})
    wanted["strategy"] = {**wanted["strategy"], "phase_epochs": 1}
    started = time.monotonic()
    run(wanted, tmp_path / "whole")
    took = time.monotonic() - started
    dice, kills, code = random.Random(0), 0, None  # noqa: S311
    while code != 0 and kills < 20:
        child = forked(lambda: run(wanted, tmp_path / "parts", resume="auto"))
        if kills < 8:
            time.sleep(dice.uniform(0.0, took / 4))
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
    assert find_newest(two).values["step"] == 1
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


def test_a_run_resumes_from_the_checkpoint_that_is_named(place, undisturbed, tmp_path, during, caplog):
    wanted = config(place, source="bag", epochs=1, checkpoint={"steps": 1, "keep_last": 5})
    during(3, send(signal.SIGTERM))
    with pytest.raises(StoppedError):
        run(wanted, tmp_path / "run")
    during(-1, None)
    caplog.set_level(logging.INFO)
    named = tmp_path / "run" / "checkpoints" / "step-00000002"
    nlp_transfer.run(wanted, resume=named, progress=False)
    assert f"resumed at step 2 from {named}" in caplog.text
    whole = undisturbed(wanted)
    assert outcome(tmp_path / "run") == outcome(whole)


@pytest.mark.parametrize("keep_last", [1, 2])
def test_saves_after_a_named_resume_stay_and_what_was_given_up_goes(tmp_path, keep_last):
    for step in (200, 300, 400, 350, 380):  # resumed from 300
        save(tmp_path, step, {"step": step}, TENSORS, keep_last=3 if step in (200, 300, 400) else keep_last)
        assert find_newest(tmp_path).values["step"] == step
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["step-00000350", "step-00000380"][-keep_last:]


@pytest.mark.parametrize("resume", ["auto", "nowhere"])
def test_resume_without_a_run_is_refused(place, resume):
    with pytest.raises(ConfigError, match=f"--resume {resume}"):
        nlp_transfer.run(config(place), resume=resume)


# Promise 5


def test_a_disk_that_fills_up_during_a_save_leaves_the_checkpoint_before(two):
    message = rf"no room for a checkpoint in {two}: .* [\d,]+ bytes needed; step-00000002 is as it was; make room"
    with largest_file(20_000), pytest.raises(DiskError, match=message):
        save(two, 3, {}, TENSORS, keep_last=1)
    assert sorted(path.name for path in two.iterdir()) == ["step-00000001", "step-00000002"]
    assert find_newest(two).values["step"] == 2


def test_a_checkpoint_larger_than_the_free_space_is_not_begun(two):
    huge = torch.zeros(1).expand(10**15)
    with pytest.raises(DiskError, match=r": 4,000,000,001,048,576 bytes needed, [\d,]+ free; step-00000002 is as it "):
        save(two, 3, {}, {"huge": huge}, keep_last=1)
    assert find_newest(two).values["step"] == 2
