"""What git asks before a commit: tools of `.venv` or the PATH, none of which must be there."""

import shutil
import subprocess

import pytest
import yaml
from tiny import ROOT


@pytest.fixture
def checkout(tmp_path):
    """A folder with the script that finds tools, and one more for the PATH."""
    (tmp_path / "tree" / ".ci").mkdir(parents=True)
    (tmp_path / "path").mkdir()
    shutil.copy(ROOT / ".ci" / "tool", tmp_path / "tree" / ".ci")
    return tmp_path


def install(folder, name):
    """A tool that says where it is and what it was given, and ends with 3."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f'#!/bin/sh\necho "{folder.name}: $@"\nexit 3\n')
    (folder / name).chmod(0o755)


def call(checkout, *arguments):
    path = f"{checkout / 'path'}:/usr/bin:/bin"
    done = subprocess.run(
        [".ci/tool", *arguments], cwd=checkout / "tree", env={"PATH": path}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


def test_a_tool_on_the_path_is_enough(checkout):
    install(checkout / "path", "ruffian")
    assert call(checkout, "ruffian", "check", "a b.py") == (3, "path: check a b.py\n")


def test_the_tool_of_the_virtual_environment_comes_first(checkout):
    install(checkout / "path", "ruffian")
    install(checkout / "tree" / ".venv" / "bin", "ruffian")
    assert call(checkout, "ruffian", "check") == (3, "bin: check\n")


def test_a_tool_that_is_nowhere_is_left_out_with_a_line(checkout):
    code, said = call(checkout, "ruffian", "check")
    assert code == 0
    assert said.startswith("ruffian: neither in .venv nor on the PATH")
    assert said.count("\n") == 1


def test_every_hook_looks_for_its_tool():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert len(repository["hooks"]) == 3
    assert all(hook["entry"].startswith(".ci/tool ") for hook in repository["hooks"])
    assert all(hook["verbose"] for hook in repository["hooks"])
