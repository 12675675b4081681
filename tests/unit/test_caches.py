"""Where caches are, whatever the environment says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import ROOT

from nlp_transfer.system.caches import LIBRARIES, OURS, USERS, find_cache_folder

CODE = """
import json, sys
from nlp_transfer.cli import process as cli
sys.argv = ["nlp-transfer", "--version"]
try:
    cli.main()
except SystemExit:
    pass
from huggingface_hub import constants
print(json.dumps([constants.HF_HOME, constants.HF_HUB_CACHE, constants.HF_XET_CACHE]))
"""


@pytest.fixture
def unset(monkeypatch, tmp_path):
    """An environment that says nothing of caches."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in (OURS, USERS, *LIBRARIES):
        monkeypatch.delenv(variable, raising=False)
    return monkeypatch


def test_the_cache_folder_can_be_named(unset, tmp_path):
    assert find_cache_folder() == tmp_path / ".cache" / "nlp-transfer"
    unset.setenv(USERS, str(tmp_path / "xdg"))
    assert find_cache_folder() == tmp_path / "xdg" / "nlp-transfer"
    for place in ("~/ours", "$HOME/ours"):
        unset.setenv(OURS, place)
        assert find_cache_folder() == tmp_path / "ours"


@pytest.mark.parametrize("place", ["", "here", ".", "./cache"])
def test_an_empty_or_relative_place_counts_as_none(unset, tmp_path, place):
    unset.setenv(USERS, place)
    unset.setenv(OURS, place)
    assert find_cache_folder() == tmp_path / ".cache" / "nlp-transfer"


@pytest.mark.parametrize("place", ["", "here"])
def test_libraries_that_a_command_loads_do_not_meet_such_a_place(unset, tmp_path, place):
    given = dict.fromkeys([USERS, *LIBRARIES], place)
    done = subprocess.run(
        [sys.executable, "-c", CODE], env={**os.environ, **given, "PYTHONPATH": str(ROOT)}, cwd=tmp_path,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert all(Path(one).is_relative_to(tmp_path / ".cache") for one in json.loads(done.stdout.splitlines()[-1]))
    said = "HF_HOME=here is left out: no whole path, it would be another cache in each folder"
    assert (said in done.stderr) == bool(place)
    assert bool(done.stderr) == bool(place)


def test_a_place_that_is_whole_is_left_to_the_libraries(unset, tmp_path, command):
    unset.setenv("HF_HOME", "~/hf")
    unset.setenv(USERS, str(tmp_path))
    assert command("--version")[0] == 0
    assert (os.environ["HF_HOME"], os.environ[USERS]) == ("~/hf", str(tmp_path))
