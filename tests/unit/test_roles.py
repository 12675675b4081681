"""Roles of several texts, columns inside objects, and groups that a cut keeps together."""

import json
from pathlib import Path

import pytest

from nlp_transfer.config.data import DataConfig
from nlp_transfer.data.splits import Splits, load_splits, read_rows, stream_texts
from nlp_transfer.data.splitting import cut, join_groups
from nlp_transfer.errors import DataError

SUMMARY = {"text": "texts", "summary": "texts"}
PAIR = {"source": "text", "target": "text"}
NESTED = {"source": "translation.en", "target": "translation.de"}
CUT = {"test": [4, 11, 24, 27, 44, 51], "validation": [2, 3, 23, 34, 42, 43]}  # as before there were groups


def write(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def read(folder: Path, *rows: dict[str, object]) -> dict[str, list[object]]:
    return read_rows(write(folder / "a.jsonl", list(rows)), {}, SUMMARY).to_dict()


def test_a_role_of_several_texts_always_arrives_as_a_list(tmp_path):
    found = read(tmp_path, {"text": "One.", "summary": ["a", "b"]}, {"text": ["Two.", "Three."], "summary": "c"})
    assert found == {"text": [["One."], ["Two.", "Three."]], "summary": [["a", "b"], ["c"]], "row": [1, 2]}


def test_a_list_of_texts_from_parquet_arrives_as_a_list(tmp_path):
    from datasets import Dataset

    Dataset.from_dict({"text": [["a", "b"]], "summary": ["c"]}).to_parquet(str(tmp_path / "a.parquet"))
    assert read_rows(str(tmp_path / "a.parquet"), {}, SUMMARY)["text"][0] == ["a", "b"]


def test_blank_items_of_a_list_are_left_out(tmp_path):
    assert read(tmp_path, {"text": ["a", " ", None, "b", ""], "summary": "c"})["text"] == [["a", "b"]]


@pytest.mark.parametrize("nothing", [[], ["", " "], None, " ", [None]])
def test_a_list_without_a_text_is_a_missing_text(tmp_path, nothing):
    rows = [{"text": "a", "summary": "b"}, {"text": nothing, "summary": "b"}]
    assert read(tmp_path, *rows)["row"] == [1]
    with pytest.raises(DataError, match=r"a\.jsonl:2: empty text in column 'text' \(1 of 2 rows\)"):
        read_rows(write(tmp_path / "a.jsonl", rows), {}, SUMMARY, on_missing="error")


@pytest.mark.parametrize(("cell", "kind"), [([["a"]], "list"), ([{"a": 1}], "dict"), ({"a": 1}, "dict")])
def test_items_that_are_no_texts_are_refused_with_their_line(tmp_path, cell, kind):
    with pytest.raises(DataError, match=rf"a\.jsonl:1: expected a text, received a {kind}"):
        read(tmp_path, {"text": cell, "summary": "b"})


def load(folder: Path, rows: list[dict[str, object]], **options: object) -> Splits:
    return load_splits(DataConfig(train=write(folder / "train.jsonl", rows), **options), SUMMARY)


def test_a_list_counts_as_the_text_of_its_lines_in_lengths_duplicates_and_leaks(tmp_path):
    rows = [{"text": ["ab", f"{i:02}"], "summary": "s"} for i in range(20)]
    held = write(tmp_path / "held.jsonl", [{"text": "ab\n07", "summary": "s"}, {"text": ["ab", "07"], "summary": "s"}])
    report = load(tmp_path, rows, test=held, validation=held).report
    assert report.splits["train"].lengths["text"].longest == len("ab\n00")
    assert report.splits["test"].duplicates == 1
    assert report.overlap["train/test"] == 2


def test_fingerprints_change_with_an_item_of_a_list(tmp_path):
    rows = [{"text": ["a", str(i)], "summary": ["s"]} for i in range(20)]
    held = write(tmp_path / "held.jsonl", rows[:2])
    first = load(tmp_path, rows, test=held, validation=held).report.splits["train"].fingerprint
    rows[3] = {"text": ["a", "3"], "summary": ["s", "t"]}
    assert load(tmp_path, rows, test=held, validation=held).report.splits["train"].fingerprint != first


def test_a_column_may_be_inside_an_object(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"id": 1, "translation": {"en": "cat", "de": "Katze"}}])
    assert read_rows(path, NESTED, PAIR).to_dict() == {"source": ["cat"], "target": ["Katze"], "row": [1]}
    assert list(stream_texts(path, "translation.de")) == ["Katze"]


def test_a_column_may_be_inside_an_object_in_parquet(tmp_path):
    from datasets import Dataset

    Dataset.from_dict({"translation": [{"en": "cat", "de": "Katze"}]}).to_parquet(str(tmp_path / "a.parquet"))
    assert list(read_rows(str(tmp_path / "a.parquet"), NESTED, PAIR)["target"]) == ["Katze"]


