"""Runs that version 0.1.0 left, in tests/older_runs: a finished one, and one that was stopped."""

import json
import shutil
from pathlib import Path

import pytest

import nlp_transfer
from nlp_transfer.runs.probes import is_repeated, read_probes

OLDER = Path(__file__).parents[1] / "older_runs"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A copy in the working directory: the runs name their data and source from there."""
    shutil.copytree(OLDER, tmp_path / "older")
    monkeypatch.chdir(tmp_path / "older")
    return tmp_path / "older"


def test_a_finished_run_answers_what_it_has_answered(here):
    texts, said = read_probes(here / "finished")
    again = nlp_transfer.load("finished").predict(texts)
    assert len(said) == 6
    assert all(map(is_repeated, said, again))


def test_a_stopped_run_goes_on_from_its_checkpoint(here):
    before = [json.loads(line) for line in (here / "stopped" / "history.jsonl").open()]
    nlp_transfer.run("stopped/config.yaml", resume="stopped", progress=False)
    after = [json.loads(line) for line in (here / "stopped" / "history.jsonl").open()]
    assert (len(before), len(after)) == (2, 4)
    assert after[:2] == before


def test_a_finished_run_is_published_with_the_models_that_travel_with_it(here):
    nlp_transfer.publish("finished", "me/older", dry_run=True, output="tree", licence="mit")
    assert {"pooled.py", "headed.py", "static.py"} <= {path.name for path in (here / "tree").iterdir()}
    assert nlp_transfer.load("tree").predict(["good"]) == nlp_transfer.load("finished").predict(["good"])
