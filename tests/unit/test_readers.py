"""File formats: what is read, and how a row is named."""

import gzip
import io
import json
import os
import sys
from pathlib import Path
from threading import Thread

import pytest

from nlp_transfer.data.formats.records import RowStream
from nlp_transfer.data.formats.tables import open_rows
from nlp_transfer.data.formats.text_lines import find_file
from nlp_transfer.data.splits import stream_texts
from nlp_transfer.errors import DataError

ROWS = [{"text": "good film", "label": "positive"}, {"text": "dull, long", "label": "negative"}]
CSV = 'text,label\ngood film,positive\n"dull, long",negative\n'
FILES = {
    "a.csv": CSV,
    "a.CSV": CSV,
    "a.tsv": "text\tlabel\ngood film\tpositive\ndull, long\tnegative\n",
    "a.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS),
    "a.ndjson": "".join(json.dumps(row) + "\n\n" for row in ROWS),
    "a.json": json.dumps(ROWS, indent=2),
    "lines.json": "".join(json.dumps(row) + "\n" for row in ROWS),
}


def write(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def cells(path: str) -> list[dict[str, object]]:
    return [dict(row.cells) for row in open_rows(path).rows]


def parquet(content: dict[str, list[object]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table(content), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("name", FILES)
def test_each_text_format_gives_the_same_rows(tmp_path, name):
    assert cells(write(tmp_path, name, FILES[name])) == ROWS


@pytest.mark.parametrize("name", FILES)
def test_each_text_format_may_be_gzipped(tmp_path, name):
    assert cells(write(tmp_path, f"{name}.gz", gzip.compress(FILES[name].encode()))) == ROWS


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress])
def test_parquet_gives_the_same_rows(tmp_path, pack):
    content = parquet({"text": [row["text"] for row in ROWS], "label": [row["label"] for row in ROWS]})
    name = "a.parquet" if content == pack(content) else "a.parquet.gz"
    assert cells(write(tmp_path, name, pack(content))) == ROWS


def test_label_names_kept_by_datasets_are_used_and_minus_one_is_missing(tmp_path):
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"text": Value("string"), "label": ClassLabel(names=["bad", "good"])})
    data = Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]}, features=features)
    data.to_parquet(str(tmp_path / "a.parquet"))
    assert [row["label"] for row in cells(str(tmp_path / "a.parquet"))] == ["good", "bad", None]


def test_byte_order_mark_and_crlf_are_accepted_in_csv(tmp_path):
    content = b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode()
    assert cells(write(tmp_path, "a.csv", content)) == ROWS


def test_byte_order_mark_and_crlf_are_accepted_in_jsonl(tmp_path):
    content = b"\xef\xbb\xbf" + FILES["a.jsonl"].replace("\n", "\r\n").encode()
    assert cells(write(tmp_path, "a.jsonl", content)) == ROWS


def test_words_for_nothing_stay_text(tmp_path):
    words = ["NA", "null", "None", "nan", "N/A", "NULL", "NaN"]
    path = write(tmp_path, "a.csv", "text\n" + "\n".join(words) + "\n")
    assert [row["text"] for row in cells(path)] == words


def test_a_row_is_numbered_by_the_line_it_starts_on(tmp_path):
    path = write(tmp_path, "a.csv", 'text,label\n"two\nlines",x\n\nnext,y\n')
    assert [row.number for row in open_rows(path).rows] == [2, 5]


def test_a_cell_may_be_larger_than_the_csv_default(tmp_path):
    path = write(tmp_path, "a.csv", f"text,label\n{'word ' * 2_000_000},x\n")
    assert len(str(cells(path)[0]["text"])) == 10_000_000


@pytest.mark.parametrize(
    ("stream", "numbers", "place"),
    [
        (RowStream("a.csv", iter(())), [3], "a.csv:3"),
        (RowStream("a.parquet", iter(()), "row"), [3], "a.parquet, row 3"),
        (RowStream("a.csv", iter(())), [3, 4], "a.csv, lines 3, 4"),
        (RowStream("a.csv", iter(())), list(range(7)), "a.csv, lines 0, 1, 2, 3, 4 and 2 more"),
    ],
)
def test_rows_are_named_by_file_and_line(stream, numbers, place):
    assert stream.name_rows(numbers) == place


@pytest.mark.parametrize("name", FILES)
def test_texts_stream_from_a_column_in_input_order(tmp_path, name):
    path = write(tmp_path, name, FILES[name])
    assert list(stream_texts(path, "text")) == ["good film", "dull, long"]


def test_texts_stream_from_lines_and_keep_blank_ones(tmp_path):
    path = write(tmp_path, "a.txt", "one\r\n\r\nthree")
    assert list(stream_texts(path, "text")) == ["one", "", "three"]


def test_texts_stream_from_json_strings(tmp_path):
    path = write(tmp_path, "a.jsonl", '"one"\n{"text": "two"}\n{"text": 3}\n')
    assert list(stream_texts(path, "text")) == ["one", "two", "3"]


@pytest.mark.parametrize("path", ["-", None])
def test_texts_stream_from_standard_input(monkeypatch, path):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"eins\nzw\xc3\xb6lf\n")))
    assert list(stream_texts(path, "text")) == ["eins", "zwölf"]


