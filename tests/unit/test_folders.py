"""Folders as other programs leave them, and Arrow files: opened split by split."""

import gzip
import json
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from pyarrow import feather

from nlp_transfer.data.formats.cells import stream_texts
from nlp_transfer.data.locations import open_place
from nlp_transfer.errors import DataError

KINDS = Features({"text": Value("string"), "label": ClassLabel(names=["a", "b"])})
TABLE = pa.table({"text": ["one", "two"], "label": ["a", "b"]})


def make(*texts: str) -> Dataset:
    return Dataset.from_dict({"text": texts, "label": [at % 2 for at in range(len(texts))]}, features=KINDS)


def read(place: Path, split: str = "train") -> list[tuple[object, ...]]:
    return [tuple(row.cells.values()) for row in open_place(str(place), split).rows]


def write(file: Path, content: str = "") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")
    return file


def save_stream(file: Path) -> None:
    with pa.OSFile(str(file), "wb") as out, pa.ipc.new_stream(out, TABLE.schema) as stream:
        stream.write_table(TABLE)


@pytest.mark.parametrize("codec", ["uncompressed", "lz4", "zstd"])
def test_feather_is_read(tmp_path, codec):
    feather.write_feather(TABLE, tmp_path / "a.feather", compression=codec)
    assert read(tmp_path / "a.feather") == [("one", "a"), ("two", "b")]
    assert list(stream_texts(str(tmp_path / "a.feather"), "text")) == ["one", "two"]


def test_an_arrow_stream_is_read_packed_too(tmp_path):
    save_stream(tmp_path / "a.arrow")
    (tmp_path / "b.arrow.gz").write_bytes(gzip.compress((tmp_path / "a.arrow").read_bytes()))
    assert read(tmp_path / "a.arrow") == read(tmp_path / "b.arrow.gz") == [("one", "a"), ("two", "b")]


def test_an_arrow_stream_that_says_it_is_huge_takes_no_memory(tmp_path):
    (tmp_path / "a.arrow").write_bytes(b"\xff\xff\xff\xff\xf0\xff\xff\x7f" + bytes(64))
    tracemalloc.start()
    with pytest.raises(DataError, match="not a readable Arrow file or stream"):
        read(tmp_path / "a.arrow")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 26


@pytest.mark.parametrize("keep", [4, 300, -20])
def test_an_arrow_file_that_was_cut_short_is_refused(tmp_path, keep):
    save_stream(tmp_path / "a.arrow")
    (tmp_path / "a.arrow").write_bytes((tmp_path / "a.arrow").read_bytes()[:keep])
    with pytest.raises(DataError, match=r"a\.arrow(: not a readable Arrow file or stream|:1: the file holds no rows)"):
        read(tmp_path / "a.arrow")


def test_the_first_version_of_feather_is_refused(tmp_path):
    (tmp_path / "a.feather").write_bytes(b"FEA1\0\0\0\0")
    with pytest.raises(DataError, match=r"a\.feather: Feather of version 1, .* write it again"):
        read(tmp_path / "a.feather")


def test_a_saved_dataset_is_any_split(tmp_path):
    make("one", "two", "three").save_to_disk(tmp_path / "d", num_shards=2)
    rows = list(open_place(str(tmp_path / "d"), "test").rows)
    assert [(row.number, *row.cells.values()) for row in rows] == [(1, "one", "a"), (2, "two", "b"), (3, "three", "a")]
    assert read(tmp_path / "d") == read(tmp_path / "d", "test")


def test_a_saved_dictionary_of_datasets_has_splits_under_their_usual_names(tmp_path):
    DatasetDict(train=make("one"), dev=make("two"), extra=make("three")).save_to_disk(tmp_path / "d")
    assert read(tmp_path / "d") == [("one", "a")]
    assert read(tmp_path / "d", "validation") == [("two", "a")]
    with pytest.raises(DataError, match="holds no test split, only: train, validation"):
        read(tmp_path / "d", "test")


