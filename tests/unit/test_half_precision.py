"""`predict --precision auto` answers in bf16 only where that is faster and the answers stay the same."""

import json
import logging
import shutil

import pytest
import torch
from test_prediction import trained  # noqa: F401 - a fixture
from tiny import save_csv, texts

import nlp_transfer
from nlp_transfer.inference import predictions
from nlp_transfer.runs import agreement
from nlp_transfer.runs import predict as module
from nlp_transfer.runs.agreement import explain_disagreement

TEXTS = texts(12, seed=5)[0]


@pytest.fixture
def arithmetic(monkeypatch):
    """The number formats that answers were computed in, on a processor that is said to be fast in bf16."""
    seen = []
    monkeypatch.setattr(module, "choose_precision", lambda wanted: {"auto": "bf16"}.get(wanted, wanted))

    def infer(*given, **settings):
        seen.append(torch.is_autocast_enabled("cpu"))
        return predictions.infer(*given, **settings)

    monkeypatch.setattr(module, "infer", infer)
    return seen


def change_labels(folder, target, count):
    """A copy of a run that had given other labels to some of its test rows."""
    shutil.copytree(folder, target)
    rows = [json.loads(line) for line in (target / "predictions.jsonl").read_text().splitlines()]
    for row in rows[:count]:
        row["label"] = "other"
    (target / "predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return len(rows)


def test_without_the_option_answers_are_fp32(trained, arithmetic):  # noqa: F811
    nlp_transfer.load(trained.folder).predict(TEXTS)
    assert set(arithmetic) == {False}


def test_bf16_is_taken_where_it_is_faster_and_answers_test_rows_alike(trained, arithmetic, caplog):  # noqa: F811
    whole = nlp_transfer.load(trained.folder).predict(TEXTS)
    arithmetic.clear()
    predictor = nlp_transfer.load(trained.folder, precision="auto")
    said = predictor.predict(TEXTS)
    assert set(arithmetic) == {True}
    assert predictor.seen.texts == len(TEXTS)  # not those it was tried on
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert all(
        one["probabilities"] == pytest.approx(other["probabilities"], abs=0.03)
        for one, other in zip(said, whole, strict=True)
    )


def test_scores_are_computed_in_fp32_all_the_same(trained, arithmetic, tmp_path):  # noqa: F811
    predictor = nlp_transfer.load(trained.folder, precision="auto")
    assert arithmetic.pop() is True
    arithmetic.clear()
    predictor.evaluate(save_csv(tmp_path / "test.csv", count=12))
    assert set(arithmetic) == {False}


def test_where_bf16_is_no_faster_answers_are_fp32(trained, arithmetic, monkeypatch):  # noqa: F811
    monkeypatch.setattr(module, "choose_precision", lambda _: "fp32")
    nlp_transfer.load(trained.folder, precision="auto").predict(TEXTS)
    assert set(arithmetic) == {False}


def test_a_run_that_answers_a_test_row_otherwise_stays_fp32_and_says_so(trained, arithmetic, tmp_path, caplog):  # noqa: F811
    count = change_labels(trained.folder, tmp_path / "run", 1)
    predictor = nlp_transfer.load(tmp_path / "run", precision="auto")
    arithmetic.clear()
    predictor.predict(TEXTS)
    assert set(arithmetic) == {False}
    assert f"only {count - 1} of {count} test rows are answered alike, and 99.8% must be" in caplog.text


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no predictions.jsonl"),
        ('{"row": 1, "label": "positive"}\n', "no predictions.jsonl with texts"),  # as older versions wrote it
        ('{"row": 1, "inp', "predictions.jsonl is damaged"),
    ],
)
def test_without_test_rows_to_compare_with_answers_stay_fp32(tmp_path, content, reason):
    if content is not None:
        (tmp_path / "predictions.jsonl").write_text(content)
    assert reason in explain_disagreement(tmp_path, lambda _: pytest.fail("nothing to answer"))


def test_numbers_have_nothing_that_could_be_alike(tmp_path):
    (tmp_path / "predictions.jsonl").write_text('{"row": 1, "input": {"text": "a"}, "number": 2.5}\n')
    assert "numbers" in explain_disagreement(tmp_path, lambda texts: [{"number": 2.5} for _ in texts])


def test_of_many_test_rows_some_are_tried_and_one_in_five_hundred_may_differ(tmp_path, monkeypatch):
    row = {"input": {"first": "a", "second": "b"}, "label": "yes", "probabilities": {"yes": 0.9, "no": 0.1}}
    (tmp_path / "predictions.jsonl").write_text((json.dumps(row) + "\n") * 1400)
    asked = []

    def answer(inputs, wrong):
        asked.append(inputs)
        return [
            {"label": "no" if i < wrong else "yes", "probabilities": {"yes": 0.8, "no": 0.2}}
            for i in range(len(inputs))
        ]

    monkeypatch.setattr(agreement, "TRIED", 700)
    assert explain_disagreement(tmp_path, lambda inputs: answer(inputs, 1)) is None
    assert asked[0] == [{"first": "a", "second": "b"}] * 700
    assert "698 of 700" in explain_disagreement(tmp_path, lambda inputs: answer(inputs, 2))


def test_the_command_takes_the_option(trained, arithmetic, command):  # noqa: F811
    code, out, _ = command("predict", trained.folder, "--precision", "auto", stdin="a good film\n")
    assert (code, len(out.splitlines())) == (0, 1)
    assert arithmetic[-1] is True
    assert command("predict", trained.folder, "--precision", "fp8")[0] != 0
