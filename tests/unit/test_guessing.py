"""What a column holds, what rows are for, and where the other splits are, guessed from the data."""

import gzip
import json

import numpy as np
import pytest

from nlp_transfer.config.dialect import Dialect
from nlp_transfer.data.formats.records import Record, RowStream, make_reader
from nlp_transfer.data.formats.tables import open_rows
from nlp_transfer.data.guesses.choosing import Wish, guess_within
from nlp_transfer.data.guesses.contents import describe_columns
from nlp_transfer.data.guesses.dialects import guess_dialect
from nlp_transfer.data.guesses.looking import look
from nlp_transfer.data.guesses.names import are_counterparts, find_code, find_hint
from nlp_transfer.data.guesses.places import find_siblings, join_places
from nlp_transfer.data.guesses.samples import KEPT, READ, take_sample
from nlp_transfer.data.guesses.tasks import name_certainty
from nlp_transfer.errors import ConfigError, DataError

WORDS = "the film was good bad slow and long story about a house near river where people meet every cold day"


def draw_sentence(seed, count=9):
    return sentence(np.random.default_rng(seed), count)


def sentence(draw, count=9):
    return " ".join(draw.choice(WORDS.split(), count)).capitalize() + "."


def rows(make, count=60):
    """Rows of cells that a function makes of a generator and a number."""
    draw = np.random.default_rng(0)
    return [make(draw, number) for number in range(count)]


def stream(cells, name="data.jsonl"):
    return RowStream(name, make_reader(Record(number, row) for number, row in enumerate(cells, 1)))


def describe(**columns):
    """The kind of each column, by its cells."""
    width = len(next(iter(columns.values())))
    cells = [{name: values[at] for name, values in columns.items()} for at in range(width)]
    return {column.name: column for column in describe_columns(take_sample(stream(cells)))}


def guess(cells, **wish):
    columns = describe_columns(take_sample(stream(cells)))
    return guess_within(columns, Wish(**wish), "data.jsonl")


def best(cells, **wish):
    found = guess(cells, **wish)[0]
    return found.task, dict(found.columns)


# A sample of the rows.


def test_a_file_that_is_sorted_by_label_shows_all_of_them():
    cells = [{"text": f"text {number}", "label": "ab"[number >= 4000]} for number in range(8000)]
    sample = take_sample(stream(cells))
    assert (sample.kept, sample.read, sample.whole) == (KEPT, 8000, True)
    assert set(sample.columns["label"]) == {"a", "b"}


def test_labels_that_alternate_are_all_seen():
    sample = take_sample(stream([{"label": "ab"[number % 2]} for number in range(3000)]))
    assert 400 < sample.columns["label"].count("a") < 600


def test_a_large_file_is_not_read_to_its_end():
    taken = []

    def make():
        for number in range(10 * READ):
            taken.append(number)
            yield Record(number, {"text": "a"})

    sample = take_sample(RowStream("large", make_reader(make())))
    assert (sample.read, sample.whole) == (READ, False)
    assert len(taken) <= READ + 1000
    assert "what follows row 50,000 was not read" in sample.describe()


def test_long_rows_end_the_reading_as_well():
    cells = ({"text": "a" * (1 << 22)} for _ in range(100))
    sample = take_sample(stream(cells))
    assert sample.read < 30
    assert not sample.whole


def test_the_same_rows_are_drawn_every_time():
    cells = [{"text": str(number)} for number in range(5000)]
    assert take_sample(stream(cells)).columns == take_sample(stream(cells)).columns


def test_columns_inside_objects_have_names_of_their_own():
    sample = take_sample(stream([{"translation": {"en": "a", "fr": "b"}}]))
    assert sample.columns["translation.fr"] == ["b"]


