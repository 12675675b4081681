"""Two processes train as one does with the same batches, whether each holds the model or a share of it."""

import atexit
import csv
import functools
import hashlib
import itertools
import json
import os
import select
import shutil
import signal
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from accelerate import PartialState
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType, gather_object
from accelerate.utils.launch import prepare_multi_gpu_env
from fresh import command
from safetensors.torch import load_file
from tiny import ROOT, save_checkpoint, save_csv, save_vectors, texts
from torch.distributed.tensor import DTensor
from two_processes import job, launch

import nlp_transfer
from nlp_transfer.errors import ConfigError, StoppedError
from nlp_transfer.evaluation import baselines
from nlp_transfer.inference import activations, predictions
from nlp_transfer.runs import run as running
from nlp_transfer.system.processes import end_process
from nlp_transfer.training.checkpoint_files import find_newest
from nlp_transfer.training.loop import Trainer
from nlp_transfer.training.step import Stepper


def train_and_compare(planned, folder, sharded):
    """Train all of them, and compare what the two processes hold, do and know."""
    if sharded:
        find_sharding()
    fit_once()
    atexit.register(lambda: os.write(1, b"connections closed: %d\n" % (not torch.distributed.is_initialized())))
    phase, gradients, deal = Trainer._run_phase, Stepper.compute_gradients, predictions.take_own_share
    shared, dealt, offered = set(), [], []

    def compared(self, model, *others):
        phase(self, model, *others)
        found = hashlib.sha256()
        for tensor in model.state_dict().values():
            found.update(tensor.numpy().tobytes())
        assert len(set(gather_object([found.hexdigest()]))) == 1, "they hold different weights after a phase"

    def looked_at(self, wrapped, *others):
        shared.update(isinstance(parameter, DTensor) for parameter in wrapped.parameters())
        return gradients(self, wrapped, *others)

    def counted(parts):
        offered.extend(parts := list(parts))
        dealt.extend(share := deal(parts))
        return share

    Trainer._run_phase, Stepper.compute_gradients, predictions.take_own_share, activations.take_own_share = (
        compared,
        looked_at,
        counted,
        counted,
    )
    for name, config in planned.items():
        for one in run_all(config, folder / name):
            weights = one.metrics["weights"]
            assert weights, "the saved weights have a digest"
            assert len({*map(str, gather_object([weights]))}) == 1, "one process looked before the other had saved"
    assert sum(gather_object([len(dealt)])) == len(offered) > 0, "a batch was inferred by no process or by several"
    assert shared == {sharded}, "parameters are shared out where asked, and all of them"
    end_process(0)


def fit_once():
    """Fit TF-IDF once on the same texts, as `conftest` does in the process of the tests."""
    fit, fitted = baselines.fit_tfidf_logistic, {}

    def found(splits, **settings):
        told = repr((splits.train["text"][:], settings))
        if told not in fitted:
            fitted[told] = fit(splits, **settings)
        return fitted[told]

    baselines.fit_tfidf_logistic = found


def run_all(config, folder):
    """Train, and list the runs: one for each task."""
    if "tasks" in config:
        return [*nlp_transfer.run_tasks(config, output=folder, progress=False).results.values()]
    return [nlp_transfer.run(config, output=folder, progress=False)]


