"""Two processes train as one does with the same batches, whether each holds the model or a share of it."""

import csv
import json
import time

import pytest
import torch
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils.launch import prepare_multi_gpu_env
from safetensors.torch import load_file
from tiny import ROOT, save_checkpoint, save_csv, save_vectors, texts
from two_processes import torchrun

import nlp_transfer
from nlp_transfer.errors import ConfigError
from nlp_transfer.training.checkpoint_files import find_newest

CODE = """
import atexit, hashlib, json, os, sys, torch
import nlp_transfer, nlp_transfer.inference.predictions, nlp_transfer.inference.activations
from accelerate.utils import gather_object
from torch.distributed.tensor import DTensor
from nlp_transfer.training.step import Stepper
from nlp_transfer.training.loop import Trainer
torch.set_num_threads(1)
atexit.register(lambda: os.write(1, b"connections closed: %d\\n" % (not torch.distributed.is_initialized())))
phase = Trainer._run_phase

def compared(self, model, *others):
    phase(self, model, *others)
    found = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        found.update(tensor.numpy().tobytes())
    assert len(set(gather_object([found.hexdigest()]))) == 1, "the processes hold different weights after a phase"

Trainer._run_phase = compared
gradients, shared = Stepper.compute_gradients, set()

def looked_at(self, wrapped, *others):
    shared.update(isinstance(parameter, DTensor) for parameter in wrapped.parameters())
    return gradients(self, wrapped, *others)

Stepper.compute_gradients = looked_at
dealt, offered, deal = 0, 0, nlp_transfer.inference.predictions.take_own_share

def counted(parts):
    global dealt, offered
    parts = list(parts)
    share = deal(parts)
    dealt, offered = dealt + len(share), offered + len(parts)
    return share

nlp_transfer.inference.predictions.take_own_share = nlp_transfer.inference.activations.take_own_share = counted
for name, config in json.load(open(sys.argv[1])).items():
    weights = nlp_transfer.run(config, output=sys.argv[2] + "/" + name, progress=False).metrics["weights"]
    assert weights and len({*map(str, gather_object([weights]))}) == 1, "one process looked before the other had saved"
assert sum(gather_object([dealt])) == offered > 0, "a batch was inferred by no process or by several"
assert shared == {"ACCELERATE_USE_FSDP" in os.environ}, "parameters are shared out where asked, and all of them"
nlp_transfer.system.processes.end_process(0)
"""


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
        "training": {"epochs": 2, "batch_size": 7, "accumulation": 2, "learning_rate": 0.01, "precision": "fp32"},
    }
    undropped = {**base["task"], "head": {"dropout": 0.0}}
    strategies = {
        "full": {"source": bert, "strategy": {"kind": "full"}},
        "partly": {"source": bert, "strategy": {"kind": "full", "freeze_below": 1}},
        "gradual": {"source": bert, "strategy": {"kind": "gradual"}},
        "of one length": {"source": fnet, "strategy": {"kind": "full"}},
        "lora": {"source": bert, "strategy": {"kind": "lora", "rank": 2, "dropout": 0.0}},
        "solved": {"source": bert, "strategy": {"kind": "frozen"}},
        "hidden": {
            "source": bert,
            "strategy": {"kind": "frozen"},
            "task": {**base["task"], "head": {**undropped["head"], "hidden": [4]}},
        },
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
    return {name: {**base, **strategy} for name, strategy in strategies.items()}


def save_pairs(path):
    """Texts and their words backwards; returns the file's name."""
    written = [(text, " ".join(reversed(text.split()))) for text in texts(31)[0]]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("source", "target"), *written])
    return str(path)


SHARDED = """
import accelerate.state
from accelerate.utils import DistributedType
detect = accelerate.state.AcceleratorState.__init__

def detected(self, *arguments, fsdp_plugin=None, **settings):
    detect(self, *arguments, fsdp_plugin=fsdp_plugin, **settings)
    if fsdp_plugin is not None:  # Accelerate looks for FSDP on GPUs only
        self.fsdp_plugin, self.distributed_type = fsdp_plugin, DistributedType.FSDP
        accelerate.state.PartialState._shared_state["distributed_type"] = DistributedType.FSDP

accelerate.state.AcceleratorState.__init__ = detected
"""

KILLED = """
import os, signal, sys, json, time, torch, nlp_transfer
from nlp_transfer.runs import run as running
from nlp_transfer.errors import StoppedError
from nlp_transfer.training.step import Stepper
torch.set_num_threads(1)
config, folder, attempt = json.load(open(sys.argv[1])), sys.argv[2], sys.argv[3]
lost = running.is_lost_process

def late(error):
    time.sleep(2)  # until the launcher has sent its signal to the process that is left
    return lost(error)

running.is_lost_process = late
gradients, steps = Stepper.compute_gradients, 0

def struck(self, *arguments):
    global steps
    steps += 1
    if steps == 5 and attempt == "first" and self.accelerator.process_index == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if steps == 3 and attempt == "second" and self.accelerator.process_index == 1:
        os.kill(os.getpid(), signal.SIGTERM)  # one process hears of it, both stop
    return gradients(self, *arguments)

if attempt == "first":
    nlp_transfer.run(config, output=folder + "/whole", progress=False)
Stepper.compute_gradients = struck
try:
    nlp_transfer.run(config, output=folder + "/parts", resume="auto", progress=False)
except StoppedError as stopped:
    os.write(1, f"stopped {stopped}\\n".encode())  # at once: two processes share the line
    nlp_transfer.run(config, output=folder + "/parts", resume="auto", progress=False)
nlp_transfer.system.processes.end_process(0)
"""


