"""Rows that Python code holds are read where they are, whatever holds them, and described by what they are."""

import datetime
import os
from types import SimpleNamespace

import numpy as np
import pandas
import pyarrow as pa
import pytest
import tiny
import yaml
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from two_processes import job

import nlp_transfer
from nlp_transfer.config.data import DataConfig
from nlp_transfer.config.load import load_config, render
from nlp_transfer.data.formats.held import hold_rows, open_held
from nlp_transfer.data.given import take_splits
from nlp_transfer.data.locations import refuse_missing
from nlp_transfer.data.splits import load_splits, read_rows
from nlp_transfer.errors import ConfigError, DataError

TEXTS = ["good film", "bad", "the plot"]
NAMES = ["pos", "neg", "pos"]
ROWS = [{"text": text, "label": name} for text, name in zip(TEXTS, NAMES, strict=True)]
FRAME = pandas.DataFrame(ROWS)
TABLE = pa.table({"text": TEXTS, "label": NAMES})
FEATURES = Features(text=Value("string"), label=ClassLabel(names=["neg", "pos"]))
NUMBERED = Dataset.from_dict({"text": TEXTS, "label": [1, 0, 1]}, features=FEATURES)
ROLES = {"text": "text", "label": "label"}


def read(given, *columns):
    """The cells of the columns, row by row."""
    rows = open_held(hold_rows(given)).rows
    return [tuple(row.cells.get(column) for column in columns or ("text", "label")) for row in rows]


def as_views(table):
    """The table as polars hands it over: texts as views, categories by a dictionary."""
    labels = table["label"].combine_chunks().dictionary_encode()
    labels = pa.DictionaryArray.from_arrays(labels.indices, labels.dictionary.cast(pa.string_view()))
    return pa.table({"text": table["text"].cast(pa.string_view()), "label": labels})


KINDS = {
    "frame": (FRAME, "a pandas DataFrame"),
    "table": (TABLE, "a pyarrow Table"),
    "batch": (TABLE.to_batches()[0], "a pyarrow RecordBatch"),
    "views": (as_views(TABLE), "a pyarrow Table"),
    "large strings": (TABLE.cast(pa.schema([("text", pa.large_string()), ("label", pa.large_string())])), "a pyarrow"),
    "chunks": (pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)]), "a pyarrow Table"),
    "categories": (FRAME.astype({"label": "category"}), "a pandas DataFrame"),
    "an index": (FRAME.set_axis([7, 7, 3]), "a pandas DataFrame"),
    "data set": (Dataset.from_list(ROWS), "a datasets Dataset"),
    "label names": (NUMBERED, "a datasets Dataset"),
    "a data set that streams": (NUMBERED.to_iterable_dataset(), "a datasets IterableDataset"),
    "a data set in another format": (NUMBERED.with_format("numpy"), "a datasets Dataset"),
    "mappings": (ROWS, "a list"),
    "a generator": (ROWS, "a list"),
    "columns": ({"text": TEXTS, "label": np.array(NAMES)}, "a dict"),
    "columns of a frame": ({"text": FRAME["text"], "label": FRAME["label"]}, "a dict"),
}


@pytest.mark.parametrize("name", KINDS)
def test_rows_are_read_in_order_whatever_holds_them(name):
    given, kind = KINDS[name]
    held = hold_rows(iter(given) if name == "a generator" else given)
    assert read(given) == [tuple(row.values()) for row in ROWS]
    assert name == "a generator" or held.description.startswith(kind)
    assert "in memory (3 rows: text, label; sha256 " in held.description


def test_a_stream_of_arrow_is_all_that_a_frame_needs_to_offer():
    other = SimpleNamespace(__arrow_c_stream__=TABLE.__arrow_c_stream__)
    assert read(other) == read(TABLE)
    assert read(pa.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches())) == read(TABLE)


def test_a_selection_of_a_data_set_is_read_in_its_own_order():
    assert read(NUMBERED.select([2, 0])) == [("the plot", "pos"), ("good film", "pos")]


def test_names_of_labels_are_found_in_lists_and_in_objects():
    label = ClassLabel(names=["neg", "pos"])
    features = Features(labels=List(label), inner={"label": label}, fixed=List(label, length=1))
    rows = Dataset.from_dict({"labels": [[1, 0], []], "inner": [{"label": 1}, None], "fixed": [[1], [0]]}, features)
    found = open_held(hold_rows(rows)).rows
    assert [row.cells["labels"] for row in found] == [["pos", "neg"], []]
    assert read(rows, "fixed") == [(["pos"],), (["neg"],)]
    assert read(rows, "inner") == [({"label": "pos"},), (None,)]


