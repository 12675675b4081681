"""Two processes train as one does with the same batches."""

import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from tiny import ROOT, save_checkpoint, save_csv, save_vectors

import nlp_transfer

CODE = """
import json, sys, torch, nlp_transfer
torch.set_num_threads(1)
for name, config in json.load(open(sys.argv[1])).items():
    nlp_transfer.run(config, output=sys.argv[2] + "/" + name, progress=False)
"""


def configs(root):
    """Trainings without dropout: it draws other numbers in each process."""
    rest = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    bert = {"kind": "checkpoint", "name": save_checkpoint(root / "bert", **rest)}
    table = {"kind": "vectors", "name": save_vectors(root / "v.txt")}
    base = {
        "task": {"name": "sentiment", "max_length": 16, "long_documents": "window", "head": {"dropout": 0.0}},
        "data": {"train": save_csv(root / "data.csv", 57)},
        "training": {"epochs": 2, "batch_size": 7, "accumulation": 2, "learning_rate": 0.01, "precision": "fp32"},
    }
    strategies = {
        "full": {"source": bert, "strategy": {"kind": "full"}},
        "partly": {"source": bert, "strategy": {"kind": "full", "freeze_below": 1}},
        "gradual": {"source": bert, "strategy": {"kind": "gradual"}},
        "lora": {"source": bert, "strategy": {"kind": "lora", "rank": 2, "dropout": 0.0}},
        "solved": {"source": bert, "strategy": {"kind": "frozen"}},
        "hidden": {
            "source": bert,
            "strategy": {"kind": "frozen"},
            "task": {**base["task"], "head": {"hidden": [4], "dropout": 0.0}},
        },
        "table": {"source": table, "strategy": {"kind": "full"}},
    }
    return {name: {**base, **strategy} for name, strategy in strategies.items()}


@pytest.mark.slow
def test_two_processes_give_the_scores_and_nearly_the_weights_of_one(tmp_path):
    planned = configs(tmp_path)
    (tmp_path / "configs.json").write_text(json.dumps(planned))
    (tmp_path / "job.py").write_text(CODE)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tasks")]),
        "NLP_TRANSFER_CACHE": str(tmp_path / "cache"),
    }
    launch = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launch, str(tmp_path / "job.py"), str(tmp_path / "configs.json"), str(tmp_path / "two")],
        env=environment, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    for name, config in planned.items():
        alone = nlp_transfer.run(config, output=tmp_path / "one" / name, progress=False)
        both = json.loads((tmp_path / "two" / name / "metrics.json").read_text())
        for key in ("validation", "test", "steps", "selection", "parameters"):
            assert both[key] == json.loads(json.dumps(alone.metrics[key])), (name, key)
        one, two = (load_file(tmp_path / count / name / "model" / "model.safetensors") for count in ("one", "two"))
        for tensor in [tensor for tensor in one if "key.bias" not in tensor]:  # whose gradient is nothing but rounding
            torch.testing.assert_close(one[tensor], two[tensor], atol=2e-3, rtol=1e-2, msg=f"{name} {tensor}")
        losses = [
            [json.loads(line).get("loss", 0) for line in (tmp_path / count / name / "history.jsonl").open()]
            for count in ("one", "two")
        ]
        assert losses[0] == pytest.approx(losses[1], abs=1e-4), name