# Kinds of columns.


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["good", "bad"] * 20, "label"),
        ([True, False] * 20, "label"),
        ([1, 2, 3, 4, 5] * 8, "label"),
        ([1.0, 2.0] * 20, "label"),
        (["World", "Science and technology", "Not at all"] * 10, "label"),
        ([["a"], ["b"]] * 20, "label"),
        ([["a", "b"], ["b"], []] * 10, "labels"),
        (["a|b", "b", "c|a"] * 10, "labels"),
        (["a, b", "b", "c, a"] * 10, "labels"),
        (["['a', 'b']", "['b']", "['c']"] * 10, "labels"),
        ([number / 7 for number in range(40)], "number"),
        ([f"{number}.5" for number in range(40)], "number"),
        (list(range(1000, 1040)), "aside"),
        ([f"user{number}" for number in range(40)], "aside"),
        ([f"{number:032x}" for number in range(40)], "aside"),
        ([f"2024-01-{number:02} 10:00" for number in range(1, 31)], "aside"),
        ([f"Mon May {number:02} 10:00:00 2024" for number in range(1, 31)], "aside"),
        ([f"https://x.org/{number}" for number in range(40)], "aside"),
        ([f"ann{number}@x.org" for number in range(40)], "aside"),
        ([f"{number},5" for number in range(40)], "aside"),
        ([[0, 1, 0]] * 40, "aside"),
        ([draw_sentence(number).split() * 2 for number in range(40)], "aside"),
        (["one value"] * 40, "constant"),
        ([None, "", " "] * 10, "empty"),
        ([draw_sentence(number) for number in range(40)], "text"),
        ([f"这本书很好{number}" for number in range(40)], "text"),
        ([[draw_sentence(number) for _ in range(3)] for number in range(40)], "texts"),
        ([{"a": 1}] * 40, "aside"),
        ([b"raw"] * 40, "aside"),
    ],
)
def test_a_column_is_known_by_its_cells(cells, kind):
    assert describe(column=cells)["column"].kind == kind


def test_a_column_says_how_many_of_its_cells_are_empty():
    column = describe(text=["a good film", "a bad film", "", None])["text"]
    assert column.describe(4).endswith("; 2 empty")


def test_half_a_character_is_left_for_the_check_to_tell():
    assert describe(text=["a \ud800 b c", "d e f"])["text"].kind == "text"


def test_a_label_cannot_break_the_line_that_shows_it():
    column = describe(label=["a\nb\x1b[31m", "c"] * 20)["label"]
    assert column.describe(40).isprintable()


# Hints of names.


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("label", "label"), ("is_duplicate", "label"), ("userIntent", "label"), ("user_id", "aside"), ("v1", None),
        ("Kategorie", "label"), ("commentaire", "text"), ("标签", "label"), ("内容", "text"), ("отзыв", "text"),
        ("Zusammenfassung", "summary"), ("data.summary", "summary"), ("", None),
    ],
)  # fmt: skip
def test_names_hint_in_several_languages(name, hint):
    assert find_hint(name) == hint


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [("premise", "hypothesis", True), ("text_a", "text_b", True), ("question1", "question2", True),
     ("title", "body", False), ("text1", "label1", False), ("text1", "text1", False)],
)  # fmt: skip
def test_counterparts_are_known_by_their_names(first, second, found):
    assert are_counterparts(first, second) is found


@pytest.mark.parametrize(
    ("name", "code"),
    [("fr", "fr"), ("pt-BR", "pt"), ("EN_us", "en"), ("translation.de", "de"), ("id", None), ("xx", None)],
)
def test_codes_of_languages_are_known(name, code):
    assert find_code(name) == code


# Tasks.

REVIEWS = rows(lambda draw, at: {"text": sentence(draw), "label": str(draw.choice(["positive", "negative"]))})
NEWS = rows(
    lambda draw, at: {
        **{"id": at, "author": str(draw.choice(["Ann Lee", "Bo Li"])), "date": f"2024-01-{at % 28 + 1:02}"},
        **{"url": f"https://x.org/{at}", "title": sentence(draw, 5), "body": sentence(draw, 90)},
        "section": str(draw.choice(["sport", "politics"])),
    }
)
TAGS = rows(lambda draw, at: {"question": sentence(draw), "tags": ["a", "b", "c"][draw.integers(3) :]})
NLI = rows(
    lambda draw, at: {
        "premise": sentence(draw),
        "hypothesis": sentence(draw),
        "gold": str(draw.choice(["neutral", "same"])),
    }
)
STS = rows(lambda draw, at: {"sentence1": sentence(draw), "sentence2": sentence(draw), "score": draw.random() * 5})
PAPERS = [{"body": text, "abstract": text[:60]} for text in rows(lambda draw, at: sentence(draw, 80))]
HOUSES = rows(lambda draw, at: {"en": f"The house number {at} is old.", "fr": f"La maison numéro {at} est vieille."})


