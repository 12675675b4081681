"""Workbooks: their first sheet is a table like others, and none of them ends the process."""

import gzip
from pathlib import Path

import pytest

from nlp_transfer.config.dialect import Dialect
from nlp_transfer.data.formats import sheets
from nlp_transfer.data.formats.cells import stream_texts
from nlp_transfer.data.formats.tables import open_rows
from nlp_transfer.data.splits import read_rows
from nlp_transfer.errors import DataError
from tests.workbooks import write_workbook

ROWS = [["text", "label", None, "stars"], ["good\nfilm", "pos", "mine", 3], [None] * 4, ["NA", "neg", None, 2.5]]


def rows(path: str, **settings: bool) -> list[tuple[int, dict[str, object]]]:
    return [(row.number, dict(row.cells)) for row in open_rows(path, Dialect(**settings)).rows]


def test_a_sheet_gives_its_rows_with_their_numbers_and_whole_numbers_without_a_point(tmp_path):
    path = write_workbook(tmp_path / "a.xlsx", {"one": ROWS})
    assert rows(path) == [
        (2, {"text": "good\nfilm", "label": "pos", "stars": 3}),
        (4, {"text": "NA", "label": "neg", "stars": 2.5}),
    ]


def test_a_table_may_begin_anywhere_in_a_sheet_and_be_packed(tmp_path):
    path = write_workbook(tmp_path / "a.xlsx", {"one": [[], [], [None, "text"], [None, "good"]]})
    (tmp_path / "b.xlsx.gz").write_bytes(gzip.compress(Path(path).read_bytes()))
    assert rows(path) == rows(str(tmp_path / "b.xlsx.gz")) == [(4, {"text": "good"})]


def test_a_sheet_without_a_header_has_columns_by_number(tmp_path):
    path = write_workbook(tmp_path / "a.xlsx", {"one": [["good", 1], ["bad", 0]]})
    assert rows(path, header=False) == [(1, {"0": "good", "1": 1}), (2, {"0": "bad", "1": 0})]
    assert list(stream_texts(path, "0", Dialect(header=False))) == ["good", "bad"]


def test_a_sheet_is_read_for_training(tmp_path):
    path = write_workbook(tmp_path / "a.xlsx", {"one": ROWS})
    data = read_rows(path, {}, {"text": "text", "label": "label"}, labels=("neg", "pos"))
    assert data["label"][:] == [1, 0]
    with pytest.raises(DataError, match=r"a\.xlsx: no column 'review'\. Known: label, stars, text\."):
        read_rows(path, {"text": "review"}, {"text": "text", "label": "label"}, labels=("neg", "pos"))


def test_only_the_first_of_several_sheets_is_read_and_the_others_are_named(tmp_path):
    path = write_workbook(tmp_path / "a.xlsx", {"data": ROWS, "remarks": [["x"]]})
    stream = open_rows(path)
    assert len(list(stream.rows)) == 2
    assert stream.findings.notes == [f"{path}: only the first sheet, 'data', is read, and not 'remarks'"]


FAULTS = {  # rows -> the words
    "nothing": ([], r"a\.xlsx:1: the first sheet holds nothing"),
    "a header alone": ([["text", "label"]], r"a\.xlsx:1: the file holds a header but no rows"),
    "two columns of a name": ([["text", "text"], ["a", "b"]], r"a\.xlsx: column 'text' appears twice"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_sheet_that_is_no_table_is_refused(tmp_path, fault):
    content, words = FAULTS[fault]
    with pytest.raises(DataError, match=words):
        rows(write_workbook(tmp_path / "a.xlsx", {"one": content}))


def test_what_is_no_workbook_is_refused_with_the_reason(tmp_path):
    (tmp_path / "a.xlsx").write_text("text,label\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.xlsx: no readable workbook: .*; save the sheet as \.csv"):
        rows(str(tmp_path / "a.xlsx"))


def test_a_sheet_that_needs_too_much_memory_is_refused_and_the_process_goes_on(tmp_path, monkeypatch):
    path = write_workbook(tmp_path / "a.xlsx", {"one": [["text", *[None] * 24, "x"], *[[]] * 60_000, ["a"]]})
    monkeypatch.setattr(sheets, "MEMORY", 1 << 25)
    with pytest.raises(DataError, match=r"a\.xlsx: cannot be read in .* of memory"):
        rows(path)


def test_without_the_package_a_sheet_is_refused_with_the_way_to_get_it(tmp_path, monkeypatch):
    path = write_workbook(tmp_path / "a.xlsx", {"one": ROWS})
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(DataError, match=r"pip install 'nlp-transfer\[sheets\]'; or save the sheet as \.csv"):
        rows(path)


def test_a_reader_may_stop_early(tmp_path):
    path = write_workbook(tmp_path / "a.xlsx", {"one": [["text"], *[["a"]] * 3000]})
    assert next(iter(open_rows(path).rows)).cells == {"text": "a"}
