"""Tables whose rows belong to pieces of sentencepiece: the text is cut without the model of the pieces."""

import numpy as np
import pytest
from tiny import run, save_csv

import nlp_transfer
from nlp_transfer.errors import SourceError
from nlp_transfer.sources import list_sources, load_source
from nlp_transfer.sources.vectors.pieces import holds_pieces
from nlp_transfer.sources.vectors.table import import_vectors, open_vectors

PIECES = ["▁the", "▁film", "s", "▁a", "▁", "▁go", "od", "bad", "▁00", "0", "o", "f", "i", "l", "m"]
VECTORS = np.random.default_rng(0).normal(size=(len(PIECES) + 1, 4)).round(3)


def save(folder, pieces):
    path = folder / "pieces.txt"
    rows = [" ".join([piece, *map(str, row)]) for piece, row in zip(pieces, VECTORS, strict=False)]
    path.write_text(f"{len(rows)} 4\n" + "\n".join(rows), encoding="utf-8")
    return path


def cut(table, text):
    return [table.words[row] for row in table.reader.backend.encode(text).ids if row < len(table.words)]


@pytest.mark.parametrize("unknown", [[], ["<unk>"]])
def test_a_text_is_cut_into_the_pieces_of_the_file_imported_or_not(tmp_path, unknown):
    path = save(tmp_path, [*PIECES, *unknown])
    tables = [open_vectors(path), import_vectors(path, tmp_path / "out")]
    tables.append(import_vectors(tmp_path / "out", tmp_path / "again"))
    for table in tables:
        assert list(table.words) == [*PIECES, *unknown]
        assert cut(table, " The  films \n a good") == ["▁the", "▁film", "s", "▁a", "▁go", "od"]
        assert cut(table, "film 199") == ["▁film", "▁00", "0"]
        assert cut(table, "the 日") == ["▁the", "▁", *unknown]


def test_capitals_and_digits_stay_where_pieces_have_them(tmp_path):
    table = open_vectors(save(tmp_path, ["▁The", "▁the", "▁0", "▁1"]))
    assert cut(table, "The the 1") == ["▁The", "▁the", "▁1"]


def test_tables_of_words_are_no_tables_of_pieces():
    assert not holds_pieces(["the", "film", "▁", "of", "a"])
    assert not holds_pieces([])


def test_a_limit_is_refused_because_a_text_may_need_any_piece(tmp_path):
    path = save(tmp_path, PIECES)
    for act in (lambda: open_vectors(path, limit=3), lambda: import_vectors(path, tmp_path / "out", limit=3)):
        with pytest.raises(SourceError, match=r"parts of words, .*source\.vocabulary: all"):
            act()
    assert not (tmp_path / "out").exists()
    with pytest.raises(SourceError, match=r"source\.vocabulary: all"):
        load_source("vectors", name=str(path), vocabulary="data", texts=["the film"]).encoder()


@pytest.mark.parametrize("strategy", ["frozen", "lora"])
def test_answers_are_the_same_after_reload_and_publication(tmp_path, strategy):
    source = {"kind": "vectors", "name": str(save(tmp_path, PIECES))}
    result = run(tmp_path / "run", source, {"kind": strategy}, str(save_csv(tmp_path / "data.csv", 24)))
    texts = ["good film", "a bad 日 film", ""]
    first = nlp_transfer.load(result.folder).predict(texts)
    done = nlp_transfer.publish(result.folder, "someone/model", dry_run=True, licence="mit")
    assert nlp_transfer.load(done.folder).predict(texts) == first


def test_sources_name_them():
    assert "sentencepiece" in " ".join(source.description for source in list_sources())
