"""Texts in, predictions out, in input order and as they stream."""

import dataclasses
import json
import math
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas
import pytest
from datasets import Dataset, DatasetDict
from tiny import LABELS, save_checkpoint, save_csv, texts

import nlp_transfer
from nlp_transfer import DataError, Predictor
from nlp_transfer.data.formats.text_lines import ArrivingLines
from nlp_transfer.errors import CheckpointError
from nlp_transfer.runs.answering import predictor as module
from nlp_transfer.runs.answering.predictor import Seen
from nlp_transfer_tasks.sentiment import Sentiment


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    config = {
        "task": {"name": "sentiment", "max_length": 16, "long_documents": "window"},
        "source": {"kind": "checkpoint", "name": save_checkpoint(root / "bert", num_hidden_layers=1)},
        "data": {"train": save_csv(root / "data.csv"), "columns": {"text": "text"}},
        "training": {"epochs": 1, "precision": "fp32", "learning_rate": 0.01},
    }
    return nlp_transfer.run(config, output=root / "run", progress=False)


@pytest.fixture(scope="module")
def loaded(trained):
    return nlp_transfer.load(trained.folder)


@pytest.fixture
def predictor(loaded, monkeypatch):
    """The predictor of the run, which has seen no text."""
    monkeypatch.setattr(loaded, "seen", Seen())
    return loaded


def close(one, other):
    return all(abs(one["probabilities"][label] - other["probabilities"][label]) < 1e-5 for label in LABELS)


def test_predictions_come_in_input_order_whatever_the_lengths(predictor):
    found = [text * (1 + 7 * (i % 5)) for i, text in enumerate(texts(24, seed=3)[0])]
    alone = [predictor.predict([text])[0] for text in found]
    assert all(map(close, predictor.predict(found), alone))
    assert all(map(close, predictor.predict(found[::-1]), alone[::-1]))
    assert len({round(one["probabilities"]["positive"], 6) for one in alone}) > 16


def test_a_prediction_is_the_likeliest_label_with_probabilities_that_sum_to_one(predictor):
    for said in predictor.predict(texts(20)[0]):
        assert set(said) == {"label", "confidence", "probabilities"}
        assert said["confidence"] == said["probabilities"][said["label"]] == max(said["probabilities"].values())
        assert tuple(said["probabilities"]) == LABELS
        assert said["label"] == max(said["probabilities"], key=said["probabilities"].get)
        assert math.isclose(sum(said["probabilities"].values()), 1, abs_tol=1e-5)
        assert json.loads(json.dumps(said)) == said


def test_a_stream_is_answered_before_it_ends(predictor, monkeypatch):
    monkeypatch.setattr(module, "READ_AHEAD", 4)
    read = []

    def endless():
        number = 0
        while True:
            read.append(number)
            yield "good" if number % 3 else "bad film"
            number += 1

    stream = predictor.predict_stream(endless())
    first = [next(stream) for _ in range(6)]
    assert len(read) == 8
    assert close(first[0], first[3])


def test_a_stream_in_pieces_is_answered_as_in_one(predictor, monkeypatch):
    found = texts(30, seed=4)[0]
    whole = predictor.predict(found)
    monkeypatch.setattr(module, "READ_AHEAD", 7)
    assert all(map(close, predictor.predict(found), whole))
    assert len(predictor.predict(found)) == 30


@pytest.mark.parametrize("odd", ["zzz qqq", "🙂" * 50, "good " * 100_000, "\ufffd", "."])
def test_odd_texts_get_an_answer_among_ordinary_ones(predictor, odd):
    ordinary, said, _ = predictor.predict(["good film", odd, "bad"])
    assert close(ordinary, predictor.predict(["good film"])[0])
    assert said["label"] in LABELS


BLANK = ["", " \t\n", "\x00", "\u00a0\u3000", "\u200b\u00ad\ufeff", "\u3164", "\ufe0f", "\U000e0100\u180b"]
BLANK += [None, math.nan]


def test_what_shows_no_text_has_no_answer_and_a_reason_and_the_others_keep_theirs(predictor):
    before = dataclasses.replace(predictor.seen)
    good, *nothing, bad = predictor.predict(["good film", *BLANK, "bad"])
    assert close(good, predictor.predict(["good film"])[0])
    assert close(bad, predictor.predict(["bad"])[0])
    for blank, said in zip(BLANK, nothing, strict=True):
        reason = "the text is empty" if isinstance(blank, str) else "there is no text"
        assert said == {"label": None, "confidence": None, "probabilities": None, "reason": reason}, blank
    assert (predictor.seen.texts, predictor.seen.empty) == (before.texts + 14, before.empty + 10)


