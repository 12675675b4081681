"""From files to splits: cuts, labels, drops, leaks and the report."""

import dataclasses
import json
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pyarrow as pa
import pytest
from xxhash import xxh3_64_intdigest, xxh3_128

from nlp_transfer.config.data import DataConfig
from nlp_transfer.data.report import may_be_same
from nlp_transfer.data.splits import Splits, load_splits, read_rows
from nlp_transfer.data.splitting import cut, join_groups, subsample
from nlp_transfer.data.store import TextStore
from nlp_transfer.errors import ConfigError, DataError

ROLES = {"text": "text", "label": "label"}
PAIR = {"source": "text", "target": "text"}


def table(path: Path, rows: list[tuple[object, object]]) -> str:
    path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))
    return str(path)


def reviews(path: Path, count: int, *, word: str = "film") -> str:
    """`count` rows, a quarter of them positive, grouped by label."""
    return table(path, [(f"{word} {i}", "positive" if i < count // 4 else "negative") for i in range(count)])


def load(train: str, **options: object) -> Splits:
    return load_splits(DataConfig(train=train, **options), ROLES)


def rows_of(splits: Splits) -> dict[str, list[int]]:
    return {name: list(getattr(splits, name)["row"]) for name in ("train", "validation", "test")}


def test_missing_splits_are_cut_from_train_and_the_report_says_so(tmp_path):
    splits = load(reviews(tmp_path / "a.jsonl", 200), validation_share=0.2)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [140, 40, 20]
    assert splits.report.splits["validation"].origin == "cut from train: 40 of 200 rows (20 %), stratified, seed 0"


def test_a_cut_that_takes_more_than_its_share_since_every_class_needs_a_row_says_so(tmp_path):
    path = table(tmp_path / "a.jsonl", [(f"film {i}", f"class {i // 3}") for i in range(60)])
    report = load(path).report
    assert report.splits["test"].origin == "cut from train: 20 of 60 rows (33.3 %), stratified, seed 0"
    (warning,) = (one for one in report.warnings if one.startswith("test: "))
    assert "20 of 60 rows were cut from train (33.3 %) where data.test_share asks for 10 %" in warning


def test_a_cut_that_takes_its_share_says_nothing(tmp_path):
    assert load(reviews(tmp_path / "a.jsonl", 200)).report.warnings == ()


@pytest.mark.parametrize(
    ("options", "moved"),
    [
        ({"limit": 60}, set()),
        ({"split_seed": "seed"}, {"train", "validation", "test"}),
        ({"split_seed": "seed", "limit": 60}, {"train", "validation", "test"}),
        ({"limit_seed": "seed", "limit": 60}, {"train"}),
    ],
)
def test_rows_follow_the_seed_of_the_training_where_that_is_asked_for(tmp_path, options, moved):
    data = DataConfig(train=reviews(tmp_path / "a.jsonl", 200), **options)
    first, second = (load_splits(data, ROLES, seed=seed) for seed in (0, 1))
    changed = {name for name, rows in rows_of(first).items() if rows != rows_of(second)[name]}
    assert changed == moved
    assert first.report.contents == second.report.contents


def test_a_cut_that_follows_the_seed_may_keep_the_seed_of_its_limit(tmp_path):
    data = DataConfig(train=reviews(tmp_path / "a.jsonl", 200), split_seed="seed", limit_seed=7, limit=60)
    origins = [load_splits(data, ROLES, seed=seed).report.splits for seed in (3, 4)]
    assert [one["train"].origin.rpartition(" ")[2] for one in origins] == ["7", "7"]
    assert [one["test"].origin.rpartition(" ")[2] for one in origins] == ["3", "4"]


def test_cut_splits_are_disjoint_and_hold_every_row(tmp_path):
    rows = rows_of(load(reviews(tmp_path / "a.jsonl", 200)))
    assert sorted(rows["train"] + rows["validation"] + rows["test"]) == list(range(1, 201))


def test_the_same_seed_gives_the_same_cut(tmp_path):
    path = reviews(tmp_path / "a.jsonl", 200)
    assert rows_of(load(path, split_seed=3)) == rows_of(load(path, split_seed=3))


def test_another_seed_gives_another_cut(tmp_path):
    path = reviews(tmp_path / "a.jsonl", 200)
    assert rows_of(load(path, split_seed=3)) != rows_of(load(path, split_seed=4))


def test_a_cut_keeps_the_class_proportions(tmp_path):
    splits = load(reviews(tmp_path / "a.jsonl", 200))
    assert splits.report.splits["test"].labels == {"negative": 15, "positive": 5}


def test_test_rows_do_not_depend_on_the_validation_share(tmp_path):
    path = reviews(tmp_path / "a.jsonl", 200)
    assert rows_of(load(path))["test"] == rows_of(load(path, validation_share=0.3))["test"]


def test_a_cut_never_puts_equal_texts_on_both_sides(tmp_path):
    path = table(tmp_path / "a.jsonl", [(f"film {i % 60}", i % 2) for i in range(240)])
    splits = load(path, validation_share=0.2)
    assert splits.report.overlap == {"train/validation": 0, "train/test": 0, "validation/test": 0}
    assert splits.report.splits["train"].duplicates > 0


def test_a_given_split_is_not_cut(tmp_path):
    train, test = reviews(tmp_path / "a.jsonl", 40), reviews(tmp_path / "b.jsonl", 8, word="play")
    splits = load(train, test=test)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (36, 4, 8)
    assert splits.report.splits["test"].origin == test


def test_a_folder_gives_all_its_splits(tmp_path):
    for name, count in (("train", 40), ("dev", 8), ("test", 12)):
        reviews(tmp_path / f"{name}.jsonl", count, word=name)
    splits = load(str(tmp_path))
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (40, 8, 12)


def test_a_data_set_of_the_hub_gives_names_of_labels_and_columns_inside_others(monkeypatch):
    import datasets
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, Translation

    kinds = {"label": ClassLabel(names=["bad", "good"]), "pair": Translation(["en", "fr"]), "scan": Image()}
    labels = [-1, -1, *[0, 1] * 100]
    rows = [{"label": label, "pair": {"en": f"cat {i}", "fr": ""}, "scan": None} for i, label in enumerate(labels)]
    train = Dataset.from_list(rows, features=Features(kinds))
    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: DatasetDict(train=train))

    splits = load("some/pairs", columns={"text": "pair.en"})
    assert splits.report.splits["train"].dropped[0].rows == (1, 2)
    for text, label, row in zip(splits.test["text"], splits.test["label"], splits.test["row"], strict=True):
        assert (text, splits.labels[label]) == (f"cat {row - 1}", ("bad", "good")[(row - 1) % 2])


@pytest.mark.parametrize("labels", [{}, {"label": None}, {"label": ""}])
def test_a_test_split_without_labels_that_came_with_train_is_cut_from_train(tmp_path, labels):
    reviews(tmp_path / "train.jsonl", 40)
    (tmp_path / "test.jsonl").write_text(json.dumps({"text": "unseen", **labels}) + "\n")
    splits = load(str(tmp_path))
    assert len(splits.test) == 4
    assert splits.report.splits["test"].origin == "cut from train: 4 of 40 rows (10 %), stratified, seed 0"
    (warning,) = (one for one in splits.report.warnings if one.startswith("test is cut from train"))
    assert "no column 'label'" in warning or "missing label in column 'label'" in warning
    assert str(tmp_path) not in warning  # it goes up with the card


def test_a_test_split_without_labels_that_was_named_is_refused(tmp_path):
    train = reviews(tmp_path / "train.jsonl", 40)
    (tmp_path / "test.jsonl").write_text('{"text": "unseen"}\n')
    with pytest.raises(DataError, match=r"test\.jsonl: no column 'label'"):
        load(train, test=str(tmp_path / "test.jsonl"))


def test_a_test_split_without_texts_that_came_with_train_is_refused(tmp_path):
    reviews(tmp_path / "train.jsonl", 40)
    (tmp_path / "test.jsonl").write_text('{"Text": "a film", "label": "positive"}\n')
    with pytest.raises(DataError, match=r"test\.jsonl: no column 'text'.*Did you mean 'Text'"):
        load(str(tmp_path))


def test_a_fault_in_a_test_split_that_came_with_train_is_refused(tmp_path):
    reviews(tmp_path / "train.jsonl", 40)
    (tmp_path / "test.jsonl").write_text('{"text": "unseen", "label": \n')
    with pytest.raises(DataError, match=r"test\.jsonl:1: broken JSON"):
        load(str(tmp_path))


def test_texts_that_differ_by_blanks_around_them_are_one(tmp_path):
    path = table(tmp_path / "a.jsonl", [(f"film {i // 2}{' ' * (i % 2)}", i // 2 % 2) for i in range(80)])
    splits = load(path)
    assert splits.report.splits["train"].duplicates == len(splits.train) // 2
    assert not any(splits.report.overlap.values())
    assert {text.strip() for text in splits.train["text"]}.isdisjoint(text.strip() for text in splits.test["text"])


def test_a_cut_by_group_that_leaves_train_one_label_is_refused(tmp_path):
    rows = [{"text": f"film {i}", "label": "good", "group": i} for i in range(9)]
    rows += [{"text": f"play {i}", "label": "bad", "group": i} for i in range(3)]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    shares = {"group": "group", "validation_share": 0.3, "test_share": 0.3}
    assert all(load(str(path), split_seed=0, **shares).report.splits["train"].labels.values())
    with pytest.raises(DataError, match=r"a\.jsonl: what the cut leaves for train is all 'good', since"):
        load(str(path), split_seed=1, **shares)


def test_a_small_class_is_in_every_cut_split(tmp_path):
    path = table(tmp_path / "a.jsonl", [(f"film {i}", "rare" if i < 3 else "common") for i in range(60)])
    assert [part.labels["rare"] for part in load(path).report.splits.values()] == [1, 1, 1]


def test_a_class_too_small_to_cut_stays_in_train_with_a_warning(tmp_path):
    path = table(tmp_path / "a.jsonl", [(f"film {i}", "rare" if i < 2 else "common") for i in range(60)])
    report = load(path).report
    assert report.splits["train"].labels["rare"] == 2
    assert "test: no row of 'rare'; their scores cannot be measured" in report.warnings


def test_shares_that_leave_nothing_for_train_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="together must be below 1"):
        load(reviews(tmp_path / "a.jsonl", 40), validation_share=0.6, test_share=0.4)


def test_limit_takes_a_stratified_sample_after_the_cut(tmp_path):
    splits = load(reviews(tmp_path / "a.jsonl", 400), limit=40)
    assert splits.report.splits["train"].labels == {"negative": 30, "positive": 10}
    assert len(splits.test) == 40
    assert "limited to 40 of 320 rows, stratified, seed 0" in splits.report.splits["train"].origin


def test_limit_beyond_the_rows_takes_all_of_them(tmp_path):
    assert len(load(reviews(tmp_path / "a.jsonl", 40), limit=1000).train) == 32


def test_a_subsample_has_exactly_the_asked_size_and_every_class():
    strata = ["a"] * 90 + ["b"] * 7 + ["c"] * 2 + ["d"]
    for size in range(4, 100):
        chosen = subsample(strata, size, seed=1)
        assert len(set(chosen)) == size
        assert {strata[i] for i in chosen} == set("abcd")


def test_a_smaller_subsample_is_part_of_every_larger_one():
    strata = np.random.default_rng(1).choice(5, 120, p=[0.5, 0.3, 0.1, 0.06, 0.04])
    chosen = [set(subsample(strata, size, seed=3).tolist()) for size in range(5, 121)]
    assert all(smaller < larger for smaller, larger in pairwise(chosen))


def test_a_cut_of_one_huge_duplicate_group_leaves_it_in_train():
    dealt = cut(["same"] * 50, [""] * 50, {"test": 0.5}, seed=0)
    assert {name: rows.tolist() for name, rows in dealt.items()} == {"train": list(range(50)), "test": []}


def test_a_class_of_a_few_texts_with_many_copies_is_in_every_split():
    texts = [f"ham {i}" for i in range(1000)] + [f"spam {i % 3}" for i in range(300)]
    strata = ["ham"] * 1000 + ["spam"] * 300
    found = cut(texts, strata, {"validation": 0.1, "test": 0.1}, seed=0)
    assert {name: sum(strata[i] == "spam" for i in rows) for name, rows in found.items()} == dict.fromkeys(found, 100)


@pytest.mark.parametrize("shares", [{"test": 0.1, "validation": 0.1}, {"test": 0.5, "validation": 0.49}])
def test_three_rows_of_a_class_are_dealt_one_to_each_split(shares):
    dealt = cut(["x", "y", "z"], ["a"] * 3, shares, seed=0)
    assert [len(rows) for rows in dealt.values()] == [1, 1, 1]


def test_train_keeps_a_row_of_a_class_whatever_the_share():
    assert len(cut(list("vwxyz"), ["a"] * 5, {"test": 0.98}, seed=0)["train"]) == 1


def test_string_labels_are_sorted_by_alphabet(tmp_path):
    path = table(tmp_path / "a.jsonl", [(f"{i}", ("b", "c", "a")[i % 3]) for i in range(60)])
    assert load(path).labels == ("a", "b", "c")


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ((10, 9, 1), ("1", "9", "10")),
        (("10", "9", "1"), ("1", "9", "10")),
        ((True, False), ("false", "true")),
        ((1.0, 2.0), ("1", "2")),
        (("1.0", "2.0"), ("1", "2")),
        ((-1, 1), ("-1", "1")),
        (("NA", "null"), ("NA", "null")),
    ],
)
def test_labels_of_every_type_become_ordered_names(tmp_path, values, labels):
    path = table(tmp_path / "a.jsonl", [(f"film {i}", values[i % len(values)]) for i in range(60)])
    assert load(path).labels == labels


def test_label_integers_point_into_the_names(tmp_path):
    splits = load(reviews(tmp_path / "a.jsonl", 80))
    for text, label in zip(splits.train["text"], splits.train["label"], strict=True):
        assert splits.labels[label] == ("positive" if int(text.split()[1]) < 20 else "negative")


def test_stray_case_and_spaces_in_labels_are_folded_and_counted(tmp_path):
    spellings = ["positive"] * 20 + ["Positive "] * 3 + ["POSITIVE"] + ["negative"] * 20
    splits = load(table(tmp_path / "a.jsonl", [(f"film {i}", label) for i, label in enumerate(spellings)]))
    assert splits.labels == ("negative", "positive")
    assert any("4 labels written 'POSITIVE', 'Positive ' are taken as 'positive'" in w for w in splits.report.warnings)


def test_labels_that_differ_only_by_case_stay_apart_if_folding_left_one(tmp_path):
    path = table(tmp_path / "a.jsonl", [(f"film {i}", "aA"[i % 2]) for i in range(40)])
    splits = load(path)
    assert splits.labels == ("A", "a")
    assert "kept apart" in splits.report.warnings[0]


def test_rows_without_text_or_label_are_dropped_with_counts_and_rows(tmp_path):
    rows = [(f"film {i}", "ab"[i % 2]) for i in range(40)] + [("  ", "a"), (None, "a"), ("film", None), ("film", "")]
    report = load(table(tmp_path / "a.jsonl", rows)).report
    dropped = {drop.reason: (drop.count, drop.rows) for drop in report.splits["train"].dropped}
    assert dropped == {"empty text in column 'text'": (2, (41, 42)), "missing label in column 'label'": (2, (43, 44))}


def test_rows_without_text_are_refused_on_request(tmp_path):
    path = table(tmp_path / "a.jsonl", [("a", 1), ("", 1), ("b", 2)])
    with pytest.raises(DataError, match=r"a\.jsonl:2: empty text in column 'text' \(1 of 3 rows\)"):
        load(path, on_missing="error")


def test_equal_texts_across_given_splits_warn_of_a_leak(tmp_path):
    train, test = reviews(tmp_path / "a.jsonl", 40), reviews(tmp_path / "b.jsonl", 8)
    report = load(train, test=test, validation=reviews(tmp_path / "c.jsonl", 8, word="play")).report
    assert report.overlap == {"train/validation": 0, "train/test": 8, "validation/test": 0}
    assert "leak: 8 of 8 test rows have a text that is also in train" in report.warnings


def test_composed_and_decomposed_texts_are_one_to_the_cut_and_the_report(tmp_path):
    rows = [(f"déçu {i}", "ab"[i % 2]) for i in range(40)]
    apart = [(normalize("NFD", text), label) for text, label in rows]
    report = load(table(tmp_path / "a.jsonl", rows + apart)).report
    assert sum(split.duplicates for split in report.splits.values()) == 40
    assert not any(report.overlap.values())
    given = load(table(tmp_path / "b.jsonl", rows), test=table(tmp_path / "c.jsonl", apart[:8])).report
    assert given.overlap["train/test"] + given.overlap["validation/test"] == 8


def test_pairs_that_differ_by_their_spelling_only_are_copies(tmp_path):
    pairs = [{"source": f"déçu {i}", "target": normalize("NFD", f"déçu {i}")} for i in range(20)]
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(pair)}\n" for pair in pairs))
    report = load_splits(DataConfig(train=str(tmp_path / "a.jsonl")), PAIR).report
    assert all(split.copies == split.rows for split in report.splits.values())


def test_a_text_with_two_labels_is_counted_as_a_conflict(tmp_path):
    rows = [(f"film {i}", "ab"[i % 2]) for i in range(40)] + [("film 0", "b")]
    report = load(table(tmp_path / "a.jsonl", rows)).report
    assert sum(split.conflicts for split in report.splits.values()) == 1


def test_fingerprints_change_with_the_content_and_only_then(tmp_path):
    train = reviews(tmp_path / "a.jsonl", 40)
    before = [split.fingerprint for split in load(train).report.splits.values()]
    assert [split.fingerprint for split in load(train).report.splits.values()] == before
    table(Path(train), [(f"films {i}", "ab"[i % 2]) for i in range(40)])
    assert not set(before) & {split.fingerprint for split in load(train).report.splits.values()}


@pytest.mark.parametrize(
    "change",
    [
        {"parts": ["b", "é 3"]},
        {"parts": ["é 3b"]},
        {"parts": ["é 3", "bf"], "text": "ilm 3"},
        {"text": "film 3 "},
        {"label": "a"},
    ],
)
def test_a_fingerprint_tells_lists_texts_and_labels_apart_by_what_they_hold_and_where_they_end(tmp_path, change):
    rows = [{"parts": [f"é {i}", "b"], "text": f"film {i}", "label": "ab"[i % 2]} for i in range(20)]
    found = []
    for changed in (rows, rows, [*rows[:3], rows[3] | change, *rows[4:]]):
        (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in changed))
        roles = {"parts": "texts", "text": "text", "label": "label"}
        found.append(load_splits(DataConfig(train=str(tmp_path / "a.jsonl")), roles).report.contents["train"])
    assert found[0] == found[1] != found[2]