def test_equal_rows_have_one_fingerprint_however_they_are_stored():
    known = hold_rows(TABLE).description.rpartition("sha256 ")[2]
    parts = [
        KINDS[name][0] for name in ("frame", "batch", "views", "large strings", "chunks", "categories", "an index")
    ]
    for same in (*parts, pa.concat_tables([TABLE, TABLE]).slice(3), Dataset.from_list(ROWS)):
        assert hold_rows(same).description.endswith(known)


def test_other_rows_have_another_fingerprint():
    rows = [{**ROWS[0], "text": "good  film"}, *ROWS[1:]]
    others = [rows, ROWS[::-1], [*ROWS, ROWS[0]], [{**row, "more": None} for row in ROWS]]
    tables = [hold_rows(pandas.DataFrame(one)).description for one in (ROWS, *others)]
    lists = [hold_rows(one).description for one in (ROWS, *others)]
    assert len(set(tables)) == len(set(lists)) == 5


def test_a_fingerprint_does_not_depend_on_what_lies_behind_a_null():
    hidden = pa.array(["a", "b"])
    masked = pa.Array.from_buffers(pa.string(), 2, [pa.array([True, False]).buffers()[1], *hidden.buffers()[1:]])
    assert hold_rows(pa.table({"text": masked})) == hold_rows(pa.table({"text": ["a", None]}))


@pytest.mark.parametrize("cell", [None, np.nan, pandas.NA, pandas.NaT, float("nan")])
def test_what_is_missing_is_null_in_frames_and_in_lists(cell):
    for given in (pandas.DataFrame({"text": ["a", cell]}), [{"text": "a"}, {"text": cell}], {"text": ["a", cell]}):
        assert read(given, "text") == [("a",), (None,)]


def test_values_of_numpy_are_read_as_those_of_python():
    rows = [{"text": np.str_("a"), "label": np.int64(3), "labels": np.array(["x"]), "flag": np.bool_(1)}]
    assert read(rows, "text", "label", "labels", "flag") == [("a", 3, ["x"], True)]
    assert read(pandas.DataFrame(rows), "label", "labels", "flag") == [(3, ["x"], True)]


def test_a_frame_whose_columns_mix_types_is_read_row_by_row_and_only_where_it_is_used():
    frame = FRAME.assign(mixed=["a", 1, datetime.date(2026, 1, 1)])
    assert read(frame) == read(FRAME)
    with pytest.raises(DataError, match=r"sha256 \w+\), row 3: expected a text, received a date: 2026-01-01"):
        read_rows(frame, {"text": "mixed"}, ROLES, labels=("neg", "pos"))
    with pytest.raises(DataError, match=r"row 2: half a character"):
        read_rows([ROWS[0], {"text": "\ud800", "label": "pos"}], {}, ROLES, labels=("neg", "pos"))