def configs(root):
    """Trainings without dropout: it draws other numbers in each process."""
    rest = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    bert = {"kind": "checkpoint", "name": save_checkpoint(root / "bert", **rest)}
    fnet = {"kind": "checkpoint", "name": save_checkpoint(root / "fnet", "fnet", hidden_dropout_prob=0.0)}
    table = {"kind": "vectors", "name": save_vectors(root / "v.txt")}
    decoder = {"layers": 1, "width": 64, "vocabulary": 320, "dropout": 0.0}
    base = {
        "task": {"name": "sentiment", "max_length": 16, "long_documents": "window"},
        "data": {"train": save_csv(root / "data.csv", 57)},
        "training": {"epochs": 1, "batch_size": 14, "accumulation": 2, "learning_rate": 0.01, "precision": "fp32"},
    }
    undropped = {**base["task"], "head": {"dropout": 0.0}}
    strategies = {
        "partly": {"source": bert, "strategy": {"kind": "full", "freeze_below": 1}},
        "gradual": {"source": bert, "strategy": {"kind": "gradual"}},
        "of one length": {"source": fnet, "strategy": {"kind": "full"}},
        "lora": {"source": bert, "strategy": {"kind": "lora", "rank": 2, "dropout": 0.0}},
        "solved": {"source": bert, "strategy": {"kind": "frozen"}},
        "table": {"source": table, "strategy": {"kind": "full"}, "task": undropped},
        "adapted table": {
            "source": table,
            "strategy": {"kind": "lora", "rank": 2, "dropout": 0.0},
            "task": undropped,
        },
        "written": {
            "source": bert,
            "strategy": {"kind": "full"},
            "task": {"name": "translation", "max_length": 16, "max_target_length": 16, "decoder": decoder},
            "data": {"train": save_pairs(root / "pairs.csv")},
        },
    }
    task = {key: base[key] for key in ("task", "data")}
    together = {"tasks": [{"name": "reviews", **task}, {"name": "numbers", **task}], "training": base["training"]}
    alone = {name: {**base, **strategy} for name, strategy in strategies.items()}
    return {**alone, "two tasks": {**together, "source": bert, "strategy": {"kind": "full"}}}


def save_pairs(path):
    """Texts and their words backwards; returns the file's name."""
    written = [(text, " ".join(reversed(text.split()))) for text in texts(31)[0]]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("source", "target"), *written])
    return str(path)


def find_sharding():
    """Have Accelerate find FSDP without a GPU, where alone it looks for it."""
    detect = AcceleratorState.__init__

    def detected(self, *arguments, fsdp_plugin=None, **settings):
        detect(self, *arguments, fsdp_plugin=fsdp_plugin, **settings)
        if fsdp_plugin is not None:
            self.fsdp_plugin, self.distributed_type = fsdp_plugin, DistributedType.FSDP
            PartialState._shared_state["distributed_type"] = DistributedType.FSDP

    AcceleratorState.__init__ = detected


def train(config, folder, sharded):
    """Train to the end."""
    if sharded:
        find_sharding()
    nlp_transfer.run(config, output=folder, progress=False)
    end_process(0)


def lose_one(config, folder, sharded):
    """Kill one of them in the third step; the other looks for it once the launcher has told it to end too."""
    if sharded:
        find_sharding()
    told, telling = os.pipe()
    os.set_blocking(telling, False)
    signal.set_wakeup_fd(telling)
    lost = running.is_lost_process

    def late(error):
        select.select([told], [], [], 60)
        return lost(error)

    running.is_lost_process = late
    at_step(3, signal.SIGKILL)
    nlp_transfer.run(config, output=folder, resume="auto", progress=False)


def stop_one_and_go_on(config, folder, sharded):
    """Signal one of them in the third step, and go on from where both stop."""
    if sharded:
        find_sharding()
    at_step(3, signal.SIGTERM)
    with pytest.raises(StoppedError) as stopped:
        nlp_transfer.run(config, output=folder, resume="auto", progress=False)
    os.write(1, f"stopped {stopped.value}\n".encode())  # at once: two processes share the line
    nlp_transfer.run(config, output=folder, resume="auto", progress=False)
    end_process(0)


def at_step(number, kill):
    """Have the second process send itself a signal before a step."""
    gradients, steps = Stepper.compute_gradients, itertools.count(1)

    def struck(self, *arguments):
        if next(steps) == number and self.accelerator.process_index == 1:
            os.kill(os.getpid(), kill)
        return gradients(self, *arguments)

    Stepper.compute_gradients = struck