def test_a_fingerprint_is_the_xxh3_digest_of_lengths_texts_and_labels(tmp_path):
    rows = [(f"é {i}", "ab"[i % 2]) for i in range(20)]
    texts = [text.encode() for text, _ in rows]
    lengths = np.array(list(map(len, texts)), np.int32)
    labels = np.array([xxh3_64_intdigest(label.encode()) for _, label in rows], np.uint64)
    told = xxh3_128(lengths.tobytes()).digest() + xxh3_128(b"".join(texts)).digest() + labels.tobytes()
    assert load(table(tmp_path / "a.jsonl", rows)).report.contents["train"] == xxh3_128(told).hexdigest()


@pytest.mark.parametrize(
    ("classes", "copies", "grouped", "expected"),
    [
        (1, 1, False, [(210, 4489814), (60, 356186), (30, 82642)]),
        (3, 1, False, [(210, 4400460), (60, 352925), (30, 98626)]),
        (3, 6, False, [(752, 200114180), (216, 16733218), (108, 4572200)]),
        (2, 4, True, [(536, 73220623), (153, 6339543), (77, 1353101)]),
    ],
)
def test_a_seed_cuts_the_same_rows_in_every_version(classes, copies, grouped, expected):
    rng = np.random.default_rng(7)
    keys = rng.integers(0, 2**62, 300).repeat(rng.integers(1, copies + 1, 300))
    strata = rng.integers(0, classes, len(keys))
    if grouped:
        keys = join_groups(keys, rng.integers(0, 40, len(keys)) * (rng.random(len(keys)) < 0.2))
    parts = cut(keys, strata, {"test": 0.2, "validation": 0.1}, seed=3).values()
    assert [(len(rows), int((rows * np.arange(1, len(rows) + 1)).sum())) for rows in parts] == expected


