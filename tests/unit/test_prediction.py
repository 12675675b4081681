"""Texts in, predictions out, in input order and as they stream."""

import dataclasses
import json
import math
import os

import pytest
from tiny import LABELS, save_checkpoint, save_csv, texts

import nlp_transfer
from nlp_transfer import DataError
from nlp_transfer import prediction as module
from nlp_transfer.errors import CheckpointError
from nlp_transfer.lines import ArrivingLines


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    config = {
        "task": {"name": "sentiment", "max_length": 16, "long_documents": "window"},
        "source": {"kind": "checkpoint", "name": save_checkpoint(root / "bert")},
        "data": {"train": save_csv(root / "data.csv"), "columns": {"text": "text"}},
        "training": {"epochs": 1, "precision": "fp32", "learning_rate": 0.01},
    }
    return nlp_transfer.run(config, output=root / "run", progress=False)


@pytest.fixture
def predictor(trained):
    return nlp_transfer.load(trained.folder)


def close(one, other):
    return all(abs(one["probabilities"][label] - other["probabilities"][label]) < 1e-5 for label in LABELS)


def test_predictions_come_in_input_order_whatever_the_lengths(predictor):
    found = [text * (1 + 7 * (i % 5)) for i, text in enumerate(texts(60, seed=3)[0])]
    alone = [predictor.predict([text])[0] for text in found]
    assert all(map(close, predictor.predict(found), alone))
    assert all(map(close, predictor.predict(found[::-1]), alone[::-1]))
    assert len({round(one["probabilities"]["positive"], 6) for one in alone}) > 40


def test_a_prediction_is_the_likeliest_label_with_probabilities_that_sum_to_one(predictor):
    for said in predictor.predict(texts(20)[0]):
        assert set(said) == {"label", "probabilities"}
        assert tuple(said["probabilities"]) == LABELS
        assert said["label"] == max(said["probabilities"], key=said["probabilities"].get)
        assert math.isclose(sum(said["probabilities"].values()), 1, abs_tol=1e-5)
        assert json.loads(json.dumps(said)) == said


def test_a_stream_is_answered_before_it_ends(predictor, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 4)
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
    monkeypatch.setattr(module, "CHUNK", 7)
    assert all(map(close, predictor.predict(found), whole))
    assert len(predictor.predict(found)) == 30


@pytest.mark.parametrize("odd", ["", "   ", "\x00", "zzz qqq", "🙂" * 50, "good " * 100_000])
def test_odd_texts_get_an_answer_among_ordinary_ones(predictor, odd):
    ordinary, said, _ = predictor.predict(["good film", odd, "bad"])
    assert close(ordinary, predictor.predict(["good film"])[0])
    assert said["label"] in LABELS


@pytest.mark.parametrize(
    ("given", "said"),
    [("a good film", r"received one text; write predict\(\[text\]\)"), (["good", None], "input 2: .* NoneType"),
     ([["good"]], "input 1: expected a text, received list"), (["\ud800"], "input 1: holds half a surrogate pair")],
)  # fmt: skip
def test_what_is_no_text_is_refused_by_its_number(predictor, given, said):
    with pytest.raises(DataError, match=said):
        predictor.predict(given)


def test_texts_that_are_cut_are_counted(predictor):
    before = dataclasses.replace(predictor.seen)
    predictor.predict(["good " * 1000, "good", " "])
    after = predictor.seen
    assert (after.texts, after.empty, after.truncated) == (before.texts + 3, before.empty + 1, before.truncated + 1)


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
    assert not lines.idle()
    assert next(arrived) == b"two\n"
    assert lines.idle()
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