def test_the_model_never_sees_an_empty_text(predictor, monkeypatch):
    monkeypatch.setattr(module, "infer", lambda *_: pytest.fail("it was asked"))
    monkeypatch.setattr(predictor, "_nothing", {"label": None}, raising=False)
    assert predictor.predict(["", None]) == [
        {"label": None, "reason": "the text is empty"},
        {"label": None, "reason": "there is no text"},
    ]


def test_a_task_of_other_people_has_no_answer_for_an_empty_text_either(predictor):
    class Moods(Sentiment):
        def decode(self, results, rows, tokenizers):
            return [{"mood": one["label"]} for one in super().decode(results, rows, tokenizers)]

    moods = Predictor(Moods(predictor.task.options, LABELS), predictor.model, predictor.tokenizers, {})
    assert moods.predict([" "]) == [{"mood": None, "reason": "the text is empty"}]


def test_a_series_of_texts_may_be_of_any_kind(predictor):
    texts = ["good film", "bad"]
    frame = pandas.DataFrame({"text": texts})
    expected = predictor.predict(texts)
    for given in (tuple(texts), iter(texts), frame["text"], frame["text"].to_numpy(), np.array(texts),
                  Dataset.from_pandas(frame)["text"]):  # fmt: skip
        assert predictor.predict(given) == expected


def test_a_missing_cell_of_a_frame_has_no_answer(predictor):
    for given in (
        ["good", None],
        pandas.Series(["good", pandas.NA], dtype="string"),
        pandas.Series(["good", math.nan]),
    ):
        assert [one["label"] is None for one in predictor.predict(given)] == [False, True]


FRAME = pandas.DataFrame({"text": ["good"], "label": ["positive"]})
TABLES = {
    "splits": (DatasetDict(test=Dataset.from_pandas(FRAME)), r"a DatasetDict; write data\[split\]"),
    "a mapping": ({"text": "good"}, r'received a dict; write \[\{"text": ...\}\]'),
    "one text": ("a good film", r"received one text; write \[text\]"),
    "bytes": (b"good", r"received bytes; write \[data.decode\(\)\]"),
    "a path": (Path("texts.txt"), r"a PosixPath; write open\(path\), or `nlp-transfer predict RUN FILE`"),
    "nothing": (None, r"received None; write \[text\]"),
    "an array of one text": (np.array("good"), r"received a ndarray; write \[text\]"),
    "a number": (3, r"received an int; write \[text\]"),
    "rows without the column": ([{"txt": "good"}], "input 1: has no 'text'. Known: txt. Did you mean 'txt'"),
    "a table without the column": (FRAME[["label"]], r"row 1: no column 'text'. .* columns=\{\"text\": \"NAME\"\}"),
    "lists": ((["good"], ["bad"]), "input 1: expected a text, received a list; give it as a str"),
    "a matrix": (FRAME.to_numpy(), "input 1: expected a text, received a ndarray"),
    "an odd item": (["good", 3], "input 2: expected a text, received an int; give it as a str"),
    "half a character": (["\ud800"], "input 1: holds half a surrogate pair"),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("verb", ["predict", "predict_stream"])
def test_what_is_no_series_of_texts_is_refused_in_one_line_with_the_way_out(predictor, name, verb):
    given, said = TABLES[name]
    with pytest.raises(DataError, match=said) as refused:
        list(getattr(predictor, verb)(given))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (DatasetDict(train=Dataset.from_pandas(FRAME)), "data: holds no test split, only: train"),
        ({"text": 3}, r"data: expected a table of rows, received a dict; give a frame, or \[\{column"),
        (["good"], r"data: a list, row 1: expected \{column: cell, ...\}, received a str; name the columns"),
        (b"a.csv", "received bytes"),
        (None, "received None; give a frame"),
    ],
)
def test_what_names_no_data_is_refused_by_evaluate(predictor, given, said):
    with pytest.raises(DataError, match=said) as refused:
        predictor.evaluate(given)
    assert "\n" not in str(refused.value)


def test_columns_that_name_no_roles_are_refused(predictor):
    with pytest.raises(DataError, match="columns: expected role: column, received a list"):
        predictor.evaluate("a.csv", ["text"])


@pytest.mark.parametrize("given", [FRAME, b"run", None, {"run": 1}])
def test_what_names_no_run_is_refused_by_every_verb_that_takes_one(given):
    for verb in (
        nlp_transfer.load,
        lambda run: nlp_transfer.evaluate(run, "a.csv"),
        lambda run: nlp_transfer.publish(run, "a/b"),
    ):
        with pytest.raises(CheckpointError, match=r"^run: expected a path or its name, received \S+( \w+)?$"):
            verb(given)


def test_texts_that_are_cut_are_counted(predictor):
    before = dataclasses.replace(predictor.seen)
    predictor.predict(["good " * 1000, "good", " "])
    after = predictor.seen
    assert (after.texts, after.empty, after.truncated) == (before.texts + 3, before.empty + 1, before.truncated + 1)


