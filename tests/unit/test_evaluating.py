"""A finished run on another file: beside its simple methods, and within a limit."""

import json
import logging
import os
from collections import Counter
from pathlib import Path

import pytest
from tiny import run, save_csv, save_vectors, texts

import nlp_transfer
from nlp_transfer.errors import DataError
from nlp_transfer.runs.answering import predictor as prediction


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run whose train is a file of its own, with noise, so that simple methods are not always right."""
    root = tmp_path_factory.mktemp("evaluating")
    save_csv(root / "train.csv", 90)
    rows = zip(*texts(40, seed=5), strict=True)
    lines = [f"{text},{'positive' if label ^ (i % 3 == 0) else 'negative'}" for i, (text, label) in enumerate(rows)]
    (root / "test.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    source = {"kind": "vectors", "name": str(save_vectors(root / "v.txt"))}
    return run(root / "run", source, {"kind": "frozen"}, str(root / "train.csv")).folder


@pytest.fixture
def finished(whole):
    """The run; what a test damages of it is whole again for the next."""
    kept = {file: file.read_bytes() for file in (whole / "metrics.json", whole.parent / "train.csv")}
    yield whole
    for file, content in kept.items():
        file.unlink(missing_ok=True)  # it may be a pipe by now
        file.write_bytes(content)


def test_the_simple_methods_are_those_of_the_run_fitted_on_its_own_rows(finished, tmp_path):
    config = nlp_transfer.load_config(finished / "config.yaml", [f"data.test={finished.parent / 'test.csv'}"])
    other = nlp_transfer.run(config, output=tmp_path, progress=False)
    scores = nlp_transfer.evaluate(other.folder, finished.parent / "test.csv")
    assert scores["simple"].keys() == {"majority", "tfidf_logistic"}
    for name, simple in scores["simple"].items():
        assert simple == other.metrics["baselines"][name]["test"]
    assert scores["accuracy"] == other.metrics["test"]["accuracy"]


def become_a_pipe(file):
    file.unlink()
    os.mkfifo(file)  # which would be waited for


@pytest.mark.parametrize("change", [lambda file: file.write_text(file.read_text()[:-40]), Path.unlink, become_a_pipe])
def test_without_the_rows_of_the_run_the_majority_stands_alone_and_a_line_says_why(finished, change, caplog):
    change(finished.parent / "train.csv")
    with caplog.at_level(logging.WARNING):
        scores = nlp_transfer.evaluate(finished, finished.parent / "test.csv")
    assert scores["simple"].keys() == {"majority"}
    assert f"no tfidf_logistic beside the model, for it has nothing to be fitted on: {finished.parent}" in caplog.text


DAMAGED = [
    {"data": None},
    {"data": {}},
    {"data": {"splits": [1]}},
    {"data": {"splits": {"train": {}, "validation": {}, "test": {}}}},
    {"data": {"splits": {"more": {"fingerprint": "x"}}}},
    {"baselines": None},
    {"baselines": [[1]]},
    {"seed": "one"},
]


@pytest.mark.parametrize("change", DAMAGED, ids=str)
def test_a_run_whose_figures_are_damaged_is_scored_beside_what_needs_no_training_and_a_line_says_why(
    finished, change, caplog
):
    figures = json.loads((finished / "metrics.json").read_text())
    (finished / "metrics.json").write_text(json.dumps({**figures, **change}))
    with caplog.at_level(logging.WARNING):
        scores = nlp_transfer.evaluate(finished, finished.parent / "test.csv")
    assert scores["simple"].keys() == {"majority"}
    (key,) = change
    (line,) = (one for one in caplog.messages if "scored without the simple methods that the run had" in one)
    assert line.startswith(f"{finished / 'metrics.json'}: damaged ({key}")


def test_methods_that_need_no_training_stand_beside_the_model_without_the_rows_of_the_run(tmp_path, caplog):
    rows = [{"text": [text, "the plot .", f"film {i} ."], "summary": text} for i, text in enumerate(texts(30)[0])]
    for name in ("train.jsonl", "test.jsonl"):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {
        "task": {"name": "summarization", "max_length": 32, "scorer": {"width": 8}},
        "source": {"kind": "vectors", "name": save_vectors(tmp_path / "v.txt")},
        "strategy": {"kind": "frozen"},
        "data": {"train": str(tmp_path / "train.jsonl")},
        "training": {"epochs": 1, "precision": "fp32"},
    }
    folder = nlp_transfer.run(config, output=tmp_path / "run", progress=False).folder
    (tmp_path / "train.jsonl").unlink()
    scores = nlp_transfer.evaluate(folder, tmp_path / "test.jsonl")
    assert scores["simple"]["oracle"]["rouge1"] == 100.0
    assert scores["simple"].keys() == {"lead", "oracle"}
    assert "beside the model" not in caplog.text


def test_a_limit_draws_rows_in_the_shares_of_their_labels_and_says_so(finished, caplog, monkeypatch):
    read = []
    whole = prediction.read_rows
    monkeypatch.setattr(
        prediction, "read_rows", lambda *given, **named: read.append(whole(*given, **named)) or read[-1]
    )
    with caplog.at_level(logging.INFO):
        scores = [nlp_transfer.evaluate(finished, finished.parent / "test.csv", limit=10) for _ in range(2)]
    assert scores[0] == scores[1]
    assert scores[0]["rows"] == 10
    labels = [line.rsplit(",", 1)[1] for line in (finished.parent / "test.csv").read_text().splitlines()[1:]]
    assert Counter(read[0]["label"])[1] == round(labels.count("positive") / 4)
    assert "test.csv; limited to 10 of 40 rows, stratified, seed 0" in caplog.text


def test_a_limit_below_the_number_of_classes_is_refused(finished):
    with pytest.raises(DataError, match=r"test.csv: a limit of 1 rows cannot hold its 2 labels; raise it"):
        nlp_transfer.evaluate(finished, finished.parent / "test.csv", limit=1)


def test_a_limit_above_the_rows_is_not_worth_a_word(finished, caplog):
    with caplog.at_level(logging.INFO):
        nlp_transfer.evaluate(finished, finished.parent / "test.csv", limit=1000)
    assert "test.csv" not in caplog.text