def test_a_column_of_the_very_name_wins_over_the_inside_of_an_object(tmp_path):
    row = {"translation": {"en": "inside", "de": "x"}, "translation.en": "outside"}
    assert list(read_rows(write(tmp_path / "a.jsonl", [row]), NESTED, PAIR)["source"]) == ["outside"]


def test_a_missing_column_is_answered_with_those_inside_objects_too(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"translation": {"en": "cat", "de": "Katze"}}])
    with pytest.raises(DataError) as caught:
        read_rows(path, {**NESTED, "target": "translation.fr"}, PAIR)
    assert "no column 'translation.fr'. Known: translation, translation.de, translation.en. Did" in str(caught.value)
    with pytest.raises(DataError, match=r"a\.jsonl:1: no column 'translation\.fr'\. Known: translation, tr"):
        list(stream_texts(path, "translation.fr"))


def test_an_object_where_a_text_is_expected_is_refused(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"translation": {"en": "cat", "de": "Katze"}}])
    with pytest.raises(DataError, match=r"a\.jsonl:1: expected a text, received a dict"):
        read_rows(path, {**NESTED, "target": "translation"}, PAIR)


def test_rows_without_the_object_count_as_missing(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"translation": {"en": "a", "de": "b"}}, {"translation": None}, {"x": 1}])
    assert list(read_rows(path, NESTED, PAIR)["row"]) == [1]


def grouped(count: int) -> list[dict[str, object]]:
    return [{"text": f"text {i}", "summary": f"s {i}", "meta": {"module": f"m{i % 12}"}} for i in range(count)]


def test_rows_of_one_group_are_cut_into_one_split(tmp_path):
    splits = load(tmp_path, grouped(120), group="meta.module")
    modules = [{(row - 1) % 12 for row in part["row"]} for part in (splits.train, splits.validation, splits.test)]
    assert sum(map(len, modules)) == 12
    origin = splits.report.splits["test"].origin
    assert origin == "cut from train: 10 of 120 rows (8.33 %), grouped by 'meta.module', seed 0"


def test_a_group_and_equal_texts_both_keep_rows_together():
    names = join_groups(["a", "b", "b", "c", "d", "e"], [1, 1, 2, 2, 0, 0])
    assert len(set(names[:4])) == 1
    assert len(set(names)) == 3


def test_a_cut_without_groups_is_what_it_always_was():
    texts = [f"film {i % 40}" for i in range(60)]
    dealt = cut(texts, [""] * 60, {"test": 0.1, "validation": 0.1}, seed=0)
    assert dealt["test"].tolist() == CUT["test"]
    assert dealt["validation"].tolist() == CUT["validation"]
    same = cut(join_groups(texts, [0] * 60), [""] * 60, {"test": 0.1, "validation": 0.1}, seed=0)
    assert {name: rows.tolist() for name, rows in same.items()} == {name: rows.tolist() for name, rows in dealt.items()}


def test_rows_without_a_group_stand_alone(tmp_path):
    rows: list[dict[str, object]] = [{"text": f"text {i}", "summary": "s", "g": None} for i in range(40)]
    assert len(load(tmp_path, rows, group="g").test) == 4


def test_too_few_groups_to_cut_are_said_so(tmp_path):
    with pytest.raises(DataError, match=r"1 group by 'g' in 40 rows, too few to cut test and validation from"):
        load(tmp_path, [{"text": f"text {i}", "summary": "s", "g": "one"} for i in range(40)], group="g")


def test_a_group_column_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no column 'modul'\. Known: meta, meta\.module, summary, text"):
        load(tmp_path, grouped(40), group="modul")


def test_given_splits_need_no_group_column(tmp_path):
    held = write(tmp_path / "held.jsonl", [{"text": "a", "summary": "b"}])
    assert len(load(tmp_path, grouped(40), test=held, group="meta.module").test) == 1


def test_a_group_that_is_no_column_is_said_to_belong_to_data_group(tmp_path):
    data = write(tmp_path / "a.jsonl", [{"source": f"s {i}", "target": "t", "grp": 1} for i in range(9)])
    with pytest.raises(
        DataError, match=r"no column 'group'\. Known: grp, source, target\. Did you mean 'grp'\?"
    ) as caught:
        load_splits(DataConfig(train=data, group="group"), PAIR)
    assert str(caught.value).endswith("Name one of them in data.group, or set data.group=null.")


def test_pairs_of_equal_texts_are_counted_and_many_of_them_are_warned_of(tmp_path):
    rows = [{"source": f"s {i}", "target": f"s {i} " if i % 2 else f"t {i}"} for i in range(40)]
    report = load_splits(DataConfig(train=write(tmp_path / "a.jsonl", rows)), PAIR).report
    assert sum(split.copies for split in report.splits.values()) == 20
    assert any("rows are copies: 'source' and 'target' hold the same text" in warning for warning in report.warnings)


def test_blank_items_keep_their_places_where_sentences_are_named_by_them(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"text": ["Heading", "", "Body."]}, {"text": "one"}])
    assert list(stream_texts(path, "text", lists=True)) == [["Heading", "", "Body."], ["one"]]
