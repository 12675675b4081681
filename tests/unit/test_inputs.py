"""Several texts that are read together, and numbers to learn: how they come out of files and out of Python."""

import json
import sys
import types

import numpy as np
import pandas
import pytest
from datasets import Dataset

import nlp_transfer
from nlp_transfer.config.data import DataConfig
from nlp_transfer.config.tasks import TaskDeclaration, find_task
from nlp_transfer.data.splits import load_splits, read_rows, stream_inputs
from nlp_transfer.errors import ConfigError, DataError
from nlp_transfer.system.received import take_inputs

COLUMNS = {"first": "first", "second": "second"}
PAIRS = {"first": "text", "second": "text", "label": "label"}
RATED = {"first": "text", "second": "text", "number": "number"}
BOTH = ("first", "second")


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def pair(first, second, label="x"):
    return {"first": first, "second": second, "label": label}


def pairs(count):
    return [pair(f"first {i}", f"second {i}", "xy"[i % 2]) for i in range(count)]


def rated(*numbers):
    return [{"first": f"a {i}", "second": f"b {i}", "number": number} for i, number in enumerate(numbers)]


def load(folder, rows, roles=PAIRS, **options):
    return load_splits(DataConfig(train=write(folder / "train.jsonl", rows), **options), roles, inputs=BOTH)


def test_rows_are_duplicates_where_all_their_inputs_are_alike(tmp_path):
    same = [pair("a", "b", "x"), pair("a", "c", "y"), pair("d", "b", "y"), pair("a ", "b", "y")]
    held = write(tmp_path / "held.jsonl", [pair("a", "b"), pair("b", "a")])
    report = load(tmp_path, same, validation=held, test=held).report
    assert (report.splits["train"].duplicates, report.splits["train"].conflicts) == (1, 1)
    assert report.overlap["train/test"] == 1


def test_inputs_that_are_alike_are_no_copies(tmp_path):
    rows = [pair(f"text {i}", f"text {i}", "xy"[i % 2]) for i in range(40)]
    report = load(tmp_path, rows).report
    assert report.splits["train"].copies == 0
    assert not [warning for warning in report.warnings if "copies" in warning]


def test_an_answer_that_repeats_an_input_is_a_copy(tmp_path):
    rows = [{"first": f"a {i}", "second": f"b {i}", "answer": f"b {i}"} for i in range(40)]
    report = load(tmp_path, rows, {"first": "text", "second": "text", "answer": "text"}).report
    assert report.splits["train"].copies == report.splits["train"].rows


def test_equal_pairs_are_cut_into_one_split(tmp_path):
    splits = load(tmp_path, pairs(30) * 2)
    cut = [set(zip(part["first"], part["second"], strict=True)) for part in (splits.train, splits.test)]
    assert not cut[0] & cut[1]


def test_a_row_that_lacks_one_of_its_texts_is_dropped(tmp_path):
    train = load(tmp_path, [*pairs(30), pair("a", " "), pair(None, "b")]).report.splits["train"]
    assert {drop.reason: drop.rows for drop in train.dropped} == {
        "empty text in column 'second'": (31,),
        "empty text in column 'first'": (32,),
    }


def test_a_column_of_the_inputs_that_is_missing_is_no_lack_of_answers(tmp_path):
    held = write(tmp_path / "held.jsonl", [{"first": "a", "label": "x"}])
    with pytest.raises(DataError, match=r"no column 'second'") as refused:
        load(tmp_path, pairs(30), test=held)
    assert type(refused.value) is DataError


def test_numbers_are_read_from_every_table(tmp_path):
    numbers = [4.5, -1, "2e3", " .5 ", "+7."]
    frame = pandas.DataFrame(rated(*numbers))
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    frame.assign(number=[4.5, -1.0, 2000.0, 0.5, 7.0]).to_parquet(tmp_path / "a.parquet")
    write(tmp_path / "a.jsonl", rated(*numbers))
    for name in ("a.csv", "a.tsv", "a.parquet", "a.jsonl"):
        found = read_rows(str(tmp_path / name), {}, RATED, inputs=BOTH)
        assert found["number"][:] == [4.5, -1.0, 2000.0, 0.5, 7.0]
        assert all(type(number) is float for number in found["number"])


@pytest.mark.parametrize("odd", ["high", "nan", "inf", "-Infinity", "1e999", "1_000", "١٢", "4,5", "1.2.3", True, [1]])
def test_what_is_no_number_is_refused_with_its_line_and_value(tmp_path, odd):
    with pytest.raises(DataError) as refused:
        load(tmp_path, rated(1, 2, odd), RATED)
    said = str(refused.value)
    assert said.startswith(f"{tmp_path / 'train.jsonl'}:3: expected a number such as -1.5, received {odd!r}")
    assert "\n" not in said
    assert said.endswith("; write the decimal comma as a point") == (odd == "4,5")


