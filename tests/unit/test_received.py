"""What Python code hands over in place of a name, a path or a configuration is refused in one line."""

import re
from pathlib import Path

import pandas
import pytest
from datasets import Dataset, DatasetDict

import nlp_transfer
from nlp_transfer.config.load import load_config
from nlp_transfer.errors import ConfigError, DataError
from nlp_transfer.runs.curves.plan import check_sizes

FRAME = pandas.DataFrame({"text": ["good"], "label": ["positive"]})
BESIDE = "; give rows in memory beside the configuration, as run(config, data={"
OBJECTS = {
    "frame": (FRAME, f"the name of a file, folder or data set, received a DataFrame{BESIDE}"),
    "column": (FRAME["text"], f"received a Series{BESIDE}"),
    "data set": (Dataset.from_pandas(FRAME), f"received a Dataset{BESIDE}"),
    "splits": (DatasetDict(train=Dataset.from_pandas(FRAME)), f"received a DatasetDict{BESIDE}"),
    "lists by column": ({"text": ["good"], "label": ["positive"]}, f"received a list under 'text'{BESIDE}"),
    "rows": ((row for row in ()), f"received a generator{BESIDE}"),
    "list of rows": ([{"text": "good", "label": "positive"}], f"received a list{BESIDE}"),
    "table": (Dataset.from_pandas(FRAME).data.table, f"received a Table{BESIDE}"),
    "bytes": (b"a.csv", f"received bytes{BESIDE}"),
}


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("key", ["train", "validation", "test"])
def test_an_object_in_place_of_the_name_of_data_is_refused_in_one_line(key, name):
    given, said = OBJECTS[name]
    with pytest.raises(ConfigError) as refused:
        load_config({"task": {"name": "sentiment"}, "data": {"train": "a.csv", key: given}})
    assert str(refused.value).startswith(f"data.{key}: expected ")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_data_may_be_named_by_paths():
    base = {"task": {"name": "translation"}}
    assert load_config({**base, "data": {"train": Path("a.csv")}}).data.train == "a.csv"
    place = {"source": Path("a.en"), "target": "a.de"}
    assert load_config({**base, "data": {"train": place}}).data.train == {"source": "a.en", "target": "a.de"}


@pytest.mark.parametrize("given", [FRAME, Dataset.from_pandas(FRAME), OBJECTS["splits"][0], b"a.yaml", None, 3])
@pytest.mark.parametrize("verb", [load_config, nlp_transfer.run, nlp_transfer.check])
def test_what_is_no_configuration_is_refused_in_one_line(verb, given):
    with pytest.raises(ConfigError, match=r"^expected a configuration .* received .*; data are named") as refused:
        verb(given)
    assert "\n" not in str(refused.value)


FILES = "a configuration's file (or give {NAME: configuration})"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (FRAME, f"expected {FILES}, or a list of them; received a DataFrame"),
        ({"task": {}}, f"expected {FILES}, or a list of them; received a dict"),
        ({}, "no configuration is given; give {NAME: configuration}"),
        (None, f"expected {FILES}, or a list of them; received None"),
        ([], f"none is named; name {FILES}"),
        ([{"task": {}}], f"{FILES}: expected a path or its name, received a dict"),
        ([FRAME], f"{FILES}: expected a path or its name, received a DataFrame"),
        ({"../a": "a.yaml"}, "'../a' cannot name a folder beside those of the training; take letters and digits"),
        (
            {"report.html": "a.yaml"},
            "'report.html' cannot name a folder beside those of the training; take letters and digits",
        ),
        (
            {"A": "a.yaml", "a": "b.yaml"},
            "the name 'a' stands 2 times; each names a folder of its own, whatever its case",
        ),
        (
            ["a/report.html.yaml"],
            "a/report.html.yaml: its run's folder would be named as a file beside it; rename it",
        ),
        ({1: "a.yaml"}, "1 cannot name a folder beside those of the training; take letters and digits"),
    ],
)
def test_what_names_no_configurations_is_refused_by_compare(given, said):
    with pytest.raises(ConfigError, match=f"^compare: {re.escape(said)}$"):
        nlp_transfer.compare(given)


def test_what_two_configurations_do_not_share_is_named_and_a_default_is_what_it_stands_for():
    good = {"task": {"name": "sentiment"}, "data": {"train": "a.csv"}}
    spelt = {**good, "data": {"train": "a.csv", "columns": {"text": "text", "label": "label"}}}
    with pytest.raises(DataError, match=r"^second: a.csv: no such file"):
        nlp_transfer.compare({"first": good, "second": spelt})
    other = {"task": {"name": "sentiment"}, "data": {"train": "b.csv", "limit": 5}}
    with pytest.raises(ConfigError, match=r"^compare: second has another .* than first: data.limit, data.train$"):
        nlp_transfer.compare({"first": good, "second": other})
    with pytest.raises(ConfigError, match=r"^sizes: expected numbers of rows, such as \[16, 64\], received '16,64'$"):
        check_sizes("16,64", 100)


def test_a_fault_of_a_configuration_in_memory_is_told_with_the_name_of_its_run():
    good = {"task": {"name": "sentiment"}, "data": {"train": "a.csv"}}
    with pytest.raises(ConfigError, match=r"^second: strategy\.kind: "):
        nlp_transfer.compare({"first": good, "second": {**good, "strategy": {"kind": "half"}}})
    with pytest.raises(ConfigError, match=r"^text: expected a configuration .* received a list"):
        nlp_transfer.compare({"text": ["a", "b"]})


@pytest.mark.parametrize("key", ["output", "resume"])
@pytest.mark.parametrize("verb", [nlp_transfer.run, nlp_transfer.compare])
def test_what_names_no_folder_is_refused(verb, key):
    with pytest.raises(ConfigError, match=f"^{key}: expected a path or its name, received a DataFrame$"):
        verb(["a.yaml"], **{key: FRAME})


def test_overrides_in_one_text_are_refused_with_the_list_to_write():
    with pytest.raises(ConfigError, match=r"received one text; write \['training\.epochs=5'\]"):
        load_config({}, "training.epochs=5")
    with pytest.raises(ConfigError, match="overrides: expected KEY=VALUE, received a dict"):
        load_config({}, [{"training.epochs": 5}])