def test_an_answer_to_a_text_without_a_known_word_has_a_reason_and_is_counted(predictor, caplog):
    before = predictor.seen.unknown
    unknown, known = predictor.predict(["zzzqqq .", "good zzzqqq"])
    assert unknown["label"] in LABELS
    assert (unknown["reason"], "reason" in known) == ("the model knows no word of the text", False)
    assert predictor.seen.unknown == before + 1

    predictor.evaluate({"text": ["zzzqqq", "good", "good " * 1000], "label": LABELS[:1] * 3})
    assert "1 of 3 rows hold no word that the model knows" in caplog.text
    assert "1 of 3 rows are too long and were cut" in caplog.text


def test_no_texts_give_no_predictions(predictor):
    assert predictor.predict([]) == []


def test_a_labelled_file_is_scored_as_in_training(trained, predictor, tmp_path):
    data = save_csv(tmp_path / "more.csv", 30, seed=9)
    scores = predictor.evaluate(data)
    assert scores == nlp_transfer.evaluate(trained.folder, data)
    said = [one["label"] for one in predictor.predict(texts(30, seed=9)[0])]
    right = sum(one == LABELS[label] for one, label in zip(said, texts(30, seed=9)[1], strict=True))
    assert scores["accuracy"] == pytest.approx(right / 30)


def test_a_file_with_a_label_that_the_model_does_not_know_is_refused(predictor, tmp_path):
    path = tmp_path / "odd.csv"
    path.write_text("text,label\ngood,positive\nfine,splendid\n")
    with pytest.raises(DataError, match="splendid"):
        predictor.evaluate(str(path))


def test_the_model_rests_while_it_predicts(predictor):
    assert not any(module.training for module in predictor.model.modules())
    assert predictor.predict(["good film"] * 2)[0] == predictor.predict(["good film"] * 2)[1]


def test_the_text_column_of_the_training_data_is_remembered(trained, tmp_path):
    path = tmp_path / "renamed.csv"
    path.write_text(open(save_csv(tmp_path / "data.csv")).read().replace("text,label", "review,mood", 1))  # noqa: PTH123, SIM115
    result = nlp_transfer.run(
        trained.folder / "config.yaml",
        [f"data.train={path}", "data.columns={text: review, label: mood}", "strategy={kind: frozen}"],
        output=tmp_path / "run",
        progress=False,
    )
    assert nlp_transfer.load(result.folder).text_column == "review"


def test_a_slow_pipe_gets_each_answer_before_its_next_line():
    reading, writing = os.pipe()
    lines = ArrivingLines(reading)
    arrived = iter(lines)
    os.write(writing, b"one\ntwo\nthr")
    assert next(arrived) == b"one\n"
    assert not lines.is_idle()
    assert next(arrived) == b"two\n"
    assert lines.is_idle()
    os.write(writing, b"ee")
    os.close(writing)
    assert b"".join(arrived) == b"three"
    os.close(reading)


def test_the_folder_of_a_comparison_is_called_that(tmp_path):
    (tmp_path / "comparison.json").write_text("{}")
    with pytest.raises(CheckpointError, match="it is a comparison: name the folder of one of its runs"):
        nlp_transfer.load(tmp_path)


def test_a_folder_here_has_no_revision(tmp_path):
    with pytest.raises(CheckpointError, match="is a folder here, and has no revision 'v1'; leave it out"):
        nlp_transfer.load(tmp_path, revision="v1")


def test_probabilities_and_embeddings_are_arrays_with_nan_where_there_is_no_text(predictor):
    given = ["good film", "", None, "bad " * 40]
    said = predictor.predict(given)
    found = predictor.probabilities(given)
    assert np.isnan(found).all(1).tolist() == [False, True, True, False]
    assert found[3].tolist() == list(said[3]["probabilities"].values())
    assert predictor.probabilities([]).shape == (0, 2)

    states = predictor.embed(given)
    assert (states.dtype, np.isnan(states).all(1).tolist()) == (np.float32, [False, True, True, False])
    assert states[0] == pytest.approx(predictor.embed(["good film"])[0], abs=1e-5)
    assert predictor.embed([]).shape == predictor.embed(["", ""])[:0].shape == (0, states.shape[1])


def test_threads_may_share_a_predictor_and_one_of_them_computes_at_a_time(predictor, monkeypatch):
    inside, most, infer = [], [], module.infer

    def slow(*arguments, **settings):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.01)
        found = infer(*arguments, **settings)
        inside.pop()
        return found

    monkeypatch.setattr(module, "infer", slow)
    given = [[f"good film {i}", f"bad film {i}", ""] for i in range(6)]
    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(predictor.predict, given))
    assert set(most) == {1}
    assert (predictor.seen.texts, predictor.seen.empty) == (18, 6)
    for texts_of_one, said in zip(given, together, strict=True):
        assert all(map(close, said[:2], predictor.predict(texts_of_one)[:2]))