@pytest.mark.parametrize("far", [1e38, -4e300, "2e99", 10**60])
def test_a_number_that_no_model_can_answer_is_refused_with_its_line(tmp_path, far):
    with pytest.raises(DataError, match=r"jsonl:3: expected a number of at most 1e\+37, received .*larger unit$"):
        load(tmp_path, rated(1, 2, far), RATED)


def test_numbers_closer_together_than_answers_can_be_are_refused(tmp_path):
    with pytest.raises(
        DataError, match=r"'number' deviate by 2\.\d+ around 1e\+09, where .* are 64 apart; subtract 1e"
    ):
        load(tmp_path, rated(*(1e9 + at % 10 for at in range(60))), RATED)
    load(tmp_path, rated(*(1e9 + 1000 * (at % 10) for at in range(60))), RATED)


def test_numbers_that_are_not_finite_are_refused_in_parquet_and_json(tmp_path):
    for odd in (float("inf"), float("nan")):
        table = Dataset.from_dict({"first": ["a"], "second": ["b"], "number": [odd]})
        table.to_parquet(str(tmp_path / "a.parquet"))
        with pytest.raises(DataError, match=rf"row 1: expected a number such as -1\.5, received {odd}"):
            read_rows(str(tmp_path / "a.parquet"), {}, RATED, inputs=BOTH)
    (tmp_path / "a.jsonl").write_text('{"first": "a", "second": "b", "number": NaN}\n{"number": 1' + "0" * 400 + "}\n")
    with pytest.raises(DataError, match=r"line 1: expected .* received nan\n  line 2: expected .* received 10"):
        read_rows(str(tmp_path / "a.jsonl"), {}, RATED, inputs=BOTH)


def test_rows_without_a_number_are_dropped_or_refused(tmp_path):
    rows = rated(*range(30), None, " ")
    dropped = load(tmp_path, rows, RATED).report.splits["train"].dropped
    assert [(drop.reason, drop.rows) for drop in dropped] == [("missing number in column 'number'", (31, 32))]
    with pytest.raises(DataError, match=r"lines 31, 32: missing number in column 'number' \(2 of 32 rows\)"):
        load(tmp_path, rows, RATED, on_missing="error")


def test_the_report_says_what_the_numbers_are_and_the_fingerprint_depends_on_them(tmp_path):
    held = write(tmp_path / "held.jsonl", rated(0, 4))
    report = load(tmp_path, rated(1, 2, 3), RATED, validation=held, test=held).report
    spread = report.splits["train"].numbers["number"]
    assert (spread.mean, spread.deviation, spread.lowest, spread.highest) == (2.0, np.std([1, 2, 3]), 1.0, 3.0)
    other = load(tmp_path, rated(1, 2, 4), RATED, validation=held, test=held).report
    assert other.splits["train"].fingerprint != report.splits["train"].fingerprint
    assert other.splits["test"].fingerprint == report.splits["test"].fingerprint


def test_one_and_the_same_number_in_all_rows_of_train_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"each of \d+ rows of train has the number 3 in column 'number'"):
        load(tmp_path, rated(*[3] * 30), RATED)


GIVEN = {
    "mappings": [{"first": "a", "second": "b", "label": 1}, {"second": None, "first": "c"}, None],
    "tuples": [("a", "b"), ["c", float("nan")], float("nan")],
    "an iterator": iter([("a", "b"), ("c", None), (None, None)]),
    "rows of a frame": zip(["a", "c", None], ["b", pandas.NA, None], strict=True),
}


@pytest.mark.parametrize("name", GIVEN)
def test_inputs_of_several_roles_come_as_mappings_or_in_the_order_of_the_roles(name):
    assert list(take_inputs(GIVEN[name], COLUMNS)) == [("a", "b"), ("c", None), (None, None)]