WRONG = {
    "no rows": (FRAME[:0], "a pandas DataFrame: holds no rows; give at least one"),
    "an empty list": ([], "a list: holds no rows"),
    "two columns of one name": (
        FRAME.rename(columns={"label": "text"}),
        "DataFrame: column 'text' appears twice; rename",
    ),
    "plain texts": (["good"], r"a list, row 1: expected \{column: cell, ...\}, received a str; name the columns"),
    "tuples": ([ROWS[0], ("bad", 0)], r"a list, row 2: expected .*, received a tuple"),
    "unequal columns": ({"text": ["a"], "label": []}, "column 'text' has 1 cells, and 'label' 0; give as many of each"),
    "a column": (FRAME["text"], "a pandas Series, row 1: expected .*, received a str"),
    "a lazy frame": (type("LazyFrame", (), {"columns": 1, "collect": 1})(), r"has no rows yet; give data.collect\(\)"),
    "a number": (3, "expected a table of rows, received an int"),
    "a broken stream": (type("Odd", (), {"columns": 1, "__arrow_c_stream__": dict})(), "Odd: cannot be read: "),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_holds_no_rows_is_refused_in_one_line(name):
    given, said = WRONG[name]
    with pytest.raises(DataError, match=said) as refused:
        hold_rows(given)
    assert "\n" not in str(refused.value)


def test_a_name_that_two_columns_of_arrow_have_is_refused_where_it_is_used():
    table = pa.Table.from_arrays([*TABLE.columns, pa.array([1, 2, 3])], names=["text", "label", "text"])
    with pytest.raises(DataError, match=r"in memory \(.*\): column 'text' appears twice; rename one"):
        read_rows(table, {}, ROLES, labels=("neg", "pos"))
    assert len(read_rows(table, {"text": "label"}, {"text": "text"})) == 3


def test_a_missing_column_is_answered_with_those_that_there_are():
    with pytest.raises(DataError, match=r"in memory .*: no column 'text'. Known: label, txt. Did you mean 'txt'\?"):
        read_rows(FRAME.rename(columns={"text": "txt"}).set_axis([5, 6, 7]), {}, ROLES, labels=("neg", "pos"))


def test_many_columns_are_counted_and_odd_names_shortened():
    wide = {**{f"c{i}": [1] for i in range(12)}}
    assert "(1 row: c0, c1, c2, c3, c4, c5, c6, c7 and 4 more; sha256" in hold_rows(wide).description
    assert "\n" not in hold_rows({"a\nb" * 60: ["x"]}).description


SPLITS = {
    "rows alone": (FRAME, {"train"}),
    "columns alone": ({"text": TEXTS, "label": NAMES}, {"train"}),
    "splits": ({"train": FRAME, "dev": ROWS, "test": None}, {"train", "validation"}),
    "a DatasetDict": (DatasetDict(train=NUMBERED, test=NUMBERED, more=NUMBERED), {"train", "test"}),
    "files beside them": ({"train": FRAME, "test": "a.csv"}, {"train", "test"}),
}


@pytest.mark.parametrize("name", SPLITS)
def test_rows_come_alone_or_by_split(name):
    given, splits = SPLITS[name]
    assert take_splits(given).keys() == splits
    assert take_splits(None) is None


def test_a_key_that_is_no_split_is_refused():
    with pytest.raises(ConfigError, match=r"unknown split 'tain'. Known: .* Did you mean 'train'"):
        take_splits({"tain": FRAME, "test": FRAME})
    with pytest.raises(ConfigError, match="'dev' is the validation split, which is given twice"):
        take_splits({"validation": FRAME, "dev": FRAME})
    with pytest.raises(DataError, match=r"^data\['test'\]: a list: holds no rows"):
        take_splits({"train": FRAME, "test": []})


CONFIG = {"task": {"name": "sentiment"}}


def test_rows_stand_in_the_configuration_as_their_description():
    held = hold_rows(FRAME)
    config = load_config({**CONFIG, "data": {"train": "a.csv", "test": "b.csv"}}, ["training.seed=3"], {"train": held})
    assert (config.data.train, config.data.test) == (held, "b.csv")
    assert yaml.safe_load(render(config))["data"]["train"] == str(held)
    assert load_config(config, ["training.seed=4"]).data.train is held
    assert all(one.data.train is held for one in load_config(config, ["training.seeds=[0, 1]"]).each_seed())
    with pytest.raises(ConfigError, match=r"data and the override data.train=... say the same twice"):
        load_config(CONFIG, ["data.train=a.csv"], {"train": held})


def test_rows_of_a_saved_configuration_are_gone():
    saved = load_config({**CONFIG, "data": {"train": str(hold_rows(FRAME))}})
    for read_again in (lambda: refuse_missing(saved.data.train), lambda: load_splits(saved.data, ROLES)):
        with pytest.raises(DataError, match=r"these rows are gone; a run takes them again by run\(config, data="):
            read_again()


def test_splits_are_cut_from_rows_in_memory_as_from_a_file(tmp_path):
    texts, labels = tiny.texts(40)
    frame = pandas.DataFrame({"text": texts, "label": labels})
    frame.to_csv(tmp_path / "a.csv", index=False)
    held, file = (load_splits(DataConfig(train=place), ROLES) for place in (hold_rows(frame), str(tmp_path / "a.csv")))
    assert held.test["text"][:] == file.test["text"][:]
    assert [one.fingerprint for one in held.report.splits.values()] == [
        one.fingerprint for one in file.report.splits.values()
    ]
    assert held.report.splits["train"].origin.startswith("a pandas DataFrame in memory (40 rows: text, label; sha256 ")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A finished run on a frame."""
    root = tmp_path_factory.mktemp("held")
    texts, labels = tiny.texts(60)
    frame = pandas.DataFrame({"text": texts, "label": [tiny.LABELS[label] for label in labels]})
    config = {
        "task": {"name": "sentiment", "max_length": 32},
        "source": {"kind": "vectors", "name": tiny.save_vectors(root / "v.txt"), "width": 8},
        "strategy": {"kind": "frozen"},
        "training": {"precision": "fp32"},
    }
    nlp_transfer.run(config, data=frame, output=root / "run", progress=False)
    return SimpleNamespace(root=root, frame=frame, config=config)


def test_the_run_folder_and_the_card_describe_the_rows(place):
    said = str(hold_rows(place.frame))
    run = place.root / "run"
    assert yaml.safe_load((run / "config.yaml").read_text())["data"]["train"] == said
    assert f"| train | {said} | 48 |" in (run / "README.md").read_text()
    assert {path.name for path in run.iterdir() if path.is_dir()} == {"model"}
    nlp_transfer.publish(run, "me/films", dry_run=True, output=place.root / "tree", licence="mit")
    assert said in (place.root / "tree" / "README.md").read_text()


def test_a_run_is_resumed_with_the_same_rows_and_refused_with_others(place):
    run = place.root / "run"
    copy = pa.table(place.frame.copy())
    with pytest.raises(ConfigError, match=r"sha256 \w+\) before, a p.*sha256 \w+\) now"):
        nlp_transfer.run(place.config, data=place.frame[::-1], output=run, resume="auto", progress=False)
    again = nlp_transfer.run(place.config, data={"train": place.frame.copy()}, output=run, resume=run, progress=False)
    assert "nothing to resume" in again.summary
    assert len(copy) == 60


def test_check_and_compare_take_rows(place, tmp_path):
    said = nlp_transfer.check(place.config, data={"train": place.frame}).text
    assert "in memory (60 rows: text, label; sha256" in said
    files = []
    for kind in ("frozen", "full"):
        files.append(tmp_path / f"{kind}.yaml")
        files[-1].write_text(yaml.safe_dump({**place.config, "strategy": {"kind": kind}, "data": {"train": "no.csv"}}))
    overrides = ["training.epochs=1"]
    rows = DatasetDict(train=Dataset.from_pandas(place.frame))
    found = nlp_transfer.compare(files, overrides, data=rows, output=tmp_path / "both", progress=False)
    assert [row.name for row in found.rows] == ["frozen", "full"]
    held = {"fixed": {**place.config, "strategy": {"kind": "frozen"}}, "moving": files[1]}
    again = nlp_transfer.compare(held, overrides, data=rows, output=tmp_path / "held", progress=False)
    assert [(row.name, row.test) for row in again.rows] == [
        (name, row.test) for name, row in zip(held, found.rows, strict=True)
    ]
    assert nlp_transfer.load(tmp_path / "held" / "fixed").predict(["good"])


def test_predict_and_evaluate_take_tables(place):
    predictor = nlp_transfer.load(place.root / "run")
    texts = place.frame["text"].tolist()
    expected = predictor.predict(texts)
    renamed = place.frame.rename(columns={"text": "body"})
    for given in (place.frame, pa.table(place.frame), place.frame.to_dict("records"), {"text": texts}, pa.array(texts)):
        assert predictor.predict(given) == expected
    assert predictor.predict(renamed, {"text": "body"}) == expected
    assert predictor.predict(renamed.to_dict("records"), {"text": "body"}) == expected

    scores = [
        predictor.evaluate(given, columns)
        for given, columns in ((place.frame, None), (renamed, {"text": "body"}), ({"test": place.frame}, None))
    ]
    assert scores[0] == scores[1] == scores[2]
    with pytest.raises(DataError, match=r"columns: unknown role 'txt'. Known: label, text. Did you mean 'text'"):
        predictor.evaluate(place.frame, {"txt": "body"})


def test_a_missing_text_of_a_table_has_no_answer(place):
    predictor = nlp_transfer.load(place.root / "run")
    said = predictor.predict(pandas.DataFrame({"text": ["good", None, " ", pandas.NA]}))
    assert [one.get("reason") for one in said] == [None, "there is no text", "the text is empty", "there is no text"]


@pytest.mark.parametrize("kind", ["texts", "frame", "lists"])
def test_vectors_are_trained_on_texts_in_memory(tmp_path, kind):
    texts = tiny.texts(30)[0]
    corpus = {"texts": texts, "frame": FRAME.reindex(range(3)), "lists": [{"text": [text]} for text in texts]}[kind]
    table = nlp_transfer.train_vectors(corpus, tmp_path / "v", dim=4, min_count=1, epochs=1)
    assert len(table.words) > 2
    assert "in memory (" in (tmp_path / "v" / "table.json").read_text()


def test_the_page_on_rows_in_memory_says_what_runs(place, tmp_path, monkeypatch, capsys):
    page = (tiny.ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
    code = page.partition("## Rows in memory")[2].partition("```python")[2].partition("```")[0]
    monkeypatch.chdir(tmp_path)
    exec(code.replace("glove-50d", place.config["source"]["name"]), {})  # noqa: S102 - our own page
    assert capsys.readouterr().out.split()[1] == "40"


def work(place):
    """Run as one of two processes, each of which holds other rows."""
    rows = place.frame[::-1] if os.environ["RANK"] == "1" else place.frame
    with pytest.raises(ConfigError, match=r"the processes hold different rows: a .* \| a .*; give the same to each"):
        nlp_transfer.run(place.config, data=rows, output=place.root / "odd", progress=False)


def test_processes_with_different_rows_are_refused(place):
    job(place.root, work, place)
    assert not (place.root / "odd").exists()