@pytest.mark.parametrize(
    ("cells", "task", "columns"),
    [
        (REVIEWS, "sentiment", {"text": "text", "label": "label"}),
        (NEWS, "classification", {"text": "body", "label": "section"}),
        (TAGS, "multilabel", {"text": "question", "labels": "tags"}),
        (NLI, "pairs", {"first": "premise", "second": "hypothesis", "label": "gold"}),
        (STS, "pairs", {"first": "sentence1", "second": "sentence2", "number": "score"}),
        (PAPERS, "summarization", {"text": "body", "summary": "abstract"}),
        (HOUSES, "translation", {"source": "en", "target": "fr"}),
        (
            [{"a": row["en"], "b": row["fr"]} for row in HOUSES],
            "translation",
            {"source": "a", "target": "b"},
        ),
        (
            [{"x": row["label"], "y": row["text"]} for row in REVIEWS],
            "sentiment",
            {"text": "y", "label": "x"},
        ),
    ],
)
def test_the_task_of_rows_is_told_by_what_they_hold(cells, task, columns):
    assert best(cells) == (task, columns)


def test_words_are_taken_for_labels_rather_than_the_numbers_that_mean_the_same():
    names = ["world", "sport", "trade"]
    cells = rows(lambda draw, at: {"text": sentence(draw), "label": at % 3, "label_text": names[at % 3]})
    assert best(cells)[1]["label"] == "label_text"


def test_a_target_that_rows_have_lists_of_counts_the_sentences_of_one():
    cells = rows(lambda draw, at: {"text": sentence(draw, 90), "summary": [sentence(draw), sentence(draw)]})
    assert guess(cells)[0].options == {"style": "extractive", "sentences": 1}


def test_the_mark_between_labels_is_found():
    cells = rows(lambda draw, at: {"text": sentence(draw), "tags": "|".join(["ab", "ac", "cd"][at % 3])})
    assert guess(cells)[0].separator == "|"


def test_two_columns_that_may_be_labels_are_close():
    cells = rows(
        lambda draw, at: {"text": sentence(draw), "size": "ml"[draw.integers(2)], "mood": "xy"[draw.integers(2)]}
    )
    found = guess(cells)
    assert name_certainty(found) == "close"
    assert {found[0].columns["label"], found[1].columns["label"]} == {"size", "mood"}


def test_a_name_decides_between_columns_that_hold_the_like():
    cells = rows(
        lambda draw, at: {"text": sentence(draw), "size": "ml"[draw.integers(2)], "topic": "xy"[draw.integers(2)]}
    )
    found = guess(cells)
    assert found[0].columns["label"] == "topic"
    assert name_certainty(found) == "clear"


@pytest.mark.parametrize(
    ("wish", "task", "columns"),
    [
        ({"task": "sentiment"}, "sentiment", {"text": "body", "label": "section"}),
        ({"label": "author"}, "classification", {"text": "body", "label": "author"}),
        ({"text": ("title",)}, "classification", {"text": "title", "label": "section"}),
        ({"task": "pairs"}, "pairs", {"first": "title", "second": "body", "label": "section"}),
        ({"text": ("body", "title")}, "pairs", {"first": "body", "second": "title", "label": "section"}),
        ({"task": "summarization"}, "summarization", {"text": "body", "summary": "title"}),
        ({"label": "title"}, "summarization", {"text": "body", "summary": "title"}),
        ({"task": "classification", "label": "id"}, "classification", {"text": "body", "label": "id"}),
        ({"label": "id"}, "classification", {"text": "body", "label": "id"}),
    ],
)
def test_what_the_user_says_holds(wish, task, columns):
    assert best(NEWS, **wish) == (task, columns)


