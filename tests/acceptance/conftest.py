"""What the tables of hostile input share, and a place and a moment for runs that are interrupted."""

import json

import pytest
from faults import Runs, write_configs
from survival import run
from tiny import save_checkpoint, save_csv, save_vectors

from nlp_transfer.training.step import Stepper


@pytest.fixture(scope="session")
def configs(tmp_path_factory):
    """Folder with a configuration of each task, `vectors.txt` and the checkpoint `bert`."""
    return write_configs(tmp_path_factory.mktemp("configs"))


@pytest.fixture(scope="session")
def runs(configs):
    """Task -> the folder of a finished run, made when first asked for."""
    return Runs(configs)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """Sources and data of the configurations in `survival.py`."""
    root = tmp_path_factory.mktemp("survival")
    save_checkpoint(root / "bert")
    save_vectors(root / "v.txt")
    save_csv(root / "data.csv", 57)
    return root


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """A function that gives the folder of a run that nothing stops; each configuration is trained once."""
    done = {}

    def train(wanted):
        key = json.dumps(wanted)
        if key not in done:
            done[key] = run(wanted, tmp_path_factory.mktemp("undisturbed") / "run").folder
        return done[key]

    return train


@pytest.fixture
def during(monkeypatch):
    """Let something happen in the middle of a step, counted from 1 and anew at each call."""
    original = Stepper.compute_gradients

    def arrange(step, act):
        seen = {"steps": 0}

        def gradients(self, wrapped, *arguments):
            seen["steps"] += 1
            if seen["steps"] == step:
                act(wrapped)
            return original(self, wrapped, *arguments)

        monkeypatch.setattr(Stepper, "compute_gradients", gradients)

    return arrange