def test_fingerprints_of_older_versions_are_not_compared_with_others():
    assert may_be_same("a" * 64, "b" * 32)
    assert not may_be_same("a" * 64, "b" * 64)
    assert not may_be_same("a" * 32, "b" * 32)
    assert not may_be_same(None, "b" * 32)


def test_fingerprints_change_with_a_label(tmp_path):
    rows = [(f"film {i}", "ab"[i % 2]) for i in range(10)]
    held = reviews(tmp_path / "held.jsonl", 8)
    held = table(tmp_path / "held.jsonl", [("x", "a"), ("y", "b")])
    first = load(table(tmp_path / "a.jsonl", rows), validation=held, test=held)
    second = load(table(tmp_path / "a.jsonl", [*rows[:-1], ("film 9", "a")]), validation=held, test=held)
    assert first.report.splits["train"].fingerprint != second.report.splits["train"].fingerprint
    assert first.report.splits["test"].fingerprint == second.report.splits["test"].fingerprint


def test_the_report_is_plain_json(tmp_path):
    report = dataclasses.asdict(load(reviews(tmp_path / "a.jsonl", 40)).report)
    assert json.loads(json.dumps(report, allow_nan=False))["splits"]["train"]["lengths"]["text"]["longest"] == 7


def test_columns_map_roles_to_the_names_in_the_file(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("Review,Stars\n" + "".join(f"film {i},{i % 2}\n" for i in range(40)))
    splits = load(str(path), columns={"text": "Review", "label": "Stars"})
    assert splits.train.column_names == ["text", "label", "row"]


def test_tasks_without_labels_have_none(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"source": f"cat {i}", "target": f"chat {i}"}) + "\n" for i in range(40)))
    splits = load_splits(DataConfig(train=str(path)), PAIR)
    assert splits.labels == ()
    assert splits.test.column_names == ["source", "target", "row"]
    assert splits.report.splits["test"].origin == "cut from train: 4 of 40 rows (10 %), seed 0"