def test_a_text_to_write_is_found_among_many_columns_of_texts():
    cells = [{**{f"part_{at}": row["body"] for at in range(6)}, "gist_of_it": row["abstract"]} for row in PAPERS]
    assert best(cells, label="gist_of_it") == ("summarization", {"text": "part_0", "summary": "gist_of_it"})


def test_columns_that_are_alike_are_no_guesses_of_their_own():
    cells = [{"source": row["en"], "target": row["fr"], **row} for row in HOUSES]
    found = guess(cells)
    assert found[0].columns == {"source": "source", "target": "target"}
    assert name_certainty(found) == "clear"


def test_the_direction_of_a_translation_is_the_users():
    assert best(HOUSES, text=("fr",), label="en") == ("translation", {"source": "fr", "target": "en"})


def test_a_column_that_is_not_there_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match=r"no column 'lable'. Known: label, text. Did you mean 'label'"):
        guess(REVIEWS, label="lable")


@pytest.mark.parametrize("wish", [{}, {"task": "translation"}])
def test_rows_without_anything_to_learn_are_refused_with_what_they_hold(wish):
    with pytest.raises(DataError, match=r"'text' holds texts of 9 words in the middle.*--text and --label"):
        guess([{"id": at, "text": row["text"]} for at, row in enumerate(REVIEWS)], **wish)


# Tables.