def test_a_saved_dataset_that_lacks_a_file_or_is_damaged_is_refused(tmp_path):
    make("one").save_to_disk(tmp_path / "d")
    state = tmp_path / "d" / "state.json"
    listed = json.loads(state.read_text())
    state.write_text(json.dumps(listed | {"_data_files": [{"filename": "../../other.arrow"}]}))
    with pytest.raises(DataError, match=r"d/other\.arrow: no such file"):
        read(tmp_path / "d")
    state.write_text("{")
    with pytest.raises(DataError, match=r"state\.json: no '_data_files' can be read .*; save the data again"):
        read(tmp_path / "d")


def shard(folder: Path, split: str, at: int, count: int, *texts: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    make(*texts).to_parquet(folder / f"{split}-{at:05}-of-{count:05}.parquet")


@pytest.mark.parametrize("inside", ["", "data"])
def test_shards_are_read_in_order_and_their_rows_counted_on(tmp_path, inside):
    shard(tmp_path / inside, "train", 1, 2, "three")
    shard(tmp_path / inside, "train", 0, 2, "one", "two")
    shard(tmp_path / inside, "dev", 0, 1, "four")
    assert [(row.number, row.cells["text"]) for row in open_place(str(tmp_path), "train").rows] == [
        (1, "one"),
        (2, "two"),
        (3, "three"),
    ]
    assert read(tmp_path, "validation") == [("four", "a")]


def test_a_shard_that_is_missing_is_named(tmp_path):
    shard(tmp_path / "data", "train", 0, 3, "one")
    with pytest.raises(DataError, match="2 of 3 shards of train are missing: 00001, 00002; fetch them too"):
        read(tmp_path)


def test_of_several_subsets_one_is_named(tmp_path):
    shard(tmp_path / "plain", "train", 0, 1, "one")
    shard(tmp_path / "marked", "train", 0, 1, "two")
    with pytest.raises(DataError, match=r"several subsets.*data\.subset"):
        read(tmp_path)
    stream = open_place(str(tmp_path), "train", subset="marked")
    assert [row.cells["text"] for row in stream.rows] == ["two"]
    assert read(tmp_path / "plain") == [("one", "a")]


def test_a_folder_of_texts_for_each_label_is_read(tmp_path):
    for name, text in {"pos/0_9.txt": "good\n", "neg/1.txt": " bad\n\nfilm \n", "unsup/2.txt": "some"}.items():
        write(tmp_path / "train" / name, text)
    write(tmp_path / "test" / "pos" / "49960", "fine")
    write(tmp_path / "test" / "neg" / "1", "poor")
    write(tmp_path / "README", "about")
    assert read(tmp_path) == [
        ("bad\n\nfilm", "neg", "neg/1.txt"),
        ("good", "pos", "pos/0_9.txt"),
        ("some", None, "unsup/2.txt"),
    ]
    assert read(tmp_path / "test") == read(tmp_path, "test") == [("poor", "neg", "neg/1"), ("fine", "pos", "pos/49960")]


def test_texts_that_cannot_be_read_are_named_together(tmp_path):
    for name in ("a/1.txt", "b/1.txt", "b/2.txt"):
        write(tmp_path / name, "good").write_bytes(b"caf\xe9" if "1" in name else b"good")
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert "a/1.txt:1: byte 0xe9" in str(caught.value)
    assert "b/1.txt:1: byte 0xe9" in str(caught.value)


@pytest.mark.parametrize("names", [("a/1.txt",), ("a/1.png", "b/1.png"), ("a/1.txt", "b/c/1.txt")])
def test_other_folders_are_no_folders_of_texts(tmp_path, names):
    for name in names:
        write(tmp_path / name)
    with pytest.raises(DataError, match=r"expected train, validation and test as .*shards such as .*found: a"):
        read(tmp_path)


def test_lines_with_labels_are_splits_by_their_names_too(tmp_path):
    write(tmp_path / "train.txt", "__label__a one\n__label__b two\n")
    write(tmp_path / "test.txt", "__label__b three\n")
    assert [row[-1] for row in read(tmp_path, "test")] == ["three"]
