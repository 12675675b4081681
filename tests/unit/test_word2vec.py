"""Word2Vec training on one's own texts."""

import gzip
import json

import numpy as np
import pytest

from nlp_transfer.errors import DataError, SourceError
from nlp_transfer.sources.vectors import open_vectors
from nlp_transfer.sources.word2vec import documents, train_vectors

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


def write_table(path, texts):
    import csv

    match path.name.split(".")[1]:
        case "csv":
            import io

            buffer = io.StringIO(newline="")
            writer = csv.writer(buffer)
            writer.writerows([["label", "text"], *([1, text] for text in texts)])
            content = buffer.getvalue()
        case "jsonl":
            content = "".join(json.dumps({"text": text}) + "\n" for text in texts)
        case "tsv":
            content = "text\tlabel\n" + "".join(f"{text}\t1\n" for text in texts)
    path.write_bytes(gzip.compress(content.encode()) if path.suffix == ".gz" else content.encode())


@pytest.mark.parametrize("name", ["c.csv", "c.jsonl", "c.tsv", "c.csv.gz", "c.jsonl.gz"])
def test_texts_are_read_from_the_column_of_a_table(tmp_path, name):
    texts = ["NA", "null", "a good film"] if "tsv" in name else ['two\nlines "quoted"', "NA", "null"]
    write_table(tmp_path / name, texts)
    assert list(documents(tmp_path / name)) == texts


def test_a_line_is_a_document_only_up_to_the_line_feed(tmp_path):
    path = tmp_path / "c.txt"
    path.write_bytes("one\x85still one\u2028and on\ntwo".encode())
    assert len(list(documents(path))) == 2


def test_documents_beyond_what_gensim_takes_are_cut_not_dropped(tmp_path):
    path = tmp_path / "c.txt"
    path.write_text("a " * 10_000 + "rare " * 5)
    assert "rare" in train_vectors(path, tmp_path / "out", dim=2, epochs=1).words


BAD = {
    "c.csv": [
        (b"label,texts\n1,a\n", r"c\.csv:1: no column 'text'.*Did you mean 'texts'"),
        (b"label,text\n1,a\n1,b,c\n", r"c\.csv:3: expected 2 fields, received 3"),
        (b'label,text\n1,"open\n', r"c\.csv:2: "),
        (b"", r"c\.csv:1: no column"),
        (b"label,text\n1,caf\xe9\n", r"c\.csv:2: not UTF-8"),
    ],
    "c.jsonl": [
        (b'{"text": "a"}\n{"text": \n', r"c\.jsonl:2: not JSON"),
        (b'{"txt": "a"}\n', r"c\.jsonl:1: no text in 'text'.*Did you mean 'txt'"),
        (b'{"text": null}\n', r"c\.jsonl:1: no text"),
        (b"[1]\n", r"c\.jsonl:1: .*JSON object"),
        (b'{"text": "\\ud800"}\n', r"c\.jsonl:1: .*surrogate"),
    ],
    "c.txt": [(b"fine\ncaf\xe9\n", r"c\.txt:2: not UTF-8"), (b"", "no word appears 5 times")],
    "c.txt.gz": [(gzip.compress(b"a b c " * 100)[:-12], "gzip"), (b"no gzip", "gzip")],
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
