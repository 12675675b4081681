"""`demo` without gradio: what it shows, and what it refuses; tests/browser has it in a real browser."""

import importlib.util
import sys
from types import ModuleType

import pytest
import tiny

import nlp_transfer
from nlp_transfer.errors import CheckpointError
from nlp_transfer.evaluation.html_report.recorded import read_run
from nlp_transfer.runs.demo import choose_rows, split_answer


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shown")
    config = {
        "task": {"name": "sentiment", "max_length": 32},
        "source": {"kind": "vectors", "name": tiny.save_vectors(folder / "words.txt"), "scratch": True},
        "strategy": {"kind": "frozen"},
        "data": {"train": tiny.save_csv(folder / "data.csv"), "test_share": 0.4},
    }
    return nlp_transfer.run(config, output=folder / "run", progress=False).folder


def test_the_worst_answers_to_its_test_come_first_and_of_these_the_most_confident(run):
    answered = read_run(run).answered
    chosen = choose_rows(answered, len(answered))
    wrong = [one for one in chosen if one.said != one.right]
    assert chosen[: len(wrong)] == wrong
    sure = [one.details["confidence"] for one in wrong]
    assert sure == sorted(sure, reverse=True)
    assert len(choose_rows(answered, 2)) == 2


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ({"label": "good", "confidence": 0.7, "probabilities": {"good": 0.7}}, ("good", {"good": 0.7})),
        ({"labels": ["a", "b"], "probabilities": {"a": 0.9, "b": 0.6}}, ("a, b", {"a": 0.9, "b": 0.6})),
        ({"translation": "bonjour"}, ("bonjour", None)),
        ({"number": 3.5}, ("3.5", None)),
    ],
)
def test_an_answer_is_shown_as_text_with_probabilities_where_there_are_some(said, shown):
    assert split_answer(said) == shown


def test_without_gradio_the_way_to_it_is_told_in_one_line(run, command, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gradio" else find(name))
    code, out, err = command("demo", run)
    assert (code, out, err) == (2, "", "error: demo needs gradio; pip install 'nlp-transfer[demo]'\n")


def test_a_gradio_that_cannot_be_imported_is_told_with_its_reason_and_the_way_out(run, command, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True if name == "gradio" else find(name))
    monkeypatch.setitem(sys.modules, "gradio", None)  # importing it fails
    code, out, err = command("demo", run)
    assert (code, out) == (2, "")
    assert err.startswith("error: demo needs gradio, which cannot be imported (ModuleNotFoundError: ")
    assert err.endswith("; pip install --upgrade 'nlp-transfer[demo]'\n")


def test_a_run_that_is_not_there_is_told_before_a_page_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    monkeypatch.setitem(sys.modules, "gradio", ModuleType("gradio"))
    for runs in ([tmp_path / "none"], tmp_path / "none", str(tmp_path / "none")):
        with pytest.raises(CheckpointError, match="none: no such run folder"):
            nlp_transfer.demo(runs)
