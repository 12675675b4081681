"""`predict --precision auto` answers in bf16 only where that is faster and the answers stay the same."""

import json
import logging
import shutil

import pytest
import torch
from test_prediction import trained  # noqa: F401 - a fixture
from tiny import save_csv, texts

import nlp_transfer
from nlp_transfer.errors import ConfigError
from nlp_transfer.inference import predictions
from nlp_transfer.runs.answering import agreement
from nlp_transfer.runs.answering import predictor as module
from nlp_transfer.runs.answering.agreement import explain_disagreement

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
    monkeypatch.setattr(agreement, "FEWEST", 1)
    return seen


def explain(folder, answer=None, roles=("text",)):
    """Why not, for a folder in whose place nothing may be answered."""
    return explain_disagreement(folder, roles, answer or (lambda _: pytest.fail("nothing to answer")))


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
        ("5\n", "predictions.jsonl is damaged (line 1 is no row with text)"),
        ('\n"input"\n', "predictions.jsonl is damaged (line 2 is no row with text)"),
        ('{"input": "a film"}\n', "line 1 is no row with text"),
        ('{"input": null}\n', "line 1 is no row with text"),
        ('{"input": {"first": "a"}}\n', "line 1 is no row with text"),
        ('{"input": {"text": "a", "second": "b"}}\n', "line 1 is no row with text"),
        ("[" * 100_000, "predictions.jsonl is damaged"),
        (b"\xff\xfe\n", "predictions.jsonl is damaged"),
    ],
)
def test_without_test_rows_to_compare_with_answers_stay_fp32(tmp_path, content, reason):
    if content is not None:
        (tmp_path / "predictions.jsonl").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert reason in explain(tmp_path)


def test_a_test_row_that_cannot_be_answered_is_damage_of_the_run(trained, arithmetic, tmp_path, caplog):  # noqa: F811
    shutil.copytree(trained.folder, tmp_path / "run")
    (tmp_path / "run" / "predictions.jsonl").write_text('{"input": {"text": 5}, "label": "positive"}\n')
    assert nlp_transfer.load(tmp_path / "run", precision="auto").half is False
    assert "answers in fp32, not bf16: its predictions.jsonl is damaged (input 1: expected a text" in caplog.text


def test_a_few_test_rows_prove_nothing(tmp_path):
    (tmp_path / "predictions.jsonl").write_text('{"input": {"text": "a"}, "label": "yes"}\n' * 99)
    assert "99 test rows are too few to compare with; 100 are needed" in explain(tmp_path)


def test_a_precision_that_is_none_is_refused(trained):  # noqa: F811
    with pytest.raises(ConfigError, match="precision: expected 'fp32' or 'auto', received 'bf16'"):
        nlp_transfer.load(trained.folder, precision="bf16")


def test_why_an_answer_is_not_to_be_relied_on_makes_it_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(agreement, "FEWEST", 1)
    (tmp_path / "predictions.jsonl").write_text('{"row": 1, "input": {"text": "zzzqqq"}, "label": "yes"}\n')
    assert explain(tmp_path, lambda texts: [{"label": "yes", "reason": "no word is known"} for _ in texts]) is None


def test_numbers_have_nothing_that_could_be_alike(tmp_path, monkeypatch):
    monkeypatch.setattr(agreement, "FEWEST", 1)
    (tmp_path / "predictions.jsonl").write_text('{"row": 1, "input": {"text": "a"}, "number": 2.5}\n')
    assert "numbers" in explain(tmp_path, lambda texts: [{"number": 2.5} for _ in texts])


@pytest.mark.parametrize(("rows", "tried"), [(100, 100), (499, 499), (501, 500), (1400, 500)])
def test_of_many_test_rows_five_hundred_are_tried_and_one_of_these_may_differ(tmp_path, rows, tried):
    row = {"input": {"first": "a", "second": "b"}, "label": "yes", "probabilities": {"yes": 0.9, "no": 0.1}}
    (tmp_path / "predictions.jsonl").write_text((json.dumps(row) + "\n") * rows)
    asked = []

    def answer(inputs, wrong):
        asked.append(inputs)
        return [
            {"label": "no" if i < wrong else "yes", "probabilities": {"yes": 0.8, "no": 0.2}}
            for i in range(len(inputs))
        ]

    allowed = int(tried == 500)
    roles = ("first", "second")
    assert explain(tmp_path, lambda inputs: answer(inputs, allowed), roles) is None
    assert asked[0] == [{"first": "a", "second": "b"}] * tried
    assert f"{tried - 1 - allowed} of {tried}" in explain(tmp_path, lambda inputs: answer(inputs, 1 + allowed), roles)


def test_the_command_takes_the_option(trained, arithmetic, command):  # noqa: F811
    code, out, _ = command("predict", trained.folder, "--precision", "auto", stdin="a good film\n")
    assert (code, len(out.splitlines())) == (0, 1)
    assert arithmetic[-1] is True
    assert command("predict", trained.folder, "--precision", "fp8")[0] != 0
