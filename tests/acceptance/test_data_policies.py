"""Promises 15 to 19 where the answer is no error: what is kept, dropped, counted, warned of, cut off, and how fast."""

import json
import math
from pathlib import Path

import pytest
from faults import parquet, po, save_data, tmx, write
from tiny import note_what_is_tokenized, save_csv, texts

from nlp_transfer.data.splits import read_rows

NOTHING = ["NA", "null", "None", "nan", "N/A", "NULL"]  # words that other readers take for a missing cell
PAIR = {"source": "text", "target": "text"}


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def good_rows(folder):
    return [json.loads(line) for line in Path(save_data(folder)["translation"]).read_text().splitlines()]


def table(mark, end="\n"):
    return end.join([f"source{mark}target", *(f"{word}{mark}{word}" for word in NOTHING), ""]).encode()


FORMATS = {  # one file of each format, its rows being NOTHING on both sides; place, files, columns
    "CSV": ("a.csv", {"a.csv": table(",")}, {}),
    "TSV": ("a.tsv", {"a.tsv": table("\t")}, {}),
    "JSON lines": ("a.jsonl", {"a.jsonl": lines({"source": word, "target": word} for word in NOTHING)}, {}),
    "Parquet": ("a.parquet", {"a.parquet": parquet(source=NOTHING, target=NOTHING)}, {}),
    "parallel files": (
        {"source": "a.en", "target": "a.fr"}, dict.fromkeys(("a.en", "a.fr"), "\n".join(NOTHING).encode()), {}
    ),
    "TMX": ("a.tmx", {"a.tmx": tmx(*zip(NOTHING, NOTHING, strict=True))}, {"source": "en", "target": "fr"}),
    "po": ("a.po", {"a.po": po(*zip(NOTHING, NOTHING, strict=True))}, {"source": "msgid", "target": "msgstr"}),
}  # fmt: skip
TEXT = [name for name in FORMATS if name != "Parquet"]


@pytest.mark.parametrize("name", FORMATS)
def test_words_for_nothing_stay_text_in_every_format(here, name):
    place, files, columns = FORMATS[name]
    write(here, files)
    found = read_rows(place, columns, PAIR)
    assert found["source"][:] == found["target"][:] == NOTHING