@pytest.mark.parametrize(
    ("name", "lines", "delimiter", "header"),
    [
        ("a.csv", ["text,label", "good,1", "bad,0"], None, True),
        ("a.csv", ["label;text", "neg;awful, really", "pos;fine"], ";", True),
        ("a.csv", ["text\tlabel", "good, really\t1", "bad\t0"], "\t", True),
        ("a.tsv", ["good film\t1", "bad film\t0", "fine\t1"], None, False),
        ("a.csv", ["neg,bad film", *(f"{name},film {at}" for at in range(6) for name in ("neg", "pos"))], None, False),
        ("a.tsv", ["Go on.\tVa.", "Stop.\tArrête.", "I see it.\tJe vois."], None, False),
        ("a.csv", ["What is good?,How many are there in your house?", "all,1", "none,2"], None, True),
        ("a.csv", ["text", "one; two", "three"], None, True),
        ("a.csv", ['text,label', '"good; so', 'good",1', 'bad,0'], None, True),
        ("a.jsonl", ['{"text": "a;b"}'], None, True),
        ("a.txt", ["no\tgood, so", *(f"{one}\tday {at}" for at in range(9) for one in ("no", "yes"))], "\t", False),
        ("a.txt", ["one, two", "three"], None, True),
        ("a.txt", ["__label__a b, c"] * 9, None, True),
        ("a.txt", ["<a>", "<b/>", "<b/>", "</a>"], None, True),
    ],
)  # fmt: skip
def test_how_a_table_is_written_is_told_by_its_first_lines(tmp_path, name, lines, delimiter, header):
    (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = guess_dialect(str(tmp_path / name))
    assert (found.delimiter, found.header) == (delimiter, header)


@pytest.mark.parametrize(
    ("encoding", "found"), [("utf-8", None), ("utf-8-sig", None), ("latin-1", "cp1252"), ("utf-16", "utf-16")]
)
def test_the_encoding_of_a_table_is_told_by_its_beginning(tmp_path, encoding, found):
    file = tmp_path / "a.csv"
    file.write_text("text,label\n" + "a plain text,no\n" * 9000 + "le café est fermé,yes\n", encoding=encoding)
    assert guess_dialect(str(file)) == Dialect(encoding=found)
    assert set(take_sample(open_rows(str(file), guess_dialect(str(file)))).columns["label"]) >= {"no"}


def test_a_carriage_return_inside_a_cell_is_no_hindrance(tmp_path):
    rows = "".join(f"one\rof {n},no\n" for n in range(9))
    (tmp_path / "a.csv").write_bytes(f"text,label\n{rows}".encode())
    assert guess_dialect(str(tmp_path / "a.csv")) == Dialect()


def test_a_table_that_was_guessed_is_read_so(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("0;1;a bad film\n" * 3 + "4;2;a good film\n" * 3, encoding="utf-8")
    sample = take_sample(open_rows(str(file), guess_dialect(str(file))))
    assert sample.columns["0"] == ["0", "0", "0", "4", "4", "4"]


def test_a_packed_table_that_breaks_off_is_answered_with_the_line_behind_which_it_does(tmp_path):
    raw = "text,label\n" + "".join(f"{draw_sentence(seed)},a\n" for seed in range(300))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(raw.encode())[:-1000])
    with pytest.raises(DataError, match=r"a\.csv\.gz: cannot be read after line [1-9]"):
        look({"train": str(tmp_path / "a.csv.gz")}, Wish())


# Places.


def write(folder, name, cells=REVIEWS):
    text = "".join(json.dumps(row) + "\n" for row in cells)
    raw = text.encode()
    (folder / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return str(folder / name)


@pytest.mark.parametrize(
    ("train", "other", "split"),
    [
        ("train.jsonl", "dev.jsonl", "validation"),
        ("reviews_train.jsonl.gz", "reviews_test.jsonl.gz", "test"),
        ("Train.jsonl", "Valid.jsonl", "validation"),
        ("train-2024.jsonl", "val-2024.jsonl", "validation"),
    ],
)
def test_a_split_beside_train_is_found_by_its_name(tmp_path, train, other, split):
    place, beside = write(tmp_path, train), write(tmp_path, other)
    assert find_siblings(place) == {split: beside}
    assert look({"train": place}, Wish()).places == {"train": place, split: beside}


def test_files_side_by_side_have_their_siblings_together(tmp_path):
    for name in ("train.en", "train.fr", "dev.en", "dev.fr", "test.en"):
        (tmp_path / name).write_text("a\n")
    place = {code: str(tmp_path / f"train.{code}") for code in ("en", "fr")}
    assert find_siblings(place) == {"validation": {code: str(tmp_path / f"dev.{code}") for code in ("en", "fr")}}


def test_a_file_of_another_name_has_no_siblings(tmp_path):
    write(tmp_path, "test.jsonl")
    assert find_siblings(write(tmp_path, "reviews.jsonl")) == {}


def test_a_test_split_without_labels_is_left_out_and_named(tmp_path):
    place = write(tmp_path, "train.jsonl")
    write(tmp_path, "test.jsonl", [{"text": row["text"]} for row in REVIEWS])
    seen = look({"train": place}, Wish())
    assert seen.places == {"train": place}
    assert any("test.jsonl, which has nothing in 'label'" in line for line in seen.splits)


def test_several_tables_are_splits_by_their_names():
    with pytest.raises(DataError, match="no such file"):
        join_places(["train.csv", "test.csv"])


def test_several_files_are_splits_or_columns(tmp_path):
    train, test = write(tmp_path, "train.jsonl"), write(tmp_path, "test.jsonl")
    assert join_places([test, train]) == {"test": test, "train": train}
    texts = [str(tmp_path / name) for name in ("corpus.en", "corpus.fr")]
    for one in texts:
        (tmp_path / one).write_text("a\n")
    assert join_places(texts) == {"train": {"en": texts[0], "fr": texts[1]}}
    with pytest.raises(ConfigError, match=r"name one table, or name them so"):
        join_places([train, texts[0]])


def test_a_folder_brings_its_own_splits(tmp_path):
    write(tmp_path, "train.jsonl")
    write(tmp_path, "dev.jsonl")
    seen = look({"train": str(tmp_path)}, Wish())
    assert seen.places == {"train": str(tmp_path)}
    assert any(line.startswith("validation: the one in") for line in seen.splits)
    assert any(line.startswith("test: a tenth of train") for line in seen.splits)


def test_the_name_of_another_split_is_doubted(tmp_path):
    seen = look({"train": write(tmp_path, "dev.jsonl")}, Wish())
    assert "speaks of validation, not of train" in seen.splits[-1]


def test_columns_of_zeros_and_ones_may_be_labels_of_one_row():
    cells = rows(
        lambda draw, at: {"text": sentence(draw), **{name: int(draw.integers(2)) for name in ("rude", "mild")}}
    )
    columns = describe_columns(take_sample(stream(cells)))
    assert [column.whole for column in columns] == [False, True, True]