def test_read_rows_maps_labels_into_the_known_ones(tmp_path):
    path = table(tmp_path / "a.jsonl", [("x", "Positive "), ("y", "negative")])
    rows = read_rows(Path(path), {}, ROLES, labels=("negative", "neutral", "positive"))
    assert list(rows["label"]) == [2, 0]


def test_read_rows_names_an_unknown_label_and_its_rows(tmp_path):
    path = table(tmp_path / "a.jsonl", [("x", "mixed"), ("y", "negative"), ("z", "mixed")])
    with pytest.raises(DataError, match=r"a\.jsonl, lines 1, 3: unknown label 'mixed'\. Known: negative, positive"):
        read_rows(path, {}, ROLES, labels=("negative", "positive"))


def test_importing_data_loads_no_heavy_package():
    code = "import sys, nlp_transfer.data.splits; print({'torch', 'datasets', 'pandas', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.real
def test_bundled_reviews_are_balanced_and_do_not_leak():
    splits = load("bundled:rotten-tomatoes")
    counts = Counter(splits.train["label"])
    assert sum(split.rows for split in splits.report.splits.values()) == 8530
    assert counts[0] == counts[1]
    assert splits.labels == ("negative", "positive")
    assert not splits.report.warnings


@pytest.mark.real
def test_duplicated_bundled_reviews_stay_on_one_side():
    report = load("bundled:imdb").report
    assert sum(split.duplicates for split in report.splits.values()) == 96
    assert not any(report.overlap.values())


def test_stored_rows_are_read_by_several_readers_at_once():
    store = TextStore(pa.schema([("text", pa.string())]))
    for texts in (["a", "b"], ["c"]):
        store.add([texts], np.ones(len(texts), np.int64))
    pairs = zip(store.stream_batches(), store.stream_batches(), strict=True)
    assert [[batch["text"].to_pylist() for batch in pair] for pair in pairs] == [[["a", "b"]] * 2, [["c"]] * 2]