def launched():
    """What `accelerate launch` tells its processes of sharding."""
    file = str(ROOT / "configs" / "accelerate" / "eight_gpus_sharded.yaml")
    asked, *_ = _validate_launch_command(launch_command_parser().parse_args(["--config_file", file, "-m", "any"]))
    told = prepare_multi_gpu_env(asked)
    return {name: value for name, value in told.items() if "FSDP" in name}


def crash():
    """Crash the second of them."""
    if os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGSEGV)


def end(wrong):
    """End at once, well or badly."""
    assert not wrong, "this is shown"


@pytest.mark.parametrize("fails", [False, True])
def test_a_process_that_crashes_is_shown_with_its_stack_whatever_was_expected(tmp_path, fails):
    with pytest.raises(pytest.fail.Exception, match=r"Segmentation fault[^$]*test_distributed.py\", line \d+ in crash"):
        job(tmp_path, crash, fails=fails)


@pytest.mark.parametrize(("wrong", "fails"), [(False, True), (True, False)])
def test_a_job_that_does_not_end_as_expected_is_a_failure(tmp_path, wrong, fails):
    with pytest.raises(pytest.fail.Exception, match="this is shown" if wrong else "ended well"):
        job(tmp_path, end, wrong, fails=fails)


SHARED_OUT = ("partly", "lora", "table", "written", "two tasks")  # the others differ in rows, or take no steps
HOW = pytest.mark.parametrize("sharded", [False, True], ids=["copied", "sharded"])


class Lost(NamedTuple):
    """Trainings of two phases of three steps, by two processes."""

    config: dict
    folder: Path  # `whole` is trained to the end, of `parts` one process is killed
    told: dict  # of sharding
    said: str  # by the process that was left


@functools.cache
def lose(folder, sharded):
    """Train once to the end, and once until one of the processes is killed."""
    config, told = configs(folder)["partly"], launched() if sharded else {}
    config["strategy"] = {"kind": "gradual", "blocks_per_phase": 3}
    config["task"]["head"] = {"dropout": 0.0 if sharded else 0.2}  # none where one process goes on, which draws others
    config["training"] |= {"batch_size": 16}
    job(folder, train, config, folder / "whole", sharded, **told)
    config["training"] |= {"checkpoint": {"steps": 1}}
    done = job(folder, lose_one, config, folder / "parts", sharded, fails=True, **told)
    return Lost(config, folder, told, done.stderr)


@pytest.fixture(scope="module")
def lost(tmp_path_factory):
    """A function that gives what `lose` does, once for each way."""
    folders = {sharded: tmp_path_factory.mktemp("lost") for sharded in (False, True)}
    return lambda sharded: lose(folders[sharded], sharded)