def launched():
    """What `accelerate launch` tells its processes of sharding."""
    file = str(ROOT / "configs" / "accelerate" / "eight_gpus_sharded.yaml")
    asked, *_ = _validate_launch_command(launch_command_parser().parse_args(["--config_file", file, "-m", "any"]))
    told = prepare_multi_gpu_env(asked)
    return {name: value for name, value in told.items() if "FSDP" in name}


def job(root, code, *arguments, sharded=False, fails=False):
    """Two processes, each with the whole model or with a share of it."""
    given = launched() if sharded else {}
    return torchrun(root, SHARDED + code if sharded else code, *arguments, fails=fails, **given)


@pytest.mark.slow
@pytest.mark.parametrize("fails", [False, True])
def test_a_process_that_crashes_is_shown_with_its_stack_whatever_was_expected(tmp_path, fails):
    code = "import os, signal\n\ndef crash():\n    os.kill(os.getpid(), signal.SIGSEGV)\n\n"
    with pytest.raises(pytest.fail.Exception, match=r"Segmentation fault[^$]*job.py\", line 4 in crash"):
        torchrun(tmp_path, code + "if os.environ['RANK'] == '1':\n    crash()", fails=fails)


HOW = pytest.mark.parametrize("sharded", [False, True], ids=["copied", "sharded"])


@HOW
@pytest.mark.slow
def test_when_one_of_two_processes_is_killed_the_other_ends_and_the_run_can_go_on(tmp_path, sharded):
    config = configs(tmp_path)["gradual"]
    config["task"]["head"] = {"dropout": 0.2}
    config["training"]["checkpoint"] = {"steps": 1}
    (tmp_path / "config.json").write_text(json.dumps(config))
    started = time.monotonic()
    done = job(tmp_path, KILLED, tmp_path / "config.json", tmp_path, "first", sharded=sharded, fails=True)
    assert time.monotonic() - started < 120
    assert f"another process has ended, or cannot be reached; go on with the same command and --resume {tmp_path}" in (
        done.stderr
    )
    assert find_newest(tmp_path / "parts" / "checkpoints").values["history"]["steps"] == 4
    done = job(tmp_path, KILLED, tmp_path / "config.json", tmp_path, "second", sharded=sharded)
    assert done.stdout.count("stopped terminated after step 7") == 2
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("whole", "parts")]
    assert weights[0] == weights[1]


@HOW
@pytest.mark.slow
def test_two_processes_give_the_scores_and_nearly_the_weights_of_one(tmp_path, sharded):
    planned = configs(tmp_path)
    (tmp_path / "configs.json").write_text(json.dumps(planned))
    done = job(tmp_path, CODE, tmp_path / "configs.json", tmp_path / "two", sharded=sharded)
    assert done.stdout.count("connections closed: 1") == 2
    for name, config in planned.items():
        alone = nlp_transfer.run(config, output=tmp_path / "one" / name, progress=False)
        both = json.loads((tmp_path / "two" / name / "metrics.json").read_text())
        for key in ("validation", "test", "steps", "selection", "parameters"):
            assert both[key] == json.loads(json.dumps(alone.metrics[key])), (name, key)
        one, two = (load_file(tmp_path / count / name / "model" / "model.safetensors") for count in ("one", "two"))
        assert_near(one, two, name)
        losses = [
            [json.loads(line).get("loss", 0) for line in (tmp_path / count / name / "history.jsonl").open()]
            for count in ("one", "two")
        ]
        assert losses[0] == pytest.approx(losses[1], abs=1e-4), name


def assert_near(one, two, name=""):
    for tensor in [tensor for tensor in one if "key.bias" not in tensor]:  # whose gradient is nothing but rounding
        torch.testing.assert_close(one[tensor], two[tensor], atol=2e-3, rtol=1e-2, msg=f"{name} {tensor}")


@pytest.mark.slow
def test_a_command_under_two_processes_says_once_what_it_did(tmp_path):
    (tmp_path / "run.yaml").write_text(json.dumps(configs(tmp_path)["table"]))
    command = "from nlp_transfer.__main__ import main; main()"
    folder = tmp_path / "run"
    for words in (["run", tmp_path / "run.yaml"], ["compare", tmp_path / "run.yaml"]):
        done = job(tmp_path, command, *words, "--output", folder / words[0])
        assert done.stdout.count(str(folder / words[0])) == {"run": 1, "compare": 2}[words[0]]


@pytest.mark.slow
def test_one_process_goes_on_from_a_checkpoint_of_sharded_ones(tmp_path, caplog):
    config = configs(tmp_path)["gradual"]
    config["training"]["checkpoint"] = {"steps": 1}
    (tmp_path / "config.json").write_text(json.dumps(config))
    job(tmp_path, KILLED, tmp_path / "config.json", tmp_path, "first", sharded=True, fails=True)
    caplog.set_level("INFO")
    again = nlp_transfer.run(config, output=tmp_path / "parts", resume="auto", progress=False)
    assert "resumed at step 4" in caplog.text
    alone = nlp_transfer.run(config, output=tmp_path / "one", progress=False)
    assert again.metrics["validation"] == alone.metrics["validation"]
    assert_near(*(load_file(tmp_path / name / "model" / "model.safetensors") for name in ("one", "parts")))


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
        nlp_transfer.run(configs(tmp_path)["full"], output=tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()
