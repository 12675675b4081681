"""`shift`: how other texts differ from those that a run was tested on, and what labels say of its score there."""

import csv
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny
import torch
from typer.testing import CliRunner

import nlp_transfer
from nlp_transfer import Dialect
from nlp_transfer.cli.commands import app
from nlp_transfer.data.rows import TaskRows
from nlp_transfer.data.unlabelled import open_unlabelled
from nlp_transfer.errors import CheckpointError, ConfigError, DataError
from nlp_transfer.evaluation.intervals import measure_mean, subtract
from nlp_transfer.evaluation.shifting import FAR
from nlp_transfer.runs.probes import are_alike
from nlp_transfer.runs.unlabelled.observe import Observed, observe
from nlp_transfer.runs.unlabelled.sides import tell_apart


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A run of word vectors on 120 rows; other texts like its own, and texts of other words."""
    folder = tmp_path_factory.mktemp("shift")
    vectors = {"kind": "vectors", "name": tiny.save_vectors(folder / "words.txt")}
    data = {"train": tiny.save_csv(folder / "data.csv", 200), "test_share": 0.3}
    task = {"name": "sentiment", "max_length": 32}
    config = {"task": task, "source": vectors, "strategy": {"kind": "frozen"}, "data": data}
    nlp_transfer.run(config, output=folder / "run", progress=False)

    tiny.save_csv(folder / "alike.csv", 100, seed=1)
    moods = [(f"{tiny.GOOD[n % 8]} {tiny.GOOD[n % 7]} {tiny.BAD[n % 3]} wug", tiny.LABELS[n % 2]) for n in range(100)]
    write_rows(folder / "other.csv", ("text", "label"), moods)
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NLP_TRANSFER_CACHE", str(tmp_path / "cache"))


def write_rows(path, names, rows):
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *rows])
    return str(path)


def read_rows(path, delimiter=","):
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def shift(place, name, tmp_path, **settings):
    return nlp_transfer.shift(place / "run", place / name, output=tmp_path / "shift", progress=False, **settings)


def test_other_words_are_far_and_the_same_ones_near(place, tmp_path):
    near = shift(place, "alike.csv", tmp_path / "1")
    far = shift(place, "other.csv", tmp_path / "2")
    assert not near.figures.far
    assert far.figures.far
    assert near.verdict[0].startswith("Near: ")
    assert far.verdict[0].startswith("Far: ")
    assert near.figures.there.texts.new_words == 0
    assert far.figures.there.texts.new_words == far.figures.there.unknown_tokens == 0.25
    assert far.figures.there.texts.words == 4


def test_no_score_is_estimated_without_labels(place, tmp_path):
    found = shift(place, "other.csv", tmp_path)
    kept = json.loads((tmp_path / "shift" / "shift.json").read_text())
    assert found.figures.fall is None
    assert kept["labelled"] is None
    assert kept["distance"] == "far"
    assert "accuracy" not in " ".join(found.verdict)
    assert "--sample 50" in found.verdict[-1]


def test_rows_to_label_are_written_by_chance_with_all_of_their_cells_and_read_back(place, tmp_path):
    rows = [(number, one["text"], one["label"]) for number, one in enumerate(read_rows(place / "alike.csv"))]
    texts = write_rows(tmp_path / "new.csv", ("id", "text"), [row[:2] for row in rows])
    found = nlp_transfer.shift(place / "run", texts, sample=30, output=tmp_path / "s", progress=False)
    asked = read_rows(found.to_label)
    assert len(asked) == 30
    assert list(asked[0]) == ["row", "id", "text", "label"]
    assert all(one["label"] == "" and int(one["row"]) == int(one["id"]) + 2 for one in asked)
    assert len({one["id"] for one in asked} & set(map(str, range(30)))) < 30  # not the first ones
    assert str(found.to_label) in found.verdict[-1]

    filled = [[one["row"], one["id"], one["text"], rows[int(one["id"])][2]] for one in asked]
    filled[3][3] = ""  # left open
    write_rows(found.to_label, list(asked[0]), filled)
    back = nlp_transfer.shift(place / "run", texts, labelled=found.to_label, output=tmp_path / "s", progress=False)
    assert back.figures.fall.rows == 29
    right = nlp_transfer.evaluate(place / "run", found.to_label)["accuracy"]
    assert back.figures.fall.there.difference == pytest.approx(right)
    assert "On 29 labelled rows the accuracy is" in back.verdict[-1]


def test_a_table_that_people_have_filled_in_is_never_replaced(place, tmp_path):
    found = shift(place, "alike.csv", tmp_path, sample=5)
    found.to_label.write_text("filled in")
    with pytest.raises(ConfigError, match=r"to_label\.csv is there already; read it back by --labelled"):
        shift(place, "alike.csv", tmp_path, sample=5)
    assert found.to_label.read_text() == "filled in"
    with pytest.raises(ConfigError, match=r"holds a shift to .*alike\.csv; choose another --output for .*other\.csv"):
        shift(place, "other.csv", tmp_path)


def test_a_table_of_answers_may_be_saved_with_another_mark_and_encoding(place, tmp_path):
    rows = read_rows(place / "alike.csv")[:40]
    lines = ["row;text;label", *(f"{n};{one['text']} é;{one['label']}" for n, one in enumerate(rows))]
    (tmp_path / "back.csv").write_bytes("\n".join(lines).encode("cp1252"))
    assert shift(place, "alike.csv", tmp_path, labelled=tmp_path / "back.csv").figures.fall.rows == 40


def test_labels_in_a_cell_are_told_apart_as_in_the_training_however_the_texts_are_written(place, tmp_path, monkeypatch):
    predictor = nlp_transfer.load(place / "run")
    predictor.dialect = replace(predictor.dialect, label_separator="|")
    file, seen = place / "alike.csv", []

    def stop(*_, dialect, **__):
        seen.append(dialect)
        raise DataError("seen")

    monkeypatch.setattr(predictor, "read_labelled", stop)
    dialects = [None, Dialect(delimiter=","), Dialect(delimiter=",", options=True)]
    for at, dialect in enumerate(dialects):
        with pytest.raises(DataError, match="seen"):
            nlp_transfer.shift(predictor, file, labelled=file, output=tmp_path / str(at), dialect=dialect)
    assert [(one.label_separator, one.options) for one in seen] == [("|", False), ("|", False), ("|", True)]


def test_a_handful_of_texts_is_neither_near_nor_far_nor_of_a_language(place, tmp_path):
    found = nlp_transfer.shift(place / "run", ["x", "good"], output=tmp_path / "s", progress=False)
    assert found.figures.far is None
    assert found.figures.there.language is None
    assert found.verdict[0].startswith("Near or far cannot be told")


def test_what_was_stopped_gives_the_same_when_it_is_started_again(place, tmp_path, monkeypatch):
    whole = shift(place, "other.csv", tmp_path / "whole")
    module = sys.modules["nlp_transfer.runs.unlabelled.observe"]
    monkeypatch.setenv("NLP_TRANSFER_CACHE", str(tmp_path / "other cache"))
    monkeypatch.setattr(module, "BLOCK", 16)
    blocks, compute = [], module.compute

    def stop(*given, **settings):
        blocks.append(len(given[3]))
        if len(blocks) == 3:
            raise KeyboardInterrupt
        return compute(*given, **settings)

    monkeypatch.setattr(module, "compute", stop)
    with pytest.raises(KeyboardInterrupt):
        shift(place, "other.csv", tmp_path / "cut")
    again = shift(place, "other.csv", tmp_path / "cut")
    assert again.figures == whole.figures
    assert len(blocks) == len(set(range(0, 60, 16))) + len(set(range(0, 100, 16))) + 1  # the one that was cut, twice


def test_texts_come_from_lines_tables_bundled_sets_and_memory(place, tmp_path):
    texts = [one["text"] for one in read_rows(place / "alike.csv")]
    (tmp_path / "lines.txt").write_text("\n".join(texts))
    given = [tmp_path / "lines.txt", texts, [{"text": text} for text in texts], {"text": texts}, place / "alike.csv"]
    predictor = nlp_transfer.load(place / "run")
    found = [
        nlp_transfer.shift(predictor, one, output=tmp_path / str(number), progress=False)
        for number, one in enumerate(given)
    ]
    assert all(one.figures == found[0].figures for one in found)


def test_rows_are_drawn_once_each_with_equal_chances_and_blank_ones_left_out(tmp_path):
    file = write_rows(tmp_path / "a.csv", ("text",), [(f"t{n}" if n % 5 else " ",) for n in range(100)])
    counts = np.zeros(100)
    for seed in range(200):
        drawn = open_unlabelled(file, {"text": "text"}, nlp_transfer.config.dialect.PLAIN, ()).draw(20, seed=seed)
        assert (drawn.total, drawn.blank) == (80, 20)
        assert drawn.texts == [(f"t{n}",) for n in drawn.places]
        assert drawn.places == sorted(set(drawn.places))
        counts[drawn.places] += 1
    assert counts[::5].sum() == 0
    assert abs(counts[:50].sum() - 2000) < 200


@pytest.mark.parametrize(("right", "count"), [(0, 10), (10, 10), (7, 50), (25, 50)])
def test_the_interval_of_a_share_is_wilsons(right, count):
    from scipy.stats import binomtest

    found = measure_mean([1.0] * right + [0.0] * (count - right))
    expected = binomtest(right, count).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_the_interval_of_a_difference_is_newcombes():
    """The first example of table II in Newcombe 1998: 56/70 - 48/80, method 10."""
    found = subtract(measure_mean([1.0] * 56 + [0.0] * 14), measure_mean([1.0] * 48 + [0.0] * 32))
    assert (found.difference, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


def tell(*sides):
    """Tell apart sides of texts with features."""
    predictor = SimpleNamespace(task=tiny.sentiment())
    rows = [TaskRows({"text": texts}) for texts, _ in sides]
    return tell_apart(predictor, rows, [Observed(features, [], 0, 0.0) for _, features in sides])


def make_side(name, classes):
    """Different texts, whose only feature is their class and some noise."""
    noise = np.random.default_rng(len(name)).normal(size=len(classes))
    return [f"{name} {n}" for n in range(len(classes))], (4.0 * np.array(classes) + noise)[:, None]


def test_rows_that_stand_class_by_class_are_not_taken_for_others():
    """The first rows of the larger side would be of one class."""
    larger, mixed = make_side("sorted", [0] * 100 + [1] * 100), make_side("mixed", [0, 1] * 40)
    assert tell(larger, mixed) < FAR - 0.1


def test_a_side_of_a_few_texts_again_and_again_is_neither_near_nor_far():
    texts, features = make_side("same", [0, 1] * 60)
    assert tell((["one"] * 120, features), (texts, features)) is None
    assert tell((texts, features), (["one", "two"] * 60, features)) is None


def make_predictor(source, task):
    loaded = task.build(source, tiny.rows(12), frozen=False)
    return nlp_transfer.Predictor(task, loaded.model, tiny.Tokenizers(source.tokenizer, loaded.target_tokenizer), {})


def test_a_model_under_its_own_head_is_looked_at_by_the_mean_of_its_states(tmp_path):
    source, rows = tiny.checkpoint(tmp_path / "bert"), tiny.rows(12)
    predictor = make_predictor(source, tiny.sentiment())
    seen = observe(predictor, rows, progress=False)
    text = rows["text"][3]
    with torch.inference_mode():
        states = predictor.model.base_model(**source.tokenizer(text, return_tensors="pt"))[0]
    assert np.allclose(seen.features[3], states[0].mean(0), atol=1e-5)
    assert are_alike(seen.answers, predictor.predict(rows["text"]))


def test_a_document_of_several_windows_has_the_mean_of_their_features(tmp_path):
    source = tiny.vectors(tmp_path / "words.txt")
    short, long = (tiny.sentiment(long_documents=policy, max_windows=3) for policy in ("head", "window"))
    rows = TaskRows({"text": ["good film " * 40, "bad"]})
    seen = observe(make_predictor(source, long), rows, progress=False)
    assert seen.features.shape[0] == 2
    assert np.allclose(seen.features[1], observe(make_predictor(source, short), rows, progress=False).features[1])


def test_refusals_are_one_line(place, tmp_path):
    for words, message in (
        (["gone", "x.csv"], "x.csv: no such file"),
        (["gone", str(place / "alike.csv")], "gone"),
        ([str(place / "run"), str(place / "alike.csv"), "--column", "label"], "is not ROLE=NAME"),
        ([str(place / "run"), str(place / "alike.csv"), "--column", "txt=label"], "unknown role"),
        ([str(place / "run"), str(place / "alike.csv"), "--column", "text=body"], "no column 'body'"),
        ([str(place / "run"), str(place / "alike.csv"), "--output", str(place / "run")], "a finished run"),
    ):
        done = CliRunner().invoke(app, ["shift", *words])
        assert isinstance(done.exception, (ConfigError, DataError, CheckpointError)), (words, done.output)
        assert message in str(done.exception)
        assert "\n" not in str(done.exception)


def test_a_run_whose_own_rows_are_gone_is_refused(tmp_path):
    vectors = {"kind": "vectors", "name": tiny.save_vectors(tmp_path / "words.txt")}
    data = tiny.save_csv(tmp_path / "data.csv")
    tiny.run(tmp_path / "run", vectors, {"kind": "frozen"}, data)
    tiny.save_csv(tmp_path / "data.csv", seed=3)
    with pytest.raises(CheckpointError, match=r"the run's own test, which cannot be read: .*not those that the run"):
        nlp_transfer.shift(tmp_path / "run", ["a good film"], output=tmp_path / "s", progress=False)


def test_the_command_prints_both_sides_and_what_to_do_next(place, tmp_path):
    words = ["shift", str(place / "run"), str(place / "other.csv"), "--sample", "20", "--output", str(tmp_path / "s")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "words that train lacks" in done.output
    assert "Far: " in done.output
    assert "--labelled" in done.output
    again = CliRunner().invoke(app, [*words[:3], "--labelled", str(place / "other.csv"), *words[5:]])
    assert "On 100 labelled rows the accuracy is" in again.output.replace("\n", " ")