@HOW
@pytest.mark.slow
def test_when_one_of_two_processes_is_killed_the_other_ends_and_the_run_can_go_on(tmp_path, lost, sharded):
    config, folder, told, said = lost(sharded)
    assert "another process has ended, or cannot be reached; go on with the same command\n" in said
    shutil.copytree(folder / "parts", tmp_path / "parts")
    saved = find_newest(tmp_path / "parts" / "checkpoints")
    assert saved.values["history"]["steps"] == 2
    assert not torch.equal(*(saved.tensors[f"random/{process}/torch"] for process in range(2)))
    done = job(tmp_path, stop_one_and_go_on, config, tmp_path / "parts", sharded, **told)
    assert done.stdout.count("stopped terminated after step 5") == 2
    weights = [(root / "model" / "model.safetensors").read_bytes() for root in (folder / "whole", tmp_path / "parts")]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_one_process_goes_on_from_a_checkpoint_of_sharded_ones(tmp_path, lost, caplog):
    config, folder, *_ = lost(sharded=True)
    shutil.copytree(folder / "parts", tmp_path / "parts")
    caplog.set_level("INFO")
    again = nlp_transfer.run(config, output=tmp_path / "parts", resume="auto", progress=False)
    assert "resumed at step 2" in caplog.text
    both = json.loads((folder / "whole" / "metrics.json").read_text())
    assert again.metrics["validation"] == both["validation"]
    assert_near(*(load_file(one / "model" / "model.safetensors") for one in (folder / "whole", tmp_path / "parts")))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Every training by one process, and the configurations."""
    root = tmp_path_factory.mktemp("alone")
    planned = configs(root)
    return planned, {
        one.folder.relative_to(root): one for name, config in planned.items() for one in run_all(config, root / name)
    }


@HOW
@pytest.mark.slow
def test_two_processes_give_the_scores_and_nearly_the_weights_of_one(tmp_path, alone, sharded):
    planned, runs = alone
    if sharded:
        planned = {name: planned[name] for name in SHARED_OUT}
        runs = {name: one for name, one in runs.items() if name.parts[0] in SHARED_OUT}
    done = job(tmp_path, train_and_compare, planned, tmp_path, sharded, **(launched() if sharded else {}))
    assert done.stdout.count("connections closed: 1") == 2
    for name, one in runs.items():
        folders = one.folder, tmp_path / name
        both = json.loads((tmp_path / name / "metrics.json").read_text())
        for key in ("validation", "test", "steps", "selection", "parameters"):
            assert both[key] == json.loads(json.dumps(one.metrics[key])), (name, key)
        assert_near(*(load_file(folder / "model" / "model.safetensors") for folder in folders), name)
        losses, cosines = zip(*map(read_history, folders), strict=True)
        assert losses[0] == pytest.approx(losses[1], abs=1e-4), name
        assert cosines[0] == pytest.approx(cosines[1], abs=1e-2), name
        assert any(cosines[0]) == ("two tasks" in str(name))


def read_history(folder):
    """The loss of each epoch, and the cosines between the gradients of tasks, whose history stands above them."""
    path = next(place for one in (folder, folder.parent) if (place := one / "history.jsonl").exists())
    lines = [json.loads(line) for line in path.open()]
    return [one.get("loss", 0) for one in lines], [c for one in lines for c in one.get("gradient_cosines", {}).values()]


def assert_near(one, two, name=""):
    for tensor in [tensor for tensor in one if "key.bias" not in tensor]:  # whose gradient is nothing but rounding
        torch.testing.assert_close(one[tensor], two[tensor], atol=2e-3, rtol=1e-2, msg=f"{name} {tensor}")


@pytest.mark.slow
def test_a_command_under_two_processes_says_once_what_it_did(tmp_path):
    (tmp_path / "run.yaml").write_text(json.dumps(configs(tmp_path)["table"]))

    def words(verb):
        return [verb, str(tmp_path / "run.yaml"), "--output", str(tmp_path / verb)]

    done = launch(tmp_path, command, *words("run"))
    assert done.stdout.count(f"run folder: {tmp_path / 'run'}") == 1
    assert done.stderr.count("expected calibration error on test") == 1
    done = job(tmp_path, command, *words("compare"))
    assert done.stdout.count(f"run folders: {tmp_path / 'compare'}") == 1
    said = job(tmp_path, command, *words("run"), fails=True).stderr
    assert f"error: output folder {tmp_path / 'run'} holds a finished run" in said
    assert "error: another process has ended, or cannot be reached; what it said before tells why\n" in said
    assert "RuntimeError" not in said


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"ACCELERATE_USE_FSDP": "true"}, "fsdp_version: 2"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "1"}, "fsdp_version: 2"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_OFFLOAD_PARAMS": "true"}, "fsdp_offload_params"),
        (
            {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_ACTIVATION_CHECKPOINTING": "true"},
            "training.gradient_checkpointing",
        ),
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "DeepSpeed"),
        ({"ACCELERATE_USE_MEGATRON_LM": "true"}, "Megatron"),
    ],
)
def test_a_way_of_distributing_that_is_not_known_is_refused_with_the_way_out(tmp_path, monkeypatch, asked, said):
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=said):
        nlp_transfer.run(configs(tmp_path)["gradual"], output=tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()
