"""What is read has bounds: a line, a cell and a record have a length, and rows take little memory."""

import contextlib
import gc
import gzip
import importlib
import io
import pkgutil
import tracemalloc
from pathlib import Path

import pytest

import nlp_transfer.data
from nlp_transfer.config.data import DataConfig
from nlp_transfer.data.formats.records import Record, RowStream, make_reader
from nlp_transfer.data.formats.tables import open_rows
from nlp_transfer.data.formats.text_lines import LONGEST
from nlp_transfer.data.splits import load_splits, stream_texts
from nlp_transfer.errors import DataError

LIMIT = 1 << 22
LONG = b"a" * (LIMIT + 1)
ROW = b"x,y\n"
TOO_LONG = {
    "a.csv.gz": (b"text,label\n" + ROW, LONG + b",y\n", b"", 3, "line"),
    "a.tsv.gz": (b"text\tlabel\n", LONG + b"\ty\n", b"", 2, "line"),
    "quoted.csv.gz": (b"text,label\n" + ROW, b'"' + b"aaaaaaa\n" * (LIMIT // 8 + 1), b'",y\n', 3, "cell"),
    "cells.csv.gz": (b"text,label\n", (b'"' + b"a" * 999 + b'\n",') * (LIMIT // 900), b"x\n", 2, "record"),
    "a.jsonl.gz": (b'{"text": "x"}\n', b'{"text": "' + LONG + b'"}\n', b"", 2, "line"),
    "first.jsonl.gz": (b"", b'{"text": "' + 2 * LONG + b'"}\n', b"", 1, "record"),
    "list.json.gz": (b'[{"text": "x"},\n', b'{"text": "' + 2 * LONG + b'"}', b"]", 2, "record"),
    "a.txt.gz": (b"one\n", LONG, b"\n", 2, "line"),
    "a.tmx.gz": (b'<tmx><body>\n<tu><tuv lang="text"><seg>', LONG, b"</seg></tuv></tu></body></tmx>", 2, "unit"),
    "a.po.gz": (b'msgid "x"\nmsgstr "', (b"a" * 9999 + b'"\n"') * (LIMIT // 9000), b'"\n', 1, "message"),
    "a.sgm.gz": (b'<srcset>\n<doc>\n<seg id="1">', (b"a" * 9999 + b"\n") * (LIMIT // 9000), b"</seg>", 3, "segment"),
}


def packed(folder: Path, name: str, *parts: bytes) -> str:
    with gzip.open(folder / name, "wb", compresslevel=1) as file:
        for part in parts:
            file.write(part)
    return str(folder / name)


@pytest.fixture
def lower(monkeypatch):
    """Set the limit that readers know to LIMIT: what is longer is read sooner."""
    for found in pkgutil.walk_packages(nlp_transfer.data.__path__, "nlp_transfer.data."):
        module = importlib.import_module(found.name)
        if vars(module).get("LONGEST") == LONGEST:
            monkeypatch.setattr(module, "LONGEST", LIMIT)


@pytest.mark.usefixtures("lower")
@pytest.mark.parametrize("name", TOO_LONG)
def test_what_is_too_long_is_refused_by_line_and_limit(tmp_path, name):
    before, long, after, line, what = TOO_LONG[name]
    path = packed(tmp_path, name, before, long, after)
    with pytest.raises(
        DataError, match=rf"{name}:{line}: a {what} of more than 33,554,432 characters, which is the limit"
    ):
        list(stream_texts(path, "text"))


def test_a_cell_of_parquet_that_is_too_long_is_refused(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"text": ["x", "a" * (LONGEST + 1)], "other": ["a", "b"]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet, row 2: a cell of more than 33,554,432 characters"):
        list(stream_texts(str(tmp_path / "a.parquet"), "text"))
    assert list(stream_texts(str(tmp_path / "a.parquet"), "other")) == ["a", "b"]


def test_a_line_that_never_ends_is_given_up_within_bounded_memory(tmp_path):
    path = packed(tmp_path, "a.csv.gz", b"text,label\n", *[b"a" * (1 << 20)] * 150)
    tracemalloc.start()
    with pytest.raises(DataError, match="the limit"):
        list(open_rows(path).read_blocks())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * LONGEST


def test_cells_may_lie_within_each_other_however_deep(tmp_path):
    cell: list[object] = []
    for _ in range(5000):
        cell = [cell]
    (block,) = RowStream("a.jsonl", make_reader([Record(1, {"text": "x", "more": cell})])).read_blocks()
    assert block.collect_cells("text") == ["x"]


def test_a_po_file_of_many_entries_takes_little_memory(tmp_path):
    entry = b'msgid "%s"\nmsgstr "b"\n\n' % (b"a" * 3000)
    path = packed(tmp_path, "a.po.gz", entry * 1500)
    tracemalloc.start()
    assert sum(1 for _ in stream_texts(path, "msgid")) == 1500
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * (1 << 20)  # the texts of all entries are 4.5 MB


def test_a_small_mo_file_takes_little_memory(tmp_path):
    (tmp_path / "a.mo").write_bytes(b"\xde\x12\x04\x95" + bytes(200))
    tracemalloc.start()
    with pytest.raises(DataError, match="the file holds no entry"):
        list(stream_texts(str(tmp_path / "a.mo"), "msgid"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * (1 << 20)


def test_an_mo_file_that_is_too_large_to_be_held_is_refused(tmp_path):
    path = packed(tmp_path, "a.mo.gz", *[bytes(1 << 20)] * 129)
    with pytest.raises(DataError, match=r"a\.mo\.gz: a \.mo file of more than 134,217,728 bytes, which is the limit"):
        list(stream_texts(path, "msgid"))


def test_lines_that_tell_what_a_file_is_are_not_held_beyond_what_is_looked_at(tmp_path):
    path = packed(tmp_path, "a.txt.gz", *[b"a" * (1 << 20) + b"\n"] * 40)
    tracemalloc.start()
    next(stream_texts(path, "text"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * (1 << 20)


def test_a_line_of_standard_input_that_comes_in_pieces_is_put_together_and_bounded(monkeypatch):
    pieces = [b"on", b"e\ntw", b"o\n", *[b"a" * (1 << 20)] * 40]
    arrived = stream_texts("-", "text", standard_input=pieces)
    assert [next(arrived), next(arrived)] == ["one", "two"]
    with pytest.raises(DataError, match="standard input:3: a line of more than"):
        next(arrived)


def test_a_packed_parquet_file_is_unpacked_on_the_disk(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table({"text": [str(number) for number in range(9)]}), buffer)
    path = packed(tmp_path, "a.parquet.gz", buffer.getvalue())
    assert list(stream_texts(path, "text")) == [str(number) for number in range(9)]


@pytest.mark.parametrize("header", ["text,label", "text,stars"])
def test_the_file_of_the_texts_is_closed_when_they_are_gone(tmp_path, recwarn, header):
    (tmp_path / "a.csv").write_text(f"{header}\n" + "".join(f"film {row},{row % 2}\n" for row in range(40)))
    gc.collect()
    before = len(list(Path("/dev/fd").iterdir()))
    with contextlib.suppress(DataError):
        load_splits(DataConfig(train=str(tmp_path / "a.csv")), {"text": "text", "label": "label"})
    assert len(list(Path("/dev/fd").iterdir())) == before
    assert not [one for one in recwarn if one.category is ResourceWarning]


def test_rows_of_a_table_take_little_memory_beside_their_texts(tmp_path):
    def peak(rows: int) -> int:
        content = "".join(f"a film of {'many ' * 20}words {row},{'ab'[row % 2]}\n" for row in range(rows))
        (tmp_path / "a.csv").write_text(f"text,label\n{content}")
        del content
        tracemalloc.start()
        splits = load_splits(DataConfig(train=str(tmp_path / "a.csv")), {"text": "text", "label": "label"})
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(splits.train) + len(splits.validation) + len(splits.test) == rows
        return most

    peak(2000)  # what is imported on the first use
    each = (peak(30_000) - peak(10_000)) / 20_000
    assert each < 150  # of which the text alone would be more
