"""Trackers get losses, scores and the configuration, in the run folder and nowhere else."""

import importlib.util
import os
import sys
from types import SimpleNamespace

import accelerate
import pytest
import tiny
from accelerate.utils import LoggerType

import nlp_transfer
from nlp_transfer.config.load import load_config
from nlp_transfer.errors import ConfigError
from nlp_transfer.runs.trackers import list_trackers, open_trackers
from nlp_transfer.runs.train import make_accelerator

STANDING_IN = """
import json, os
from pathlib import Path

class Run:
    def __init__(self, told): self.told = told
    def log(self, values, step=None): self.told.append(["log", values, step])
    def finish(self): self.told.append(["finish"])

current = None

def init(**given):
    global current
    print("words for a person")
    told = [["init", {key: str(value) if key == "dir" else value for key, value in given.items()}]]
    told.append(["variables", {key: one for key, one in os.environ.items() if key.startswith(("WANDB", "TRACKIO"))}])
    current = Run(told)
    return current

def finish():
    current.finish()
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracked")
    return {
        "task": {"name": "sentiment", "max_length": 32},
        "source": {"kind": "vectors", "name": tiny.save_vectors(folder / "words.txt")},
        "strategy": {"kind": "full"},
        "data": {"train": tiny.save_csv(folder / "data.csv")},
    }


def track(place, tracker, folder):
    config = {**place, "training": {"epochs": 1, "tracker": tracker}}
    return nlp_transfer.run(config, output=folder, progress=False)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Put something in the place of wandb and Trackio that notes what it is told."""
    below = tmp_path / "packages"
    below.mkdir()
    monkeypatch.syspath_prepend(str(below))
    for name in ("wandb", "trackio"):
        (below / f"{name}.py").write_text(STANDING_IN)
        monkeypatch.delitem(sys.modules, name, raising=False)
    known = [*accelerate.tracking._available_trackers, LoggerType.WANDB, LoggerType.TRACKIO]
    monkeypatch.setattr(accelerate.tracking, "_available_trackers", known)
    yield
    for name in ("wandb", "trackio"):
        sys.modules.pop(name, None)


def test_tensorboard_gets_losses_validation_test_and_configuration(place, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator").EventAccumulator
    result = track(place, "tensorboard", tmp_path / "run")
    events = accumulator(str(tmp_path / "run" / "nlp-transfer"))
    events.Reload()
    assert {"train/loss", "validation/accuracy", "test/accuracy"} <= set(events.Tags()["scalars"])
    (tested,) = events.Scalars("test/accuracy")
    assert tested.value == pytest.approx(result.metrics["test"]["accuracy"])
    (written,) = (tmp_path / "run" / "nlp-transfer").glob("*/hparams.yml")
    assert "training.batch_size: 32" in written.read_text()


def test_others_are_opened_in_the_run_folder_offline_and_the_environment_is_as_before(
    place, tmp_path, installed, monkeypatch, capsys
):
    told = []
    monkeypatch.setenv("WANDB_DIR", "/elsewhere")
    monkeypatch.setenv("TRACKIO_SPACE_ID", "somebody/space")
    before = importlib.import_module("trackio")
    close = accelerate.tracking.WandBTracker.finish
    monkeypatch.setattr(
        accelerate.tracking.WandBTracker, "finish", lambda self: (close(self), told.append(self.run.told))
    )
    track(place, ["wandb", "trackio"], tmp_path / "run")
    (init, settings), (_, variables), *logged, finished = told[0]
    assert (init, settings["mode"], settings["dir"]) == ("init", "offline", str(tmp_path / "run"))
    assert settings["config"]["training.epochs"] == 1
    assert variables["WANDB_MODE"] == "offline"
    places = [value for key, value in variables.items() if key.endswith("_DIR")]
    assert len(places) == 6
    assert all(one.startswith(str(tmp_path / "run")) for one in places)
    assert [sorted({name.split("/")[0] for name in values}) for _, values, _ in logged] == [
        ["train", "validation"],
        ["test"],
    ]
    assert finished == ["finish"]

    assert not {"TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"} & variables.keys()
    assert before.current is None, "it was imported before the run, with another folder"

    assert (os.environ["WANDB_DIR"], os.environ["TRACKIO_SPACE_ID"]) == ("/elsewhere", "somebody/space")
    assert not {"WANDB_MODE", "TRACKIO_DIR", "MLFLOW_TRACKING_URI"} & os.environ.keys()
    assert "trackio" not in sys.modules  # the next run would else write into this one's folder
    assert "words for a person" not in capsys.readouterr().out


def test_mlflow_writes_below_the_run_even_where_the_process_has_told_it_of_another_place(place, tmp_path, monkeypatch):
    here = ["http://127.0.0.1:5000"]  # counts above MLFLOW_TRACKING_URI
    standing_in = SimpleNamespace(
        get_tracking_uri=lambda: here[0], set_tracking_uri=lambda uri: here.__setitem__(0, uri)
    )
    monkeypatch.setitem(sys.modules, "mlflow", standing_in)
    seen = []
    accelerator = SimpleNamespace(
        log_with=["mlflow"], is_main_process=True, trackers=[], init_trackers=lambda *_, **__: seen.append(here[0])
    )
    with open_trackers(accelerator, load_config(place), tmp_path):
        assert seen == [f"sqlite:///{tmp_path}/mlflow.db"]
    assert here == ["http://127.0.0.1:5000"]


def test_a_tracker_that_does_not_start_is_told_in_one_line(place, tmp_path, installed, monkeypatch):
    (tmp_path / "packages" / "wandb.py").write_text("def init(**given): raise OSError('no room')")
    with pytest.raises(ConfigError, match=r"training\.tracker: wandb does not start: no room"):
        track(place, "wandb", tmp_path / "run")


def test_a_tracker_that_fails_later_costs_a_line_of_warning_and_no_run(place, tmp_path, installed, monkeypatch, caplog):
    broken = STANDING_IN.replace('self.told.append(["log", values, step])', "raise OSError('no room')")
    broken = broken.replace('self.told.append(["finish"])', "raise OSError('none\\nleft')")
    (tmp_path / "packages" / "wandb.py").write_text(broken)
    assert track(place, "wandb", tmp_path / "run").metrics["test"]
    told = [line for line in caplog.messages if line.startswith("training.tracker")]
    assert told == [f"training.tracker: wandb has failed: {said}" for said in ("no room", "no room", "none left")]


def test_a_tracker_that_is_not_installed_is_named_with_the_way_out(place, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "mlflow" else find(name))
    training = load_config({**place, "training": {"tracker": ["tensorboard", "mlflow"]}}).training
    with pytest.raises(ConfigError, match=r"training\.tracker: needs mlflow; pip install mlflow"):
        list_trackers(training)


@pytest.mark.parametrize(
    ("given", "names"),
    [("none", []), ([], []), ("tensorboard", ["tensorboard"]), (["tensorboard", "tensorboard"], ["tensorboard"])],
)
def test_one_or_several_are_named(place, given, names):
    assert list_trackers(load_config({**place, "training": {"tracker": given}}).training) == names


def test_without_trackers_nobody_is_warned_that_there_are_none(place, tmp_path, recwarn):
    make_accelerator(load_config(place).training, tmp_path, None)
    assert [str(one.message) for one in recwarn if "tracker" in str(one.message)] == []


def test_an_unknown_one_is_refused(place):
    with pytest.raises(ConfigError, match=r"training\.tracker"):
        load_config({**place, "training": {"tracker": ["tensorbord"]}})
