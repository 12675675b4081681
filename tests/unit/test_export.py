"""A run exported to ONNX: the same answers without torch, and refusals where that cannot be had."""

import importlib
import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
import tiny
import torch
from transformers import AutoModelForSequenceClassification

import nlp_transfer
from nlp_transfer import CheckpointError, ConfigError
from nlp_transfer.models.onnx_graph import write_graph

module = importlib.import_module("nlp_transfer.runs.export")  # `nlp_transfer.runs` has a function of that name
TEXTS = ["a good film", "", "wug " * 200, "an awful film, but é"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two runs on 90 rows: a head on pooled states that a prompt goes before, and the architecture's own head."""
    folder = tmp_path_factory.mktemp("export")
    data = tiny.save_csv(folder / "data.csv", 90)
    source = {"kind": "checkpoint", "name": tiny.save_checkpoint(folder / "bert")}
    tiny.run(folder / "frozen", {**source, "prompt": "good: "}, {"kind": "frozen"}, data)
    tiny.run(folder / "full", source, {"kind": "full"}, data, learning_rate=0.01)
    return folder


@pytest.mark.parametrize("run", ["frozen", "full"])
def test_the_script_answers_as_the_run_without_torch(place, tmp_path, run):
    found = nlp_transfer.export(place / run, tmp_path / "out")
    assert (found.differing, found.rows) == ((), 8)
    assert "8 texts answered by both, all alike" in (tmp_path / "out" / "README.md").read_text()

    code = "import runpy, sys; sys.modules['torch'] = None; runpy.run_path(sys.argv.pop(1), run_name='__main__')"
    command = [sys.executable, "-c", code, str(tmp_path / "out" / "predict.py")]
    done = subprocess.run(command, input="\n".join(TEXTS), capture_output=True, text=True, check=True)
    said = [json.loads(line) for line in done.stdout.splitlines()]
    expected = nlp_transfer.load(place / run).predict(TEXTS)
    for at in (0, 2, 3):
        assert said[at] == pytest.approx(expected[at]["probabilities"], abs=1e-5)
    assert (said[1], expected[1]["label"]) == (None, None)  # nothing is said of an empty text

    done = subprocess.run([*command, "texts.txt"], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr, "takes no argument" in done.stderr) == (1, False, True)
    with pytest.raises(ConfigError, match="holds files already; choose another folder as OUT or remove it"):
        nlp_transfer.export(place / run, tmp_path / "out")


def test_several_labels_of_a_text_are_exported_too(tmp_path):
    rows = [{"text": text, "labels": [["dull"], ["new", "fun"], []][i % 3]} for i, text in enumerate(tiny.texts(60)[0])]
    config = {
        "task": {"name": "multilabel", "max_length": 32},
        "source": {"kind": "checkpoint", "name": tiny.save_checkpoint(tmp_path / "bert")},
        "strategy": {"kind": "frozen"},
        "training": {"epochs": 1},
    }
    nlp_transfer.run(config, data=rows, output=tmp_path / "run", progress=False)
    assert nlp_transfer.export(tmp_path / "run", tmp_path / "out").differing == ()
    assert json.loads((tmp_path / "out" / "config.json").read_text())["problem_type"] == "multi_label_classification"


def test_int8_is_judged_on_validation_and_a_loss_must_be_asked_for(place, tmp_path, monkeypatch, command):
    code, said, _ = command("export", place / "full", tmp_path / "small", "--format", "onnx-int8")
    assert code == 0
    assert "validation accuracy" in said
    assert b"_quantized" in (tmp_path / "small" / "onnx" / "model_quantized.onnx").read_bytes()

    monkeypatch.setattr(module, "LOSS", -1.0)
    code, _, told = command("export", place / "full", tmp_path / "other", "--format", "onnx-int8")
    assert (code, "by more than -1; export to onnx, or take it all the same by --any-loss" in told) == (2, True)
    assert not (tmp_path / "other").exists()
    assert nlp_transfer.export(place / "full", tmp_path / "other", format="onnx-int8", any_loss=True).rows


def test_what_answers_otherwise_is_removed(place, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ROUNDING", -1.0)
    with pytest.raises(CheckpointError, match=r"answers otherwise than the run .* it was removed"):
        nlp_transfer.export(place / "full", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_exported_is_told_in_a_line(place, tmp_path, monkeypatch):
    vectors = {"kind": "vectors", "name": tiny.save_vectors(tmp_path / "words.txt")}
    tiny.run(tmp_path / "words", vectors, {"kind": "frozen"}, tiny.save_csv(tmp_path / "data.csv"))
    with pytest.raises(ConfigError, match="words cannot be exported: its tokenizer is written in Python"):
        nlp_transfer.export(tmp_path / "words", tmp_path / "out")
    with pytest.raises(ConfigError, match="format: expected onnx or onnx-int8, received 'tflite'"):
        nlp_transfer.export(place / "full", tmp_path / "out", format="tflite")
    monkeypatch.setattr(module, "PACKAGES", ("onnx", "no_such_package"))
    with pytest.raises(ConfigError, match=r"export needs no_such_package; pip install 'nlp-transfer\[export\]'"):
        nlp_transfer.export(place / "full", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("family", ["albert", "deberta-v2", "distilbert", "electra", "modernbert", "roberta", "xlnet"])
def test_a_graph_computes_texts_of_other_numbers_and_lengths_as_the_model(tmp_path, family):
    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_config(tiny.config(family, num_labels=3)).eval()
    tokenizer = tiny.tokenizer()
    write_graph(model, tokenizer, tmp_path / "model.onnx")
    read = tokenizer(tiny.texts(3)[0], padding=True, return_tensors="np")
    given = {name: read[name].astype(np.int64) for name in ("input_ids", "attention_mask")}
    (found,) = onnxruntime.InferenceSession(str(tmp_path / "model.onnx")).run(None, given)
    with torch.inference_mode():
        expected = model(**{name: torch.from_numpy(one) for name, one in given.items()}).logits
    assert found == pytest.approx(expected.numpy(), abs=1e-5)


def test_a_model_that_onnx_cannot_express_is_named(tmp_path):
    model = AutoModelForSequenceClassification.from_config(tiny.config("fnet")).eval()
    with pytest.raises(ConfigError, match=r"FNetForSequenceClassification cannot be written in ONNX: .*fft"):
        write_graph(model, tiny.tokenizer(), tmp_path / "model.onnx")
