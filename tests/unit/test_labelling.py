"""`label`: which rows to label next, in a table to fill in."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tiny
from typer.testing import CliRunner

import nlp_transfer
from nlp_transfer.cli.commands import app
from nlp_transfer.data.formats.tables import open_rows
from nlp_transfer.data.formats.writing import write_rows
from nlp_transfer.errors import ConfigError, DataError
from nlp_transfer.evaluation.choosing import choose_rows, measure_margin


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A run of word vectors; new rows, of which every third is unsure, and some that it has already."""
    folder = tmp_path_factory.mktemp("label")
    vectors = {"kind": "vectors", "name": tiny.save_vectors(folder / "words.txt")}
    tiny.run(folder / "run", vectors, {"kind": "frozen"}, tiny.save_csv(folder / "data.csv", 100))
    texts = tiny.texts(60, seed=5)[0]
    texts[::3] = [f"good bad {text}" for text in texts[::3]]
    known = [row["text"] for row in csv.DictReader((folder / "data.csv").open(encoding="utf-8"))][:7]
    rows = [*enumerate(texts), *enumerate(known, 100), (200, texts[0])]
    with (folder / "new.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "text"), *rows])
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NLP_TRANSFER_CACHE", str(tmp_path / "cache"))


def label(place, output, **settings):
    return nlp_transfer.label(place / "run", place / "new.csv", output=output, progress=False, **settings)


def test_rows_are_written_with_their_cells_and_those_that_the_run_has_are_left_out(place, tmp_path):
    found = label(place, tmp_path / "next.csv", budget=10)
    rows = list(csv.DictReader((tmp_path / "next.csv").open(encoding="utf-8")))
    assert list(rows[0]) == ["row", "id", "text", "label"]
    assert [int(row["id"]) for row in rows] == list(found.places)
    assert len({row["text"] for row in rows}) == len(rows) == 10
    assert all(row["label"] == "" and int(row["id"]) < 100 for row in rows)
    assert (found.looked_at, found.known, found.total) == (60, 8, 68)
    assert "8 rows were left out" in found.verdict[1]


@pytest.mark.parametrize("ending", [".tsv", ".jsonl", ".parquet", ".xlsx"])
def test_a_table_of_any_ending_is_filled_in_and_read_back(place, tmp_path, ending):
    pytest.importorskip("xlsxwriter" if ending == ".xlsx" else "csv")
    found = label(place, tmp_path / f"next{ending}", budget=5)
    rows = [dict(row.cells) for row in open_rows(str(found.file)).rows]
    assert [row["label"] for row in rows] == [""] * 5
    filled = [{**row, "label": tiny.LABELS[at % 2]} for at, row in enumerate(rows)]
    write_rows(tmp_path / f"filled{ending}", ending, list(rows[0]), lambda: filled)
    assert nlp_transfer.evaluate(place / "run", tmp_path / f"filled{ending}")["rows"] == 5


def test_the_same_rows_are_chosen_again(place, tmp_path):
    first = label(place, tmp_path / "1.csv", budget=10).places
    assert label(place, tmp_path / "2.csv", budget=10).places == first


def test_all_rows_are_chosen_if_there_are_no_more(place, tmp_path):
    assert sorted(label(place, tmp_path / "all.csv", budget=500).places) == list(range(60))


def test_unsure_rows_of_all_groups_are_chosen_and_the_largest_group_first():
    rng = np.random.default_rng(0)
    centres = np.array([[0, 0], [20, 0], [0, 20]])
    groups = np.array([0] * 12 + [1] * 6 + [2] * 2 + [0] * 80)
    features = centres[groups] + rng.normal(size=(100, 2))
    margins = [0.1] * 20 + [0.9] * 80
    chosen = choose_rows(features, margins, 2)  # of the 20 least sure
    assert max(chosen) < 20
    three = choose_rows(features[:20], margins[:20], 3)
    assert groups[three].tolist() == [0, 1, 2]


def test_equal_rows_are_not_chosen_before_others():
    features = np.repeat(np.arange(4.0)[:, None], 5, axis=0)
    chosen = choose_rows(features, [0.5] * 20, 4)
    assert sorted(features[chosen, 0].tolist()) == [0, 1, 2, 3]
    assert len(set(choose_rows(features, [0.5] * 20, 6))) == 6


def test_a_margin_is_the_lead_of_the_first_label_or_the_distance_to_a_threshold():
    assert measure_margin({"probabilities": {"a": 0.2, "b": 0.5, "c": 0.3}}) == pytest.approx(0.2)
    answer = {"probabilities": {"a": 0.2, "b": 0.9}, "thresholds": {"a": 0.3, "b": 0.5}}
    assert measure_margin(answer) == pytest.approx(0.1)


def test_a_table_that_may_be_filled_in_is_replaced_only_by_force(place, tmp_path):
    (tmp_path / "next.csv").write_text("filled in")
    with pytest.raises(ConfigError, match="exists already, and may be filled in"):
        label(place, tmp_path / "next.csv")
    label(place, tmp_path / "next.csv", force=True)
    assert (tmp_path / "next.csv").read_text().startswith("row,id,text,label\n")


def test_a_folder_or_the_rows_themselves_are_never_replaced(place, tmp_path):
    new, before = place / "new.csv", (place / "new.csv").read_bytes()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    for output, message in (
        (new, "is the file to read; choose another"),
        (tmp_path / "mine", "cannot be written: it is a folder"),
        (tmp_path / "gone" / "next.csv", "there is no folder .*gone; make it first"),
    ):
        with pytest.raises(ConfigError, match=message):
            label(place, output, force=True)
    assert new.read_bytes() == before
    assert (tmp_path / "mine" / "notes.txt").exists()


def test_rows_that_the_run_has_all_already_are_refused(place, tmp_path):
    with pytest.raises(DataError, match="the run has the text of every row already"):
        nlp_transfer.label(place / "run", place / "data.csv", output=tmp_path / "next.csv", progress=False)


def test_answers_without_probabilities_are_refused(tmp_path):
    vectors = {"kind": "vectors", "name": tiny.save_vectors(tmp_path / "words.txt")}
    rows = [{"text": [text, "it was"], "summary": text} for text in tiny.texts(30)[0]]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    config = {"task": {"name": "summarization", "max_length": 32}, "source": vectors, "strategy": {"kind": "frozen"}}
    data = {"data": {"train": str(tmp_path / "rows.jsonl")}, "training": {"epochs": 1}}
    nlp_transfer.run({**config, **data}, output=tmp_path / "run", progress=False)
    with pytest.raises(ConfigError, match="task 'summarization' answers without probabilities"):
        nlp_transfer.label(tmp_path / "run", ["a text"], output=tmp_path / "next.csv", progress=False)


def test_the_command_says_what_it_wrote_and_refuses_in_one_line(place, tmp_path):
    words = ["label", str(place / "run"), str(place / "new.csv"), "--output", str(tmp_path / "next.csv")]
    done = CliRunner().invoke(app, [*words, "--budget", "5"])
    assert done.exit_code == 0, done.output
    assert "next.csv: 5 of 60 rows" in done.output
    for more, message in (
        ([], "exists already"),
        (["--output", str(tmp_path / "next.po")], ".po is not written"),
        (["--output", str(tmp_path / "next.doc")], ".doc is not written"),
        (["--output", str(tmp_path / "other.csv"), "--column", "text=body"], "no column 'body'"),
        (["--output", str(tmp_path / "gone" / "other.csv")], "there is no folder"),
    ):
        refused = CliRunner().invoke(app, [*words, *more])
        assert message in str(refused.exception)
        assert "\n" not in str(refused.exception)
    assert Path(tmp_path / "next.csv").exists()
