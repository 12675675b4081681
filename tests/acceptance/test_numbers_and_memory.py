"""Numbers that are not finite, and memory that runs out: promises 10 to 12 of docs/reliability.md."""

import contextlib
import json
import re
import resource
import shutil

import numpy as np
import psutil
import pytest
import torch
from fresh import execute, run_fresh
from survival import config, outcome, run

import nlp_transfer
from nlp_transfer.errors import SourceError, TrainingError
from nlp_transfer.training.checkpoint_files import load_checkpoint

# Promise 10


def plant(value):
    def act(model):
        with torch.no_grad():
            next(iter(model.parameters()))[0] = value

    return act


def test_a_loss_that_is_not_finite_names_step_rate_and_the_last_good_checkpoint(place, undisturbed, tmp_path, during):
    during(5, plant(float("nan")))
    last = tmp_path / "run" / "checkpoints" / "step-00000004"
    message = rf"loss is (nan|inf) .* at step 5 \(phase 'full', learning rate .*\); the last good checkpoint is {last}"
    with pytest.raises(TrainingError, match=message):
        run(config(place, checkpoint={"steps": 1}), tmp_path / "run")
    assert all(tensor.isfinite().all() for tensor in load_checkpoint(last).tensors.values())
    during(1, plant(float("inf")))  # before there is another checkpoint
    with pytest.raises(TrainingError, match=message):
        run(config(place, checkpoint={"steps": 1}), tmp_path / "run", resume="auto")
    during(-1, None)
    run(config(place, checkpoint={"steps": 1}), tmp_path / "run", resume="auto")
    assert outcome(tmp_path / "run") == outcome(undisturbed(config(place)))


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
        def forward(self, features, _original=nlp_transfer.models.portable.pooled.Head.forward):
            room = allocate(each * len(features)) if self.training else None
            return _original(self, features) if room is not None or not self.training else None

        monkeypatch.setattr("nlp_transfer.models.portable.pooled.Head.forward", forward)

    return arrange


ALLOCATORS = {
    "torch": lambda size: torch.empty(size, dtype=torch.uint8),
    "numpy": lambda size: np.empty(size, dtype=np.uint8),
}


@pytest.mark.parametrize("name", ALLOCATORS)
def test_out_of_memory_halves_the_micro_batch_and_changes_nothing_else(place, tmp_path, hungry, caplog, name):
    wanted = config(place, "full", "table", batch_size=16, accumulation=1, epochs=1)
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
    wanted = config(place, "full", "table", batch_size=16, accumulation=2, epochs=1)
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
    ("loading", "failing", "said"),
    [
        ("", "bytearray(1 << 60)", "out of memory; try a smaller training.batch_size or task.max_length"),
        (
            "from accelerate import Accelerator; from nlp_transfer.training.step import Stepper",
            "Stepper(Accelerator(), None, 8, 0.0)._cut_smaller([[0]] * 8)",
            "out of memory with one example at a time; try ",
        ),
    ],
    ids=["anywhere", "training"],
)
def test_a_command_that_runs_out_of_memory_ends_without_what_libraries_do_at_exit(tmp_path, loading, failing, said):
    code = f"""
import atexit, os, sys
from nlp_transfer import __main__
from nlp_transfer.cli import commands as cli
{loading}
atexit.register(os.abort)  # as some do that find no memory to end with
print("kept")
sys.argv = ["nlp-transfer", "schema"]
cli.app = lambda **_: {failing}
__main__.main()
"""
    ended = run_fresh(tmp_path, execute, code)
    assert (ended.code, ended.stdout) == (5, "kept\n")
    assert ended.stderr.startswith(f"error: {said}")


def test_recomputing_activations_runs_layers_twice_and_changes_no_weight(place, tmp_path, monkeypatch):
    from transformers.models.bert.modeling_bert import BertSelfAttention

    passes, original = [], BertSelfAttention.forward
    monkeypatch.setattr(
        BertSelfAttention, "forward", lambda self, *a, **k: passes.append(self.training) or original(self, *a, **k)
    )
    counts = []
    for name, wanted in {"plain": False, "saving": True}.items():
        run(config(place, gradient_checkpointing=wanted, epochs=1), tmp_path / name)
        counts.append(sum(passes))
        passes.clear()
    assert counts[1] == 2 * counts[0]
    assert outcome(tmp_path / "plain") == outcome(tmp_path / "saving")
