"""Word2Vec training on one's own texts."""

import gzip

import numpy as np
import pytest

from nlp_transfer.errors import DataError, SourceError
from nlp_transfer.sources.vectors.table import open_vectors, tokenize_words
from nlp_transfer.sources.vectors.word2vec import train_vectors

TEXTS = ["The good film, truly good!", "a bad film; a bad, bad day", 'she said "good day"\r'] * 10
QUICK = {"dim": 8, "min_count": 2, "epochs": 2}


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(TEXTS), encoding="utf-8")
    return path


def test_trained_vectors_open_as_an_imported_folder(corpus, tmp_path):
    table = train_vectors(corpus, tmp_path / "out", **QUICK)
    assert table.dim == 8
    assert {"good", "film", ","} <= set(table.words)
    np.testing.assert_array_equal(open_vectors(tmp_path / "out").vectors, table.vectors)


def test_words_that_stand_together_come_near(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("cat purrs milk fur paw\nstock bond market trade bank\n" * 500)
    table = train_vectors(path, tmp_path / "out", dim=10, epochs=20)
    cat, milk, bond = table.vectors[table.find(["cat", "milk", "bond"])]

    def cosine(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    assert cosine(cat, milk) > cosine(cat, bond) + 0.1


def test_the_same_seed_gives_the_same_vectors(corpus, tmp_path):
    first, second = (train_vectors(corpus, tmp_path / name, seed=4, **QUICK) for name in ("a", "b"))
    assert first.words == second.words
    np.testing.assert_array_equal(first.vectors, second.vectors)


def test_another_seed_gives_other_vectors(corpus, tmp_path):
    first, second = (train_vectors(corpus, tmp_path / str(seed), seed=seed, **QUICK) for seed in (0, 1))
    assert not np.array_equal(first.vectors, second.vectors)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("c.csv", b'label,text\n1,"two\nlines ""quoted"""\n0,NA\n'),
        ("C.CSV", b'label,text\n1,"two\nlines ""quoted"""\n0,NA\n'),
        ("c.csv.gz", gzip.compress(b'label,text\n1,"two\nlines ""quoted"""\n0,NA\n', mtime=0)),
        ("c.tsv", b'text\tlabel\ntwo lines \tpos\n"""quoted"""\tneg\nNA\tpos\n'),
        ("c.jsonl", b'{"text": "two\\nlines"}\n{"text": ["\\"quoted\\"", "NA"]}\n'),
        ("c.json", b'[{"text": "two\\nlines", "label": "pos"},\n {"text": "\\"quoted\\" NA"}]'),
        ("c.txt", b'two lines\n"quoted"\nNA\n'),
    ],
)
def test_words_come_from_the_texts_of_a_table_only(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    table = train_vectors(tmp_path / name, tmp_path / "out", dim=2, epochs=1, min_count=1)
    assert set(table.words) == set(tokenize_words('two\nlines "quoted" NA'))


def test_words_come_from_the_column_that_is_named(tmp_path):
    (tmp_path / "c.jsonl").write_text('{"translation": {"de": "Katze", "en": "cat"}}\n' * 5)
    table = train_vectors(tmp_path / "c.jsonl", tmp_path / "out", dim=2, epochs=1, column="translation.de")
    assert table.words == ["katze"]


def test_documents_beyond_what_gensim_takes_are_cut_not_dropped(tmp_path):
    path = tmp_path / "c.txt"
    path.write_text("a " * 10_000 + "rare " * 5)
    assert "rare" in train_vectors(path, tmp_path / "out", dim=2, epochs=1).words


BAD = {
    "c.csv": [
        (b"label,texts\n1,a\n", r"c\.csv:2: no column 'text'.*Did you mean 'texts'"),
        (b"label,text\n1,a\n1,b,c\n", r"c\.csv:3: the row has 3 of the header's 2 fields"),
        (b'label,text\n1,"open\n', r"c\.csv:2: "),
        (b"", r"c\.csv:1: .*nothing"),
        (b"label,text\n1,caf\xe9\n", r"c\.csv:2: .* not UTF-8"),
    ],
    "c.jsonl": [
        (b'{"text": "a"}\n{"text": \n', r"c\.jsonl:2: broken JSON"),
        (b'{"txt": "a"}\n', r"c\.jsonl:1: no column 'text'.*Did you mean 'txt'"),
        (b'{"text": null}\n', "no word appears 5 times"),
        (b"[1]\n", r"c\.jsonl:1: expected an object"),
        (b'{"text": "\\ud800"}\n', r"c\.jsonl:1: .*surrogate"),
    ],
    "c.txt": [(b"fine\ncaf\xe9\n", r"c\.txt:2: .* not UTF-8"), (b"", "no word appears 5 times")],
    "c.txt.gz": [(gzip.compress(b"a b c " * 100)[:-12], "cannot be read after line 0"), (b"no gzip", "gzip")],
}


@pytest.mark.parametrize(("name", "case"), [(name, case) for name, cases in BAD.items() for case in range(len(cases))])
def test_a_broken_corpus_is_refused_with_its_place(tmp_path, name, case):
    content, message = BAD[name][case]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        train_vectors(tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_corpus_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.txt"):
        train_vectors(tmp_path / "nowhere.txt", tmp_path / "out")


def test_an_output_in_use_is_refused_before_training(corpus, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(SourceError, match="no imported vector folder"):
        train_vectors(corpus, tmp_path / "out")


def test_every_epoch_is_logged(corpus, tmp_path, caplog):
    with caplog.at_level("INFO", logger="nlp_transfer"):
        train_vectors(corpus, tmp_path / "out", **QUICK)
    assert [record.getMessage() for record in caplog.records] == ["Word2Vec: epoch 1 of 2", "Word2Vec: epoch 2 of 2"]
