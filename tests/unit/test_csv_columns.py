"""Arrow cuts blocks of tables into columns only where the csv module would find the same cells on the same lines."""

import random

import pyarrow as pa
import pytest

from nlp_transfer.config.data import DataConfig
from nlp_transfer.config.dialect import Dialect
from nlp_transfer.data.columns import count_characters, make_array
from nlp_transfer.data.formats import csv_columns, text_lines
from nlp_transfer.data.formats.cells import strip_unseen
from nlp_transfer.data.formats.csv_columns import cut_columns
from nlp_transfer.data.formats.tables import open_rows
from nlp_transfer.data.formats.text_lines import RawBlock, count_lines
from nlp_transfer.data.splits import load_splits
from nlp_transfer.data.unseen import hash_seen
from nlp_transfer.errors import DataError

PIECES = [
    "a",
    "b c",
    "é",
    "",
    ",",
    ",",
    "\n",
    "\n",
    '"',
    '"',
    '""',
    '","',
    '"\n',
    "\r\n",
    "\r",
    "\ufeff",
    ";",
    "\u2028",
    "NA",
]
ROWS = ["x,y\n", '"x, z",y\n', 'x,"say ""so"""\n', '"",y\r\n', '"é",NA\n', ",\n"]


def read_all(path, dialect):
    """Everything that reading a table shows: its rows, its faults and its notes."""
    stream = open_rows(str(path), dialect)
    rows, error = [], ""
    try:
        rows += stream.rows
    except DataError as fault:
        error = str(fault)
    return rows, error, stream.findings.notes, dict(stream.findings.faults)


def make_block(text):
    return RawBlock(7, count_lines(text), text.encode("utf-8", "surrogatepass"))


def make_table(generator):
    lines = generator.choices(ROWS, k=generator.randint(1, 8))
    if generator.random() < 0.7:
        lines.insert(generator.randint(0, len(lines)), "".join(generator.choices(PIECES, k=generator.randint(1, 6))))
    return "text,label\n" + "".join(lines).removesuffix(generator.choice(["\n", ""]))


@pytest.mark.parametrize("seed", range(4))
def test_a_table_reads_the_same_whether_arrow_cuts_it_or_not(tmp_path, monkeypatch, seed):
    generator, cut = random.Random(seed), 0  # noqa: S311 - any tables will do
    # Blocks of a line or two, so that the first one does not hold all; and pieces of a few marks.
    monkeypatch.setattr(text_lines, "TABLE_BLOCK", 12)
    monkeypatch.setattr(text_lines, "BLOCK", 12)
    monkeypatch.setattr(csv_columns, "BLOCK", 3)

    def count(*args, **settings):
        nonlocal cut
        columns = cut_columns(*args, **settings)
        cut += columns is not None
        return columns

    for _ in range(60):
        path = tmp_path / "a.csv"
        path.write_bytes(make_table(generator).encode())
        dialect = Dialect(quoting=generator.choice(["auto", "auto", "none"]))
        monkeypatch.setattr(csv_columns, "cut_columns", count)
        found = read_all(path, dialect)
        monkeypatch.setattr(csv_columns, "cut_columns", lambda *_, **__: None)
        assert found == read_all(path, dialect), path.read_bytes()
    assert cut > 40


@pytest.mark.parametrize(
    "text",
    [
        'a"b",c\n',
        '"a"b,c\n',
        '"a,c\n',
        '"a\nb",c\n',
        "a\rb,c\n",
        "a,b\n\nc,d\n",
        "a\n",
        "a,b,c\n",
        "\ufeffa,b\n",
        '"a"\r,b\n',
        "\ud800,b\n",
    ],
)
def test_what_the_csv_module_may_read_otherwise_is_left_to_it(text):
    assert cut_columns(make_block(text), ",", {"text": 0}, width=2, quoted=True) is None


def test_columns_are_cut_in_the_order_asked_for_with_their_quotes_taken_off():
    columns = cut_columns(make_block('1,"a ""b"", c",x\r\n2,NA,\n'), ",", {"last": 2, "text": 1}, width=3, quoted=True)
    assert {name: list(cells) for name, cells in columns.items()} == {"last": ["x", ""], "text": ['a "b", c', "NA"]}
    columns = cut_columns(make_block('a "b"\tx\n'), "\t", {"text": 0}, width=2, quoted=False)
    assert list(columns["text"]) == ['a "b"']


SEEN = ["a", "", " a ", "é", "e\u0301", "\u200b", "\x01a", "a\x1f", "a\u00a0", "\u3000", "~", "\x7f", "ab c", " \ufeff"]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_a_column_is_hashed_as_what_is_seen_of_each_text(kind):
    inner = [f"x{text}y" for text in SEEN]
    for some in (SEEN, SEEN[:1], SEEN[1:2], [], inner, [*inner, "xe\u0301\u0323y"], ["x\u00e9y"]):
        seen = list(map(strip_unseen, some))
        for array in (pa.array(some, kind), pa.array(["x", *some, "y"], kind)[1:-1]):
            hashes, there = hash_seen(array, count_characters(array))
            assert list(map(hashes.tolist().index, hashes)) == list(map(seen.index, seen))
            assert there.tolist() == list(map(bool, seen))


@pytest.mark.parametrize(("begin", "fault"), [(b"%PDF-\0", "a NUL"), (b"\xef\xbb\xbf\xff", "byte 0xff at position 4 ")])
def test_a_block_in_the_middle_of_a_file_may_begin_as_a_file_of_another_format_does(
    tmp_path, monkeypatch, begin, fault
):
    monkeypatch.setattr(text_lines, "TABLE_BLOCK", len("a,b\n"))
    (tmp_path / "t.csv").write_bytes(b"a,b\n" + begin + b",1\n")
    with pytest.raises(DataError, match=f"t.csv:2: {fault}"):
        list(text_lines.read_raw_blocks(tmp_path / "t.csv"))


def test_splits_and_report_are_the_same_by_blocks_of_any_size(tmp_path, monkeypatch):
    rows = [f'"text {place % 37}, so",{"good" if place % 3 else " Bad"}\n' for place in range(90)]
    rows[50], rows[70] = "\u200b,good\n", 'e\u0301,"bad"\n'
    (tmp_path / "a.csv").write_text("text,label\n" + "".join(rows), encoding="utf-8")
    found = []
    for size in (1 << 20, 40):
        monkeypatch.setattr(text_lines, "TABLE_BLOCK", size)
        splits = load_splits(DataConfig(train=str(tmp_path / "a.csv")), {"text": "text", "label": "label"})
        found.append((splits.report, splits.labels, [part.to_dict() for part in (splits.train, splits.test)]))
    assert found[0] == found[1]
    assert found[0][0].splits["train"].dropped[0].rows == (52,)


def test_texts_of_arrow_are_a_sequence_of_strings():
    cells = cut_columns(make_block("a,b\nc,d\n"), ",", {"text": 0}, width=2, quoted=True)["text"]
    assert (cells[1], list(cells[1:]), len(cells), make_array(cells).to_pylist()) == ("c", ["c"], 2, ["a", "c"])
