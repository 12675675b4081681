"""Rows with any number of labels: how they are read, named, cut into splits and scored."""

import json

import numpy as np
import pytest

import nlp_transfer as nt
from nlp_transfer.config.data import DataConfig
from nlp_transfer.config.dialect import Dialect
from nlp_transfer.data.splits import load_splits, read_rows
from nlp_transfer.errors import DataError

ROLES = {"text": "text", "labels": "labels"}
LABELS = ("music", "sport")


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


def write_jsonl(path, sets, **more):
    rows = [{"text": f"text {number}", "labels": labels, **more} for number, labels in enumerate(sets)]
    return write(path, "".join(json.dumps(row) + "\n" for row in rows))


def sets_of(path, labels=LABELS, **settings):
    return read_rows(path, {}, ROLES, labels=labels, **settings)["labels"][:]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", '{"text": "a", "labels": ["sport", "music"]}\n{"text": "b", "labels": []}\n'),
        ("b.jsonl", '{"text": "a", "labels": "music,sport"}\n{"text": "b", "labels": ""}\n'),
        ("a.csv", 'text,labels\na,"music, sport"\nb,\n'),
        ("a.tsv", "text\tlabels\na\tSport,music,sport\nb\t\n"),
        ("a.txt", "__label__sport __label__music a\nb\n"),
        ("b.txt", "b\n__label__sport __label__music a\n"),
    ],
)
def test_each_format_gives_sets_of_labels_and_an_empty_one_is_an_answer(tmp_path, name, text):
    rows = read_rows(write(tmp_path / name, text), {}, ROLES, labels=LABELS)
    assert dict(zip(rows["text"][:], rows["labels"][:], strict=True)) == {"a": [0, 1], "b": []}


@pytest.mark.parametrize("cell", ['["sport", "music"]', "['sport', 'music']", ' ["sport","music"] '])
def test_a_list_in_a_cell_of_a_table_is_read_as_the_list_it_is(tmp_path, cell):
    lines = f"text\tlabels\na\t{cell}\nb\t[]\n"
    assert sets_of(write(tmp_path / "a.tsv", lines)) == [[0, 1], []]


def test_a_list_of_whole_numbers_in_a_cell_is_read_as_a_list(tmp_path):
    path = write(tmp_path / "a.csv", 'text,labels\na,"[1, 2]"\nb,[2]\n')
    assert sets_of(path, labels=("1", "2")) == [[0, 1], [1]]


def test_a_label_in_brackets_is_a_label(tmp_path):
    lines = "text,labels\na,[music]\n"
    assert sets_of(write(tmp_path / "a.csv", lines), labels=("[music]", "sport")) == [[0]]


@pytest.mark.parametrize("cell", ["['sport' 'music']", "['sport', ['music']]", '["sport", {"a": 1}]', "['sport',"])
def test_a_cell_that_is_half_a_list_is_refused_with_the_way_out(tmp_path, cell):
    with pytest.raises(DataError, match=r"a\.tsv:2: .*write labels with ',' between them, or a JSON list"):
        sets_of(write(tmp_path / "a.tsv", f"text\tlabels\na\t{cell}\nb\tsport\n"))


def test_parquet_gives_sets_of_labels(tmp_path):
    from datasets import Dataset

    Dataset.from_dict({"text": ["a", "b"], "labels": [["sport"], []]}).to_parquet(str(tmp_path / "a.parquet"))
    assert sets_of(str(tmp_path / "a.parquet")) == [[1], []]


def test_what_stands_between_labels_is_a_setting_and_is_guessed_at_aloud(tmp_path):
    lines = [f"t{i},{labels}" for i, labels in enumerate(["music|sport", "music", "", "sport"] * 8)]
    path = write(tmp_path / "a.csv", "text,labels\n" + "\n".join(lines) + "\n")
    assert load_splits(DataConfig(train=path, label_separator="|"), ROLES).labels == LABELS
    assert sets_of(path, dialect=Dialect(label_separator="|"))[:2] == [[0, 1], [0]]
    (warning,) = load_splits(DataConfig(train=path), ROLES).report.warnings
    assert "1 label holds '|', such as 'music|sport'; if" in warning
    assert "set data.label_separator=\"'|'\"" in warning


def test_a_null_is_no_answer(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [["music"], None, ["sport"]])
    assert read_rows(path, {}, ROLES, labels=LABELS)["row"][:] == [1, 3]
    with pytest.raises(DataError, match=r"a\.jsonl:2: missing labels in column 'labels' \(1 of 3 rows\)"):
        read_rows(path, {}, ROLES, labels=LABELS, on_missing="error")


def test_a_single_label_that_some_rows_have_is_refused_with_the_way_out(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [["spam"], []] * 30)
    said = (
        r"only the label 'spam' in 60 rows; .* \(30 rows have it: name what the others are, as a label of their own\)"
    )
    with pytest.raises(DataError, match=said):
        load_splits(DataConfig(train=path), ROLES)