def test_texts_before_a_fault_are_given_before_it(tmp_path):
    texts = stream_texts(write(tmp_path, "a.jsonl", '{"text": "one"}\n{"text"\n'), "text")
    assert next(texts) == "one"
    with pytest.raises(DataError, match=r"a\.jsonl:2: broken JSON"):
        next(texts)


def test_streaming_reads_no_further_than_asked(tmp_path):
    def endless():
        while True:
            yield b"again\n"

    class Endless(io.RawIOBase):
        lines = endless()

        def readable(self):
            return True

        def readinto(self, buffer):
            line = next(self.lines)
            buffer[: len(line)] = line
            return len(line)

    stdin = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BufferedReader(Endless()))
    try:
        texts = stream_texts("-", "text")
        assert [next(texts) for _ in range(3)] == ["again"] * 3
    finally:
        sys.stdin = stdin


LINES, TABLE, OBJECTS = b"0\n1\n2\n", b"text\n0\n1\n2\n", b'{"text": "0"}\n"1"\n{"text": 2}\n'
PIPES = {"lines": LINES, "a.txt": LINES, "a.csv": TABLE, "a.tsv": TABLE, "a.jsonl": OBJECTS, "a.json": OBJECTS}


@pytest.mark.parametrize("name", [*PIPES, "a.parquet"])
def test_every_row_of_a_pipe_is_read(tmp_path, name):
    os.mkfifo(tmp_path / name)
    content = PIPES.get(name) or parquet({"text": ["0", "1", "2"]})
    Thread(target=(tmp_path / name).write_bytes, args=[content], daemon=True).start()
    assert list(stream_texts(str(tmp_path / name), "text")) == ["0", "1", "2"]


@pytest.mark.parametrize(("name", "near"), [("reviws.csv", "reviews.csv"), ("new/reviews.csv", None), ("x", None)])
def test_a_missing_file_is_named_with_the_nearest_in_its_folder(tmp_path, name, near):
    (tmp_path / "reviews.csv").write_text("text\n")
    question = f". Did you mean '{tmp_path / near}'?" if near else ""
    with pytest.raises(DataError) as error:
        find_file(str(tmp_path / name))
    assert str(error.value) == f"{tmp_path / name}: no such file{question}"


def test_a_missing_file_is_refused_before_the_first_text(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv: no such file"):
        stream_texts(str(tmp_path / "none.csv"), "text")


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ('{"text": "one"}\n{"text": null}\n{"other": 1}\n{"text": NaN}\n"two"\n', ["one", None, None, None, "two"]),
        ('{"other": 1}\nnull\n{"text": "one"}\n', [None, None, "one"]),
        ('{"text": null}\n', [None]),
    ],
)
def test_every_record_gives_an_item_though_it_lacks_the_text(tmp_path, content, texts):
    assert list(stream_texts(write(tmp_path, "a.jsonl", content), "text")) == texts


def test_a_column_that_no_record_has_is_refused_with_all_names_at_the_first(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"id": 1}\n{"texts": "one"}\n')
    with pytest.raises(DataError, match=r"a\.jsonl:1: no column 'text'\. Known: id, texts\. Did you mean 'texts'\?"):
        list(stream_texts(path, "text"))


def test_a_column_is_not_looked_for_through_a_whole_file(tmp_path):
    path = write(tmp_path, "a.csv", "texts\n" + "one\n" * 1500 + "b,c\n")  # the last of which would be an error
    with pytest.raises(DataError, match=r"a\.csv:2: no column 'text'"):
        list(stream_texts(path, "text"))


def test_a_blank_line_of_a_single_column_is_an_empty_cell(tmp_path):
    path = write(tmp_path, "a.csv", "text\ngood\n\n\nbad\n\n")
    assert list(stream_texts(path, "text")) == ["good", "", "", "bad"]
    assert [row.number for row in open_rows(path).rows] == [2, 3, 4, 5]


def test_a_parquet_column_of_a_type_that_datasets_lacks_is_no_hindrance(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = pa.map_(pa.string(), pa.string())
    pq.write_table(pa.table({"text": ["one"], "more": pa.array([[("a", "b")]], kind)}), tmp_path / "a.parquet")
    assert list(stream_texts(str(tmp_path / "a.parquet"), "text")) == ["one"]


def test_parquet_that_datasets_has_written_may_hold_kinds_of_columns_that_are_not_known(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"label": {"names": ["bad", "good"], "_type": "ClassLabel"}, "scan": {"_type": "NotYetInvented"}}
    kinds |= {"people": {"names": {"dtype": "string", "_type": "Value"}}, "more": [{"dtype": "string"}]}
    table = pa.table({"label": [1], "scan": [b""], "people": [{"names": "Ada"}]})
    pq.write_table(
        table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": kinds}})}),
        tmp_path / "a.parquet",
    )
    assert list(stream_texts(str(tmp_path / "a.parquet"), "label")) == ["good"]
    assert list(stream_texts(str(tmp_path / "a.parquet"), "people.names")) == ["Ada"]


def test_columns_of_one_name_in_parquet_are_refused_where_they_are_used(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [pa.array([text]) for text in ("one", "two", "three")]
    pq.write_table(pa.Table.from_arrays(columns, names=["text", "more", "more"]), tmp_path / "a.parquet")
    assert list(stream_texts(str(tmp_path / "a.parquet"), "text")) == ["one"]
    with pytest.raises(DataError, match=r"a\.parquet: column 'more' appears twice; rename one"):
        list(stream_texts(str(tmp_path / "a.parquet"), "more"))