ONE = '[{"first": ..., "second": ...}]'
WRONG = {
    "a text": ("a", f"received one text; write {ONE}"),
    "one mapping": ({"first": "a", "second": "b"}, f"received a dict; write {ONE}"),
    "None": (None, f"received None; write {ONE}"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_list_of_inputs_is_refused_at_once_with_the_way_out(name):
    given, said = WRONG[name]
    with pytest.raises(DataError) as refused:
        take_inputs(given, COLUMNS)
    assert str(refused.value).startswith("wanted a list of inputs and received ")
    assert str(refused.value).endswith(said)


ODD = {
    "a text": ("b", 'input 2: expected {"first": ..., "second": ...} or (first, second), received a str'),
    "too few": (("b",), "or (first, second), received 1 of them"),
    "a key that is missing": ({"first": "b", "secnd": "c"}, "has no 'second'. Known: first, secnd. Did you mean"),
    "a number": (("b", 3), "input 2: expected a text, received an int"),
}


@pytest.mark.parametrize("name", ODD)
def test_an_input_that_lacks_something_is_named_by_its_number(name):
    item, said = ODD[name]
    inputs = take_inputs([("a", "b"), item], COLUMNS)
    assert next(inputs) == ("a", "b")
    with pytest.raises(DataError) as refused:
        next(inputs)
    assert said in str(refused.value)


def test_inputs_of_several_roles_are_streamed_from_every_table(tmp_path):
    frame = pandas.DataFrame({"q": ["a", "c"], "first": ["b", ""]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    frame.to_parquet(tmp_path / "a.parquet")
    write(tmp_path / "a.jsonl", frame.to_dict("records"))
    for name in ("a.csv", "a.tsv", "a.parquet", "a.jsonl"):
        found = stream_inputs(str(tmp_path / name), {"first": "q", "second": "first"})
        assert list(found) == [("a", "b"), ("c", "")]


def test_standard_input_holds_an_object_a_line_and_is_not_waited_for():
    def arriving():
        yield b'{"first": "a", "second": "b", "more": 1}\n'
        yield b'{"first": "c"}\n'
        pytest.fail("a record was waited for")

    found = stream_inputs("-", COLUMNS, standard_input=arriving())
    assert [next(found), next(found)] == [("a", "b"), ("c", None)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"a\tb\n", "standard input:1: broken JSON at position 1"),
        (b"a text\n", '; write each as {"first": ..., "second": ...}'),
        (b'["a", "b"]\n', 'standard input:1: expected an object such as {"text": ...}, received a list'),
        (b'{"first": "a", "secnd": "b"}\n', "standard input:1: no column 'second'. Known: first, secnd. Did you mean"),
    ],
)
def test_a_line_on_standard_input_that_is_no_record_is_refused(line, said):
    with pytest.raises(DataError) as refused:
        list(stream_inputs(None, COLUMNS, standard_input=iter([line])))
    assert said in str(refused.value)


def test_a_column_that_no_record_has_is_told_from_one_that_some_lack(tmp_path):
    rows = [{"first": "a"}, {"first": "b", "second": "c"}]
    assert list(stream_inputs(write(tmp_path / "a.jsonl", rows), COLUMNS)) == [("a", None), ("b", "c")]
    with pytest.raises(DataError, match=r"a\.jsonl:1: no column 'second'\. Known: first"):
        list(stream_inputs(write(tmp_path / "a.jsonl", rows[:1]), COLUMNS))


def test_a_file_without_columns_cannot_hold_several_texts_a_record(tmp_path):
    (tmp_path / "a.txt").write_text("a\n")
    with pytest.raises(DataError, match=r"a\.txt: has no columns, and 'first' and 'second' are read of each record"):
        stream_inputs(str(tmp_path / "a.txt"), COLUMNS)


class Declared(TaskDeclaration):
    """What the tests below ask."""

    roles = PAIRS


def test_the_input_is_the_first_role_unless_a_task_names_several():
    row = pair("a", "b")
    assert (Declared.input_roles(), Declared.read_input(row)) == (("first",), "a")
    several = type("Several", (Declared,), {"inputs": BOTH})
    assert (several.input_roles(), several.read_input(row)) == (BOTH, {"first": "a", "second": "b"})


CHOSEN = """
from typing import Literal

import nlp_transfer as nt
from nlp_transfer_tasks.sentiment import Sentiment, SentimentOptions


class Options(SentimentOptions):
    way: Literal["plain", "other"] = "plain"


class Plain(Sentiment):
    Options = Options

    @classmethod
    def for_options(cls, options):
        return Other if options.way == "other" else cls


class Other(Plain):
    roles = {"words": "text", "label": "label"}
"""


def test_an_option_may_choose_what_a_task_declares(monkeypatch):
    for name, code in (("chosen", ""), ("chosen.task", CHOSEN)):  # as if they were imported already
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
        exec(code, vars(sys.modules[name]))  # noqa: S102 - what stands above
    values = {"task": {"name": "chosen.task", "way": "other"}, "data": {"train": "a.csv", "columns": {"words": "x"}}}
    assert find_task("chosen.task").__name__ == "Plain"
    found = nlp_transfer.load_config(values)
    assert found.task_class.__name__ == "Other"
    assert nlp_transfer.load_config(found, ["training.selection=mcc"]).task_class.roles == found.task_class.roles
    with pytest.raises(ConfigError, match=r"data\.columns\.words: unknown role\. Known: label, text"):
        nlp_transfer.load_config(values, ["task.way=plain"])
