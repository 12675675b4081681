"""From spellings to labels: what is one, what is kept apart, and what is not known."""

import json
from unicodedata import normalize

import pytest

import nlp_transfer
from nlp_transfer import Dialect
from nlp_transfer.config.data import DataConfig
from nlp_transfer.data.labels import LabelRules, find_labels, make_finder
from nlp_transfer.data.splits import load_splits
from nlp_transfer.errors import ConfigError, DataError
from tests.tiny import save_vectors, texts

ROLES = {"text": "text", "label": "label"}
COMPOSED, DECOMPOSED = "météo", normalize("NFD", "météo")
EXACT = LabelRules(exact=True)


def table(path, labels, start=0):
    rows = [{"text": f"film {i}", "label": label} for i, label in enumerate(labels, start)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_composed_and_decomposed_spellings_are_one_label_and_the_message_tells_them_apart():
    _, labels, warnings = find_labels([COMPOSED, DECOMPOSED, "café"], "a.csv")
    assert labels == ("café", COMPOSED)
    assert warnings == [rf"a.csv: 1 label written 'me\u0301te\u0301o' is taken as '{COMPOSED}'"]


def test_runs_of_blanks_inside_a_label_are_one():
    assert find_labels(["very  good", "very\u00a0good", "Very good", "bad"], "a.csv")[1] == ("bad", "very good")


@pytest.mark.parametrize("labels", [("250.0", "250.00"), ("I", "i"), ("a", "a "), (DECOMPOSED, COMPOSED)])
def test_exact_labels_are_kept_as_they_are_written_and_said(labels):
    mapping, found, (warning,) = find_labels([*labels, "other"], "a.csv", EXACT)
    assert set(found) == {*labels, "other"}
    assert all(mapping[label] == label for label in labels)
    assert "they are kept apart" in warning


def test_labels_that_merging_makes_one_are_refused_with_the_way_out():
    with pytest.raises(DataError, match=r"only the label '250' in 2 rows, out of 2 spellings \(data.labels: exact"):
        find_labels(["250.0", "250.00"], "a.csv")


def test_more_than_a_thousand_labels_are_a_setting():
    raw = [f"label {i}" for i in range(1100) for _ in range(2)]
    with pytest.raises(DataError, match=r"1100 different labels .* set data\.max_labels=1100$"):
        find_labels(raw, "a.csv")
    assert len(find_labels(raw, "a.csv", LabelRules(most=1100))[1]) == 1100


def test_labels_that_are_nearly_as_many_as_rows_are_a_setting():
    raw = [f"label {i}" for i in range(25)]
    with pytest.raises(DataError, match=r"data\.max_labels=25"):
        find_labels(raw, "a.csv")
    assert len(find_labels(raw, "a.csv", LabelRules(most=25))[1]) == 25


def test_a_known_label_is_found_as_written_before_it_is_found_by_what_is_alike():
    find = make_finder([DECOMPOSED, COMPOSED, "Good", "I", "i"])
    assert [find(label) for label in (DECOMPOSED, COMPOSED, "good ", "I", "i", "bad")] == [0, 1, 2, 3, 4, None]
    assert make_finder(["1", "2"])("2.0") == 1
    assert make_finder(["1", "2"], exact=True)("2.0") is None


def test_exact_labels_hold_for_the_other_splits(tmp_path):
    train, other = table(tmp_path / "a.jsonl", ["a", "b"] * 20), table(tmp_path / "b.jsonl", ["a", "B"], start=90)
    assert list(load_splits(DataConfig(train=train, test=other), ROLES).test["label"]) == [0, 1]
    with pytest.raises(DataError, match=r"b\.jsonl:2: unknown label 'B'"):
        load_splits(DataConfig(train=train, test=other, labels="exact"), ROLES)


def test_rows_of_unknown_labels_are_left_out_on_request_counted_and_said(tmp_path):
    train, other = table(tmp_path / "a.jsonl", ["a", "b"] * 20), table(tmp_path / "b.jsonl", "axbyx", start=90)
    with pytest.raises(DataError, match=r"unknown label 'x' \(and 1 other\).* data\.on_unknown_label=drop"):
        load_splits(DataConfig(train=train, test=other), ROLES)
    splits = load_splits(DataConfig(train=train, test=other, on_unknown_label="drop"), ROLES)
    assert list(splits.test["row"]) == [1, 3]
    assert "test: 3 rows dropped: unknown label 'x' (and 1 other) (first: 2, 4, 5)" in (splits.report.warnings)


def test_a_split_without_any_known_label_is_refused(tmp_path):
    train, other = table(tmp_path / "a.jsonl", ["a", "b"] * 20), table(tmp_path / "b.jsonl", "xy", start=90)
    with pytest.raises(DataError, match="would leave no row"):
        load_splits(DataConfig(train=train, test=other, on_unknown_label="drop"), ROLES)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose labels differ by case only in some places."""
    folder = tmp_path_factory.mktemp("labels")
    names = ["Bad", "good", "GOOD"]
    rows = [
        {"text": text, "label": names[label + i % 4 // 3 * label]}
        for i, (text, label) in enumerate(zip(*texts(60), strict=True))
    ]
    data = folder / "train.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {
        "task": {"name": "sentiment", "max_length": 16},
        "source": {"kind": "vectors", "name": save_vectors(folder / "words.txt")},
        "strategy": {"kind": "frozen", "cache": "memory"},
        "data": {"train": str(data), "labels": "exact"},
    }
    return nlp_transfer.run(config, output=folder / "run", progress=False).folder


def test_a_run_of_exact_labels_is_evaluated_on_exact_labels(run, tmp_path):
    assert nlp_transfer.load(run).task.labels == ("Bad", "GOOD", "good")
    assert nlp_transfer.evaluate(run, table(tmp_path / "a.jsonl", ["GOOD", "good"]))["rows"] == 2
    with pytest.raises(DataError, match="unknown label 'bad'"):
        nlp_transfer.evaluate(run, table(tmp_path / "b.jsonl", ["bad", "good"]))


def test_evaluation_leaves_out_unknown_labels_on_request(run, tmp_path, command):
    file = table(tmp_path / "a.jsonl", ["Bad", "mixed", "good"])
    with pytest.raises(DataError, match=r"Known: Bad, GOOD, good\. on_unknown_label=\"drop\" leaves such rows out"):
        nlp_transfer.evaluate(run, file)
    assert "--on-unknown-label drop leaves such rows out" in command("evaluate", run, "--data", file)[2]
    assert nlp_transfer.evaluate(run, file, on_unknown_label="drop")["rows"] == 2


def test_what_is_set_for_labels_has_no_effect_on_a_task_without_any(tmp_path):
    rows = [{"text": [f"A good film {i}.", "A bad story."], "summary": f"A good film {i}."} for i in range(20)]
    data = tmp_path / "train.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {
        "task": {"name": "summarization", "style": "extractive", "sentences": 1},
        "source": {"kind": "vectors", "name": save_vectors(tmp_path / "words.txt")},
        "data": {"train": str(data), "labels": "exact", "max_labels": 9},
    }
    unused = [one for one in nlp_transfer.check(config).warnings if "the task has no labels" in one]
    assert [one.partition(":")[0] for one in unused] == ["data.labels", "data.max_labels"]


@pytest.mark.parametrize("name", [{}, {"options": True}, {"called": True}], ids=["configuration", "option", "call"])
def test_a_way_out_is_written_as_the_user_sets_it(name):
    dialect = Dialect(**name)
    said = [
        dialect.set_delimiter("\t"),
        dialect.set_label_separator(";"),
        dialect.set_quoting("none"),
        dialect.set_header(named=False),
        dialect.set_on_unknown_label(),
    ]
    if dialect.called:
        read = [eval(one.partition("=")[2], {"Dialect": Dialect}) for one in said]  # noqa: S307 - our own words
        assert read[:2] == [Dialect(delimiter="\t"), Dialect(label_separator=";")]
        assert read[2:] == [Dialect(quoting="none"), Dialect(header=False), "drop"]
    else:
        begin = "--" if dialect.options else "data."
        assert all(one.startswith(begin) for one in said)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("encoding", value) for value in ("nonsense", 3)),
        *(("delimiter", value) for value in (";;", "", 3)),
        *(("quoting", value) for value in ("all", None)),
        *(("label_separator", value) for value in ("", None)),
    ],
)
def test_a_dialect_with_a_value_that_is_none_is_refused(key, value):
    with pytest.raises(ConfigError, match=f"Dialect: {key}: "):
        Dialect(**{key: value})


def test_a_tab_may_be_written_in_a_dialect_as_in_a_configuration():
    assert Dialect(delimiter=r"\t") == Dialect(delimiter="\t")