def test_spellings_of_one_label_are_one_in_sets_too(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [["Music", "music"], ["sport"], ["music", " SPORT "], ["sport"], []] * 6)
    splits = load_splits(DataConfig(train=path), ROLES)
    assert splits.labels == ("music", "sport")
    assert {tuple(one) for one in splits.train["labels"][:]} == {(0,), (1,), (0, 1), ()}
    assert any("are taken as 'music'" in warning for warning in splits.report.warnings)


@pytest.mark.parametrize(("options", "way"), [(False, "data.label_separator=\"';'\""), (True, "--label-separator ';'")])
def test_labels_with_another_mark_between_them_are_answered_with_the_way_to_name_it(tmp_path, options, way):
    path = write(tmp_path / "a.csv", "text,labels\na,music\nb,music; sport\n")
    with pytest.raises(DataError) as refused:
        sets_of(path, dialect=Dialect(options=options))
    assert str(refused.value).endswith(f"which is several known ones with ';' between them: {way}")
    assert sets_of(path, dialect=Dialect(label_separator=";")) == [[0], [0, 1]]


def test_an_unknown_label_is_refused_or_leaves_out_its_row(tmp_path):
    path = write_jsonl(tmp_path / "a.jsonl", [["music"], ["sport", "politics", "war"], []])
    with pytest.raises(DataError, match=r"a\.jsonl:2: unknown label 'politics' \(and 1 other\)"):
        sets_of(path)
    from nlp_transfer.data.labels import LabelRules

    assert sets_of(path, rules=LabelRules(on_unknown="drop")) == [[0], []]


def test_a_cut_gives_every_split_the_rarest_labels(tmp_path):
    rng = np.random.default_rng(0)
    sets = [
        [name for name, share in (("a", 0.6), ("b", 0.4), ("rare", 0.03)) if rng.random() < share] for _ in range(300)
    ]
    splits = load_splits(DataConfig(train=write_jsonl(tmp_path / "a.jsonl", sets)), ROLES)
    report = splits.report.splits
    assert all(report[split].labels["rare"] for split in ("train", "validation", "test"))
    assert report["test"].rows == pytest.approx(30, abs=3)
    assert report["train"].labels["a"] + report["validation"].labels["a"] + report["test"].labels["a"] == sum(
        "a" in one for one in sets
    )
    assert "stratified by the rarest label" in report["test"].origin
    limited = load_splits(DataConfig(train=write_jsonl(tmp_path / "a.jsonl", sets), limit=20), ROLES)
    assert limited.report.splits["train"].labels["rare"] >= 1


def test_a_label_that_a_split_lacks_is_said(tmp_path):
    train = write_jsonl(tmp_path / "train.jsonl", [["a"], ["b"], []] * 4)
    held = write_jsonl(tmp_path / "held.jsonl", [["a"], []], lang="en")
    report = load_splits(DataConfig(train=train, validation=held, test=held), ROLES).report
    assert any(warning.startswith("test: no row of 'b'") for warning in report.warnings)


def test_the_same_text_with_another_set_is_a_conflict_and_changes_the_fingerprint(tmp_path):
    rows = [{"text": f"t{i}", "labels": ["a", "b"][: i % 3]} for i in range(12)]

    def load():
        path = write(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        return load_splits(DataConfig(train=path, validation=path, test=path), ROLES).report.splits["train"]

    first = load()
    assert first.conflicts == 0
    rows[5] = {"text": "t4", "labels": ["b"]}
    second = load()
    assert (second.conflicts, second.fingerprint != first.fingerprint) == (1, True)


def test_scores_of_sets():
    found = nt.label_set_scores([[0], [], [0, 1], [1]], [[0], [], [0], []], ("a", "b", "c"))
    assert found["micro_f1"] == pytest.approx(2 * 2 / (4 + 2))
    assert found["macro_f1"] == 0.5 * 2  # of 'a' alone: no reference has the others
    assert found["subset_accuracy"] == 0.5
    assert found["example_f1"] == pytest.approx((1 + 1 + 2 / 3 + 0) / 4)
    assert found["per_label"]["b"] == {"precision": 0.0, "recall": None, "f1": None, "support": 0}
    assert nt.label_set_scores([[], []], [[], []], ("a", "b"))["micro_f1"] == 1.0


def test_thresholds_are_those_of_the_best_f1_half_way_between_two_probabilities():
    probabilities = np.array([[0.9, 0.2, 0.5], [0.3, 0.1, 0.5], [0.2, 0.15, 0.5], [0.1, 0.05, 0.5]])
    found = nt.choose_thresholds(probabilities, [[0, 1], [0], [1], []])
    assert found == pytest.approx([0.25, 0.125, 0.5])  # the last label is of no row


def test_a_label_that_all_have_is_given_to_all():
    (found,) = nt.choose_thresholds(np.array([[0.4], [0.2], [0.2]]), [[0], [0], [0]])
    assert found == pytest.approx(0.1)