@pytest.mark.parametrize("name", TEXT)
def test_a_byte_order_mark_and_windows_line_ends_are_accepted_in_every_format(here, name):
    place, files, columns = FORMATS[name]
    write(here, {file: b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n") for file, text in files.items()})
    found = read_rows(place, columns, PAIR)
    assert found["source"][:] == found["target"][:] == NOTHING


def test_words_for_nothing_may_be_labels(command, configs, here):
    (here / "a.csv").write_text("text,label\n" + "".join(f"film {i},{('NA', 'None')[i % 2]}\n" for i in range(40)))
    code, out, _ = command("check", configs / "sentiment.yaml", "data.train=a.csv")
    assert code == 0
    assert "(NA 16, None 16)" in out


EMPTY = {  # the last rows of a good file, and what is said of them
    "sentiment": (
        [{"text": " ", "label": "positive"}, {"text": "a", "label": "\u200b"}],  # a space without width
        ["1 row dropped: empty text in column 'text' (first: 41)", "missing label in column 'label' (first: 42)"],
    ),
    "translation": (
        [{"source": "a", "target": ""}, {"source": None, "target": "b"}],
        ["empty text in column 'target' (first: 41)", "empty text in column 'source' (first: 42)"],
    ),
    "extractive": (
        [{"text": [], "summary": "a"}, {"text": "b", "summary": ["", " "]}],
        ["empty text in column 'text' (first: 41)", "empty text in column 'summary' (first: 42)"],
    ),
}


@pytest.mark.parametrize("task", EMPTY)
def test_rows_that_lack_something_are_dropped_and_said_with_count_and_row(command, configs, here, task):
    rows, warnings = EMPTY[task]
    good = good_rows(here)
    (here / "a.jsonl").write_bytes(lines([*good, *rows]))
    code, out, _ = command("check", configs / f"{task}.yaml", "data.train=a.jsonl")
    assert code == 0
    warned = out.partition("== warnings\n")[2]
    assert all(f"train: 1 row dropped: {said.removeprefix('1 row dropped: ')}" in warned for said in warnings), warned


LABELS = {
    "numbers from 1": ([1, 2], "(1 16, 2 16)"),
    "stars, ordered by value": ([2, 10], "(2 16, 10 16)"),
    "booleans": ([False, True], "(false 16, true 16)"),
    "whole floats": ([0.0, 1.0], "(0 16, 1 16)"),
    "strings": (["b", "a"], "(a 16, b 16)"),
    "stray spaces": (["good ", " bad"], "(bad 16, good 16)"),
    "characters without width": (["\u200bgood", "bad\ufeff"], "(bad 16, good 16)"),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels_are_read_however_they_are_written(command, configs, here, name):
    labels, said = LABELS[name]
    (here / "a.jsonl").write_bytes(lines({"text": f"film {i}", "label": labels[i % 2]} for i in range(40)))
    code, out, _ = command("check", configs / "sentiment.yaml", "data.train=a.jsonl")
    assert code == 0
    assert f"train: 32 rows {said}" in out


def test_labels_that_differ_by_case_are_one_class_and_said_to_be(command, configs, here):
    (here / "a.jsonl").write_bytes(
        lines({"text": f"film {i}", "label": ["Bad", "good", "bad", "bad"][i % 4]} for i in range(80))
    )
    code, out, _ = command("check", configs / "sentiment.yaml", "data.train=a.jsonl")
    assert code == 0
    assert "(bad 48, good 16)" in out
    assert "20 labels written 'Bad' are taken as 'bad'" in out


def test_a_class_that_a_split_lacks_has_no_score_there_and_no_nan_is_written(command, configs, here):
    save_csv(here / "a.csv", 40)
    (here / "b.csv").write_text("text,label\n" + "good film,positive\n" * 30)
    code, _, _ = command("run", configs / "sentiment.yaml", "data.train=a.csv", "data.test=b.csv", "--output", "run")
    assert code == 0
    text = (here / "run" / "metrics.json").read_text()
    found = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} in metrics.json"))
    assert found["test"]["per_class"]["negative"]["recall"] is None
    assert math.isfinite(found["test"]["accuracy"])
    assert "test: no row of 'negative'; their scores cannot be measured" in found["data"]["warnings"]


LEAKS = {
    "sentiment": {"text": "a film", "label": "positive"},
    "translation": {"source": "a film", "target": "un film"},
    "extractive": {"text": ["A film.", "It is."], "summary": "Film."},
}


@pytest.mark.parametrize("task", LEAKS)
def test_rows_of_train_in_another_split_are_counted_and_warned_of(command, configs, here, task):
    good = good_rows(here)
    (here / "a.jsonl").write_bytes(lines([*good, LEAKS[task]]))
    (here / "b.jsonl").write_bytes(lines([LEAKS[task]] * 3))
    code, out, _ = command(
        "check", configs / f"{task}.yaml", "data.train=a.jsonl", "data.validation=a.jsonl", "data.test=b.jsonl"
    )
    assert code == 0
    assert "leak: 3 of 3 test rows have a text that is also in train" in out
    assert "leak: 41 of 41 validation rows" in out


@pytest.mark.parametrize("task", LEAKS)
def test_a_document_of_10_mb_is_truncated_counted_and_tokenized_only_at_its_start(
    command, configs, here, task, monkeypatch
):
    rows = good_rows(here)
    held = here / "held.jsonl"
    held.write_bytes(lines(rows[:2]))
    document = "good film. " * 1_000_000
    (here / "a.jsonl").write_bytes(lines([*rows, {**rows[0], "text": document, "source": document}]))
    read = note_what_is_tokenized(monkeypatch)
    code, out, _ = command(
        "check", configs / f"{task}.yaml", "data.train=a.jsonl", f"data.test={held}", f"data.validation={held}"
    )
    assert code == 0
    assert 0 < max(read) < 20_000
    assert "train: 41 examples" in out
    assert "2.4% truncated" in out


def test_a_text_to_predict_of_10_mb_is_answered_from_its_start(command, runs, here, monkeypatch):
    (here / "a.txt").write_text("good film. " * 1_000_000)
    read = note_what_is_tokenized(monkeypatch)
    for task in ("sentiment", "extractive"):
        assert command("predict", runs[task], "a.txt")[0] == 0
    assert 0 < max(read) < 20_000


def test_good_rows_among_odd_ones_are_all_kept(here):
    odd = [*texts(3)[0], "日本語 テキスト", "\u2028", "a\u00a0b", "👍🏽", "مرحبا", "\x85x"]
    (here / "a.jsonl").write_bytes(lines({"source": text, "target": f"x{text}"} for text in odd))
    assert read_rows("a.jsonl", {}, PAIR)["target"][:] == [f"x{text}" for text in odd if text.strip()]
