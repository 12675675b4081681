"""A table of word vectors is trained on, and drawn to a lexicon."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import WORDS, run, save_csv, save_vectors
from typer.testing import CliRunner

import nlp_transfer
from nlp_transfer.cli.commands import app
from nlp_transfer.errors import ConfigError, DataError, SourceError
from nlp_transfer.evaluation.verdicts import is_unadapted
from nlp_transfer.sources.vectors.continuing import AdaptedVectors
from nlp_transfer.sources.vectors.fasttext import Subwords
from nlp_transfer.sources.vectors.retrofitting import read_lexicon, retrofit
from nlp_transfer.sources.vectors.table import VectorTable, open_vectors, write_table
from nlp_transfer.sources.vectors.unfinished import Unfinished
from nlp_transfer.sources.vectors.word2vec import Sentences
from nlp_transfer.system.layout import UNFINISHED

TEXTS = ["the superb film was good", "a superb plot was great", "it was awful"] * 20
QUICK = {"epochs": 2, "progress": False}


@pytest.fixture
def table(tmp_path):
    return open_vectors(save_vectors(tmp_path / "words.txt"))


def test_words_of_the_texts_move_others_stay_and_new_ones_are_added(table, tmp_path):
    (tmp_path / "reviews.txt").write_text("\n".join(TEXTS))
    arguments = ["adapt", str(tmp_path / "words.txt"), str(tmp_path / "reviews.txt"), str(tmp_path / "out")]
    answer = CliRunner().invoke(app, [*arguments, "--epochs", "2", "--min-count", "10"], catch_exceptions=False)
    assert "25 words" not in answer.output
    assert f"{len(WORDS) + 1} words, 1 of them new; 9 old ones trained" in answer.output

    found = open_vectors(tmp_path / "out")
    assert list(found.words) == [*WORDS, "superb"]
    moved = ~np.isclose(found.vectors[: len(WORDS)], table.vectors).all(1)
    assert {word for word, one in zip(WORDS, moved, strict=True) if one} == {*" ".join(TEXTS).split()} - {"superb"}


def test_old_rows_stay_where_they_are_told_to(table, tmp_path):
    source = tmp_path / "words.txt"
    still = nlp_transfer.adapt(source, TEXTS, tmp_path / "still", move=0.0, **QUICK)
    some = nlp_transfer.adapt(source, TEXTS, tmp_path / "some", move=0.3, **QUICK)
    free = nlp_transfer.adapt(source, TEXTS, tmp_path / "free", **QUICK)
    assert np.array_equal(open_vectors(tmp_path / "still").vectors[: len(WORDS)], table.vectors)
    assert still.similarity == pytest.approx(1.0)
    assert 1 > some.similarity > free.similarity
    assert (free.known_before, free.known) == (pytest.approx(220 / 260), 1.0)


def test_a_new_word_starts_at_what_stands_around_it(table, tmp_path):
    nlp_transfer.adapt(tmp_path / "words.txt", TEXTS, tmp_path / "out", window=1, move=0.0, epochs=1, progress=False)
    around = table.vectors[table.find(["the", "film", "a", "plot"])].mean(0)
    assert np.linalg.norm(open_vectors(tmp_path / "out").vectors[-1] - around) < 0.3 * np.linalg.norm(around)


def test_a_new_word_of_fasttext_starts_at_its_n_grams_which_stay(tmp_path):
    rng = np.random.default_rng(0)
    subwords = Subwords(rng.normal(size=(50, 8)).astype(np.float32), 3, 4)
    rows = rng.normal(size=(len(WORDS), 8)).astype(np.float32)
    write_table(VectorTable("fast", WORDS, rows, subwords), tmp_path / "fast")
    nlp_transfer.adapt(tmp_path / "fast", TEXTS, tmp_path / "out", epochs=1, progress=False)
    found = open_vectors(tmp_path / "out")
    assert np.array_equal(found.subwords.ngrams, subwords.ngrams)
    start = subwords.compute_vector("superb")
    assert np.linalg.norm(found.vectors[-1] - start) < 0.3 * np.linalg.norm(start)


def test_a_training_that_was_killed_ends_as_one_that_was_not(table, tmp_path, monkeypatch):
    source, settings = tmp_path / "words.txt", {"epochs": 3, "progress": False}
    nlp_transfer.adapt(source, TEXTS, tmp_path / "whole", **settings)

    keep = Unfinished.keep

    def die(self, model, passes):
        keep(self, model, passes)
        raise KeyboardInterrupt

    monkeypatch.setattr(Unfinished, "keep", die)
    with pytest.raises(KeyboardInterrupt):
        nlp_transfer.adapt(source, TEXTS, tmp_path / "parts", **settings)
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "parts").iterdir()] == [UNFINISHED]

    with pytest.raises(SourceError, match="other settings; name another folder"):
        nlp_transfer.adapt(source, TEXTS, tmp_path / "parts", move=0.5, **settings)
    nlp_transfer.adapt(source, TEXTS, tmp_path / "parts", **settings)
    whole, parts = (open_vectors(tmp_path / name) for name in ("whole", "parts"))
    assert np.array_equal(whole.vectors, parts.vectors)
    assert not (tmp_path / "parts" / UNFINISHED).exists()

    again = nlp_transfer.adapt(source, TEXTS, tmp_path / "parts", **settings)
    assert "holds this table already" in again.summary
    assert replace(again, earlier=False, folder=Path()) == AdaptedVectors(Path(), **whole.adapted[0].figures)
    (tmp_path / "parts" / UNFINISHED).write_bytes(b"PK")
    with pytest.raises(SourceError, match="damaged; remove it"):
        Unfinished(tmp_path / "parts" / UNFINISHED, "").resume(None)


def test_another_table_is_not_replaced_and_a_place_that_cannot_be_written_is_told_at_once(table, tmp_path, monkeypatch):
    source = tmp_path / "words.txt"
    before = nlp_transfer.import_vectors(source, tmp_path / "out").vectors[:]
    with pytest.raises(SourceError, match="out: holds another table already; name another folder"):
        nlp_transfer.adapt(source, TEXTS, tmp_path / "out", **QUICK)
    assert (open_vectors(tmp_path / "out").vectors == before).all()

    monkeypatch.setattr(Sentences, "write", lambda *_: pytest.fail("the texts were read"))
    with pytest.raises(ConfigError, match="cannot be written: Not a directory; name another folder"):
        nlp_transfer.adapt(source, TEXTS, source / "out", **QUICK)


def test_a_run_on_it_knows_the_run_without_adaptation_and_its_card_the_texts(table, tmp_path):
    (tmp_path / "reviews.txt").write_text("\n".join(TEXTS))
    nlp_transfer.adapt(tmp_path / "words.txt", tmp_path / "reviews.txt", tmp_path / "first", **QUICK)
    nlp_transfer.adapt(tmp_path / "first", TEXTS, tmp_path / "out", **QUICK)
    data, frozen = save_csv(tmp_path / "data.csv", 40), {"kind": "frozen", "cache": "memory"}
    row = run(tmp_path / "run", {"kind": "vectors", "name": str(tmp_path / "out")}, frozen, data).row
    card = (tmp_path / "run" / "README.md").read_text()
    assert "started from the table `out`" in card
    assert "this way: `words.txt`, then `first` (adaptation, strategy `word2vec`, on `texts of reviews.txt (60" in card
    assert row.adapted == "first"
    without = replace(row, source="first", adapted="")
    assert is_unadapted(without, row)
    assert not is_unadapted(row, without)


def test_rows_are_drawn_to_the_mean_of_their_own_and_of_related_ones():
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]], np.float32)
    found = VectorTable("small", ["good", "great", "stone"], rows.copy())
    assert retrofit(found, {"good": ["great", "unknown", "good"], "great": ["good"]}) == 2
    assert found.vectors[:2] == pytest.approx(
        np.array([[2 / 3, 1 / 3], [1 / 3, 2 / 3]]), abs=1e-3
    )  # q = (first + other) / 2
    assert np.array_equal(found.vectors[2], rows[2])


def test_a_lexicon_is_applied_and_a_wrong_one_is_refused_before_the_training(table, tmp_path):
    (tmp_path / "lexicon.txt").write_text("good great lovely\nbad awful\n")
    found = nlp_transfer.adapt(
        tmp_path / "words.txt", TEXTS, tmp_path / "out", lexicon=tmp_path / "lexicon.txt", move=0.0, **QUICK
    )
    assert found.retrofitted == 2
    assert json.loads((tmp_path / "out" / "table.json").read_text())["source"] == "words.txt"

    (tmp_path / "empty.txt").write_text("alone\n")
    for name, said in (("empty.txt", "no line has a word"), ("nowhere.txt", "No such file")):
        with pytest.raises(DataError, match=said):
            read_lexicon(tmp_path / name)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"whole_words": True}, "whole_words: is an option of a checkpoint"),
        ({"overrides": ["training.seed=1"]}, "overrides: is an option of a checkpoint"),
        ({"move": 2.0}, "move: expected a share from 0 to 1"),
    ],
)
def test_options_of_checkpoints_and_shares_beyond_one_are_refused(table, tmp_path, options, said):
    with pytest.raises(ConfigError, match=said):
        nlp_transfer.adapt(tmp_path / "words.txt", TEXTS, tmp_path / "out", progress=False, **options)


def test_options_of_vectors_are_refused_for_a_checkpoint(tmp_path):
    with pytest.raises(ConfigError, match="lexicon: is an option of a table of vectors"):
        nlp_transfer.adapt("minilm", TEXTS, tmp_path / "out", lexicon="words.txt", progress=False)


def test_words_that_are_all_rare_are_refused(table, tmp_path):
    with pytest.raises(DataError, match="appears 50 times; lower --min-count"):
        nlp_transfer.adapt(tmp_path / "words.txt", ["a film"], tmp_path / "out", min_count=50, progress=False)
