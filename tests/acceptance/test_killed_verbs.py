"""Verbs that run for minutes: killed while they write, and started again, they end as if nothing had happened."""

import json
import os
import signal
import sys

import pytest
import tiny
from survival import forked, wait_for

import nlp_transfer.runs.curves.curve

WRITES = os.O_WRONLY | os.O_RDWR


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Reviews, other texts, word vectors, a configuration of them and its run."""
    folder = tmp_path_factory.mktemp("killed")
    tiny.save_csv(folder / "data.csv", 100)
    tiny.save_csv(folder / "other.csv", 60, seed=1)
    vectors = {"kind": "vectors", "name": tiny.save_vectors(folder / "words.txt")}
    tiny.run(folder / "run", vectors, {"kind": "frozen"}, folder / "data.csv", epochs=1)
    config = {
        "task": {"name": "sentiment", "max_length": 32},
        "source": vectors,
        "strategy": {"kind": "frozen"},
        "data": {"train": str(folder / "data.csv"), "test_share": 0.3},
        "training": {"epochs": 1, "precision": "fp32", "learning_rate": 0.01},
    }
    (folder / "words.yaml").write_text(json.dumps(config))
    return folder


def curve(place, output, resume):
    configs = [place / "words.yaml"]
    nlp_transfer.curve(configs, sizes=(8, 24), seeds=1, output=output, resume=resume, progress=False)
    return output / "curve.json"


def rank(place, output, resume):
    config = {"task": {"name": "sentiment"}, "data": {"train": str(place / "data.csv")}}
    own = {"kind": "vectors", "name": str(place / "words.txt")}
    nlp_transfer.rank(config, sources=[own, {**own, "scratch": True}], output=output, resume=resume, progress=False)
    return output / "rank.json"


def shift(place, output, _):
    nlp_transfer.shift(place / "run", place / "other.csv", sample=5, output=output, progress=False)
    return output / "shift.json"


def label(place, output, _):
    output.mkdir(parents=True, exist_ok=True)
    nlp_transfer.label(place / "run", place / "other.csv", budget=5, output=output / "next.csv", progress=False)
    return output / "next.csv"


def count_writes(folder, act):
    """From now on call `act` with the number of each file that this process opens to write, or renames, in a folder."""
    count = 0

    def note(event, given):
        nonlocal count
        is_write = event == "os.rename" or (event == "open" and isinstance(given[2], int) and given[2] & WRITES)
        if is_write and str(given[0]).startswith(str(folder)):
            count += 1
            act(count)

    sys.addaudithook(note)


def read(file):
    """What a verb found, but for the time it took."""
    if file.suffix != ".json":
        return file.read_text()
    return leave_out_time(json.loads(file.read_text()))


def leave_out_time(values):
    if isinstance(values, dict):
        timed = ("seconds", "timing", "costs", "computed", "folder")
        return {key: leave_out_time(value) for key, value in values.items() if not any(word in key for word in timed)}
    return [leave_out_time(value) for value in values] if isinstance(values, list) else values


@pytest.mark.parametrize("verb", [curve, rank, shift, label], ids=lambda verb: verb.__name__)
def test_a_verb_that_is_killed_as_it_writes_ends_the_same_when_it_is_started_again(place, tmp_path, monkeypatch, verb):
    monkeypatch.setattr(nlp_transfer.runs.curves.curve, "plot_curves", lambda *_, **__: None)  # a second each time
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    monkeypatch.setenv("NLP_TRANSFER_CACHE", str(whole / "cache"))
    expected = read(verb(place, whole / "out", None))
    middle = sum(path.is_file() for path in whole.rglob("*"))  # each is opened, and most are renamed then
    monkeypatch.setenv("NLP_TRANSFER_CACHE", str(cut / "cache"))

    def run_half():
        count_writes(cut, lambda number: number == middle and os.kill(os.getpid(), signal.SIGKILL))
        verb(place, cut / "out", None)

    assert wait_for(forked(run_half)) == -signal.SIGKILL
    assert read(verb(place, cut / "out", "auto")) == expected
