"""Tables whose keys are written in a way of their own: ConceptNet Numberbatch and Wikipedia2Vec."""

import logging

import numpy as np
import pytest

from nlp_transfer.errors import SourceError
from nlp_transfer.models.portable.words import variants
from nlp_transfer.sources import list_sources
from nlp_transfer.sources.vectors.table import import_vectors, open_vectors


def write(folder, text):
    path = folder / "v.txt"
    path.write_text(text, encoding="utf-8")
    return path


NUMBERBATCH = "3 2\n/c/en/film 0.5 1.5\n/c/en/#### 0.25 2.5\n/c/en/new_york -1.0 1.0\n"
DEFAULT = "the\t0.5 1.5\nENTITY/Windows 3.1\t2.5 0.5\nENTITY/New York\t2.5 0.5\nfilm\t-1.0 1.0\n"


@pytest.mark.parametrize("read", [open_vectors, lambda path: import_vectors(path, path.with_name("out"))])
def test_words_of_numberbatch_lose_their_language(tmp_path, read):
    table = read(write(tmp_path, NUMBERBATCH))
    assert list(table.words) == ["film", "####", "new_york"]
    np.testing.assert_array_equal(table.vectors, [[0.5, 1.5], [0.25, 2.5], [-1, 1]])


def test_a_number_finds_the_marks_of_numberbatch():
    assert "####" in variants("2019")


def test_a_word_of_several_languages_keeps_the_first_row_with_one_warning(tmp_path, caplog):
    text = "/c/de/die 1.5 1.5\n/c/de/film 2.5 1.5\n/c/en/die 3.5 1.5\n/c/fr/film 4.5 1.5\n"
    with caplog.at_level(logging.WARNING):
        table = open_vectors(write(tmp_path, text))
    assert list(table.words) == ["die", "film"]
    assert table.counts == {"duplicates": 2}
    assert len(caplog.messages) == 1
    assert "several languages, such as de and en" in caplog.messages[0]


def test_a_word_that_only_looks_like_a_concept_is_kept_in_other_tables(tmp_path):
    assert list(open_vectors(write(tmp_path, "film 0.5 1.5\n/c/en/film 0.5 1.5\n")).words) == ["film", "/c/en/film"]


@pytest.mark.parametrize(
    "text",
    [DEFAULT, DEFAULT.replace(" 3.1", "_3.1").replace("New York", "New_York").replace("\t", " ")],
    ids=["default", "glove"],
)
def test_articles_of_wikipedia2vec_are_left_out_and_counted(tmp_path, text):
    table = open_vectors(write(tmp_path, text), limit=2)
    assert list(table.words) == ["the", "film"]
    assert table.counts == {"entities": 2}
    np.testing.assert_array_equal(table.vectors, [[0.5, 1.5], [-1, 1]])


def test_a_table_of_articles_alone_holds_no_words(tmp_path):
    with pytest.raises(SourceError, match="holds no words"):
        open_vectors(write(tmp_path, "ENTITY/Film 0.5 1.5\nENTITY/Paris 0.5 1.5\n"))


def test_one_number_too_many_is_refused_behind_a_tab_too(tmp_path):
    with pytest.raises(SourceError, match=r"v\.txt:3: expected a word and 2 numbers, received 3"):
        open_vectors(write(tmp_path, "the\t0.5 1.5\nfilm\t0.5 1.5\ncat\t0.5 1.5 2.5\n"))


def test_a_blank_word_behind_which_a_tab_stands_is_left_out_and_counted(tmp_path):
    table = open_vectors(write(tmp_path, "the\t0.5 1.5\n \t0.5 1.5\nfilm\t0.5 1.5\n"))
    assert (table.words, table.counts) == (["the", "film"], {"unusable_words": 1})


def test_sources_name_both():
    text = " ".join(source.description for source in list_sources())
    assert "Numberbatch" in text
    assert "Wikipedia2Vec" in text
