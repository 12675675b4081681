"""Answers stand beside the columns of what was answered, in any kind of table."""

import csv
import datetime
import importlib.util
import json
import math

import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny
from python_calamine import CalamineWorkbook

import nlp_transfer
from nlp_transfer.data.formats import writing
from nlp_transfer.data.formats.tables import open_rows
from nlp_transfer.data.formats.writing import find_ending, make_array, write_rows
from nlp_transfer.errors import ConfigError, DataError
from nlp_transfer.runs.answering import answers, shards
from nlp_transfer.runs.answering.predictor import Predictor

ANSWER = ["label", "confidence", "probabilities"]
TEXTS = ["good film", "", "bad film"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A finished run."""
    root = tmp_path_factory.mktemp("answers")
    source = {"kind": "vectors", "name": tiny.save_vectors(root / "v.txt"), "width": 8}
    tiny.run(root / "run", source, {"kind": "frozen"}, tiny.save_csv(root / "data.csv"))
    rows = [{"id": at, "label": f"={at}", "text": text, "more": None} for at, text in enumerate(TEXTS)]
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pandas.DataFrame(rows).to_csv(root / "rows.csv", index=False)
    pandas.DataFrame(rows).assign(when=datetime.date(2026, 1, 2), tags=[["a"], [], ["b"]]).to_parquet(
        root / "rows.parquet"
    )
    (root / "lines.txt").write_text("good film\n\nbad film\n")
    return root


@pytest.fixture(scope="module")
def expected(place):
    """What the model answers to the texts."""
    return nlp_transfer.load(place / "run").predict(TEXTS)


def read(path):
    """The rows of a table as mappings of texts."""
    match path.suffix:
        case ".csv" | ".tsv":
            with path.open(newline="", encoding="utf-8") as file:
                return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))
        case ".xlsx":
            header, *rows = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
            return [dict(zip(header, row, strict=True)) for row in rows]
        case ".parquet":
            return pq.read_table(path).to_pylist()
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_an_answer_to_unknown_words_stands_beside_its_reason(place, command, tmp_path):
    (tmp_path / "texts.txt").write_text("zzzqqq\ngood film\n")
    assert command("predict", place / "run", tmp_path / "texts.txt", "--output", tmp_path / "a.csv")[0] == 0
    unknown, known = read(tmp_path / "a.csv")
    assert (bool(unknown["label"]), unknown["reason"]) == (True, "the model knows no word of the text")
    assert known["reason"] == ""


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".xlsx", ".parquet", ".jsonl"])
@pytest.mark.parametrize("given", ["rows.jsonl", "rows.csv", "rows.parquet"])
def test_columns_and_order_are_kept_in_every_table(place, expected, command, tmp_path, given, ending):
    out = tmp_path / f"out{ending}"
    code, _, err = command("predict", place / "run", place / given, "--keep", "--output", out)
    assert (code, [path.name for path in tmp_path.iterdir()]) == (0, [out.name])
    assert "rows" in err
    assert "the column 'label' is kept as 'input_label'" in err

    found = read(out)
    assert [str(row["id"]).removesuffix(".0") for row in found] == ["0", "1", "2"]
    assert [row["text"] for row in found] == TEXTS
    assert [row["input_label"] for row in found] == ["=0", "=1", "=2"]
    assert [row["label"] or None for row in found] == [one["label"] for one in expected]
    assert found[1]["reason"] == "the text is empty"
    before = list(found[0])[: list(found[0]).index("label")]
    assert before[:4] == ["id", "input_label", "text", "more"]
    likely = [float(row["confidence"]) for row in found if row["label"]]
    assert likely == pytest.approx([one["confidence"] for one in expected if one["label"]])


def test_parquet_keeps_types_and_other_tables_write_them_as_text(place, command, tmp_path):
    for ending in (".parquet", ".csv", ".jsonl"):
        assert (
            command("predict", place / "run", place / "rows.parquet", "--keep", "--output", tmp_path / f"a{ending}")[0]
            == 0
        )
    row, text, line = (read(tmp_path / f"a{ending}")[0] for ending in (".parquet", ".csv", ".jsonl"))
    assert (row["id"], row["when"], row["tags"]) == (0, datetime.date(2026, 1, 2), ["a"])
    assert (text["id"], text["when"], text["tags"]) == ("0", "2026-01-02", '["a"]')
    assert (line["id"], line["when"], line["tags"]) == (0, "2026-01-02", ["a"])
    assert row["probabilities"] == line["probabilities"] == json.loads(text["probabilities"])


def test_a_table_without_kept_columns_holds_the_answers(place, command, tmp_path):
    assert command("predict", place / "run", place / "rows.csv", "--output", tmp_path / "a.csv")[0] == 0
    found = read(tmp_path / "a.csv")
    assert list(found[0]) == [*ANSWER, "reason"]
    (tmp_path / "b.txt").write_text("good\n")
    assert command("predict", place / "run", tmp_path / "b.txt", "--output", tmp_path / "b.csv")[0] == 0
    assert list(read(tmp_path / "b.csv")[0]) == ANSWER


def test_kept_columns_stand_before_answers_on_standard_output(place, expected, command):
    code, out, _ = command("predict", place / "run", place / "rows.jsonl", "--keep")
    assert code == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["id"] for line in lines] == [0, 1, 2]
    assert [line["label"] for line in lines] == [one["label"] for one in expected]


def test_lines_of_text_are_kept_as_a_column(place, command, tmp_path):
    assert command("predict", place / "run", place / "lines.txt", "--keep", "--output", tmp_path / "a.csv")[0] == 0
    assert [row["text"] for row in read(tmp_path / "a.csv")] == TEXTS


REFUSED = {
    "standard input": ((), ["--keep"], "--keep reads its FILE again"),
    "a dash": (("-",), ["--keep"], "--keep reads its FILE again"),
    "a table of what arrives": ((), ["--output", "a.csv"], "answered in lines; name a FILE, or .jsonl"),
    "an old workbook": (("rows.csv",), ["--output", "a.xls"], ".xls is not written; let its name end in one of .jsonl"),
    "no table": (("rows.csv",), ["--output", "a.doc"], ".doc is not written; let its name end in one of .jsonl"),
    "packed": (("rows.csv",), ["--output", "a.csv.gz"], ".gz is not written"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_written_is_refused_before_a_model_is_loaded(place, command, tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given, options, said = REFUSED[name]
    files = [one if one == "-" else place / one for one in given]
    code, _, err = command("predict", place / "no-run", *files, *options, stdin="good\n")
    assert (code, err.count("\n")) == (2, 1)
    assert said in err


def test_a_workbook_needs_a_package(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"needs XlsxWriter; pip install 'nlp-transfer\[sheets\]', or write .csv"):
        find_ending(tmp_path / "a.xlsx")


def test_a_fault_in_a_column_that_is_kept_shows_before_anything_is_answered(place, command, tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_text('text,id\ngood,1\n"bad",2,3,4\n')
    monkeypatch.setattr(Predictor, "answer", lambda *_: pytest.fail("answered"))
    code, _, err = command("predict", place / "run", tmp_path / "a.csv", "--keep", "--output", tmp_path / "b.csv")
    assert code == 3
    assert "a.csv:3" in err


def test_what_a_sheet_cannot_hold_is_refused_before_anything_is_answered(place, command, tmp_path, monkeypatch):
    long = "x" * 32_768
    (tmp_path / "a.csv").write_text(f"text,id\ngood,1\nbad,{long}\n")
    monkeypatch.setattr(Predictor, "answer", lambda *_: pytest.fail("answered"))
    code, _, err = command("predict", place / "run", tmp_path / "a.csv", "--keep", "--output", tmp_path / "b.xlsx")
    assert code == 2
    assert "at most 32,767 characters in a cell, and column 'id' has 32,768 in row 2; let --output end in .csv" in err
    with pytest.raises(ConfigError, match="at most 1,048,576 rows"):
        writing.refuse_large_cell(1_048_576, 0, "a", 1)
    with pytest.raises(ConfigError, match="at most 16,384 columns"):
        writing.refuse_large_cell(1, 16_384, "a", 1)


@pytest.mark.parametrize("after", ["text\ngood\nbad\nmore\n", "text\ngood\n", "other\ngood\nbad\n"])
def test_a_file_that_changes_meanwhile_is_not_joined_to_answers_of_before(place, command, tmp_path, monkeypatch, after):
    file, out, join = tmp_path / "a.csv", tmp_path / "b.csv", shards._join
    file.write_text("text\ngood\nbad\n")
    monkeypatch.setattr(shards, "_join", lambda *given: file.write_text(after) and join(*given))
    code, _, err = command("predict", place / "run", file, "--keep", "--output", out)
    assert (code, out.exists()) == (3, False)
    assert "a.csv: has changed since it was answered; answer it again" in err


def test_texts_stay_texts_in_a_sheet(tmp_path):
    odd = ["=1+1", "{=1}", "http://a.b", "007", "+1", "@x", " a ", "1e5", "\x01"]
    cells = [*odd, 7, 2**60, 0.5, True, None, math.nan, ["a"]]
    write_rows(tmp_path / "a.xlsx", ".xlsx", ["x", "y"], lambda: ({"x": cell, "y": "end"} for cell in cells))
    found = [row["x"] for row in read(tmp_path / "a.xlsx")]
    assert found[: len(odd) - 1] == odd[:-1]
    assert found[len(odd) :] == [7, str(2**60), 0.5, True, "", "", '["a"]']


@pytest.mark.parametrize(
    ("cells", "kind", "held"),
    [
        ([1, None, 2.5], pa.float64(), [1.0, None, 2.5]),
        ([1, "s", None, {"a": 1}], pa.string(), ["1", "s", None, '{"a": 1}']),
        ([{"a": 1}, {"b": "x"}], pa.struct([("a", pa.int64()), ("b", pa.string())]), None),
        ([None, None], pa.null(), [None, None]),
    ],
)
def test_a_column_has_the_type_that_holds_all_of_it(tmp_path, monkeypatch, cells, kind, held):
    array = make_array(cells)
    assert (array.type, held or array.to_pylist()) == (kind, array.to_pylist())
    monkeypatch.setattr(writing, "GROUP", 1)  # each cell by itself
    write_rows(tmp_path / "a.parquet", ".parquet", ["x"], lambda: ({"x": cell} for cell in cells))
    assert pq.read_table(tmp_path / "a.parquet")["x"].to_pylist() == array.to_pylist()


def test_a_name_that_is_taken_is_not_given_twice():
    assert answers.name_columns(["a", "label", "input_label"], ANSWER) == {
        "a": "a",
        "label": "input_label_",
        "input_label": "input_label",
    }


def test_a_table_in_memory_comes_back_with_its_answers_and_its_index(place, expected):
    frame = pandas.DataFrame({"text": TEXTS, "label": list("xyz")}, index=[7, 3, 7]).astype({"label": "category"})
    predictor = nlp_transfer.load(place / "run")
    found = predictor.predict_table(frame)
    assert found.column_names[-4:] == [*ANSWER, "reason"]
    back = found.to_pandas()
    assert back.index.tolist() == [7, 3, 7]
    assert back["input_label"].tolist() == list("xyz")
    assert found["label"].to_pylist() == [one["label"] for one in expected]
    renamed = frame.rename(columns={"text": "body"})
    assert predictor.predict_table(renamed, {"text": "body"})["label"] == found["label"]


def test_rows_of_python_come_back_as_a_table(place, expected):
    rows = [{"text": text, "odd": odd} for text, odd in zip(TEXTS, [1, "b", None], strict=True)]
    found = nlp_transfer.load(place / "run").predict_table(rows)
    assert found["odd"].to_pylist() == ["1", "b", None]
    assert found["confidence"].to_pylist() == [one["confidence"] for one in expected]
    with pytest.raises(DataError, match="row 1: expected"):
        nlp_transfer.load(place / "run").predict_table(["good"])


@pytest.mark.parametrize("ending", [".csv", ".tsv"])
def test_a_carriage_return_in_a_cell_is_read_back(tmp_path, ending):
    rows = [{"text": "one\rtwo", "n": "1"}, {"text": "\r", "n": "2"}, {"text": "plain", "n": "3"}]
    write_rows(tmp_path / f"a{ending}", ending, ["text", "n"], lambda: rows)
    assert [dict(row.cells) for row in open_rows(str(tmp_path / f"a{ending}")).rows] == rows
    assert (tmp_path / f"a{ending}").read_bytes().count(b'"') == 8  # of the two rows
