"""Tables of floret: every word is put together from hashed rows, as floret and spaCy do."""

import json

import numpy as np
import pytest
from tiny import run, save_csv

import nlp_transfer
from nlp_transfer.config.flags import guess_kind
from nlp_transfer.errors import SourceError
from nlp_transfer.sources import load_source
from nlp_transfer.sources.vectors.table import import_vectors, open_vectors

ROWS = np.array([[(7 * i * i + 3 * j + i * j) % 11 - 5 for j in range(4)] for i in range(13)], np.float32)
WANTED = {  # computed by spacy 3.8.18 from the file that `save` writes; floret 0.10.5 gives the same
    "film": [1.6, -1.95, 0.0, 1.95],
    "Unheard": [0.71875, -0.1875, -0.75, 0.75],
    "日本語": [0.5, -1.375, 0.1875, 1.0625],
    "x": [0.375, 1.0, 0.25, 0.875],
    "averyveryverylongwordthatneverends": [1.078571, 0.614286, 0.071429, 0.314286],
}
HEADER = "13 4 2 3 2 2166136261 < >"


def save(folder, header=HEADER, numbers=range(13)):
    path = folder / "table.floret"
    lines = [f"{number} {' '.join(map(str, row))}" for number, row in zip(numbers, ROWS, strict=False)]
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def save_spacy(folder, **settings):
    folder.mkdir()
    with (folder / "vectors").open("wb") as file:
        np.save(file, ROWS)
    (folder / "key2row").write_bytes(b"\x80")
    given = {"mode": "floret", "minn": 2, "maxn": 3, "hash_count": 2, "hash_seed": 2166136261, "bow": "<", "eow": ">"}
    (folder / "vectors.cfg").write_text(json.dumps(given | {"attr": 65} | settings))
    return folder


@pytest.mark.parametrize("write", [save, lambda folder: save_spacy(folder / "vocab")])
def test_every_word_gets_the_vector_of_floret_imported_or_not(tmp_path, write):
    path = write(tmp_path)
    assert guess_kind(str(path)) == "vectors"
    tables = [open_vectors(path), import_vectors(path, tmp_path / "out")]
    tables.append(import_vectors(tmp_path / "out", tmp_path / "again"))
    for table in tables:
        assert len(table.words) == 0
        np.testing.assert_allclose(table.subwords.compute_vectors(list(WANTED)), list(WANTED.values()), atol=1e-6)


def test_the_command_says_what_an_imported_table_holds(tmp_path, command):
    code, out, _ = command("vectors", "import", save(tmp_path), tmp_path / "out")
    assert (code, out.strip()) == (0, f"{tmp_path / 'out'}: 0 words x 4, 13 rows of n-grams")


def test_a_model_reads_known_and_unknown_words_alike_and_each_as_it_is_written(tmp_path):
    source = load_source("vectors", name=str(save(tmp_path)), texts=["film x"])
    units = source.tokenizer([" ".join(WANTED)], return_tensors="pt")
    known = source.tokenizer.convert_tokens_to_ids(["film", "x"])
    assert units["input_ids"][0, [0, 3]].tolist() == known
    states = source.encoder().model(**units).last_hidden_state[0].detach()
    np.testing.assert_allclose(states, list(WANTED.values()), atol=1e-6)


@pytest.mark.parametrize(("attribute", "lower"), [(65, False), (66, True), (67, True)])
def test_texts_are_put_in_lower_case_where_spacy_hashes_words_so(tmp_path, attribute, lower):
    name = str(save_spacy(tmp_path / "vocab", attr=attribute))
    tokenizer = load_source("vectors", name=name, texts=["Film"]).tokenizer
    assert ("film" in tokenizer.get_vocab()) == lower


def test_a_limit_is_refused_because_a_text_may_need_any_row(tmp_path):
    for act in (lambda path: open_vectors(path, limit=3), lambda path: import_vectors(path, tmp_path / "out", limit=3)):
        with pytest.raises(SourceError, match=r"parts of words, .*source\.vocabulary: all"):
            act(save(tmp_path))


FAULTS = {
    "order": ({"numbers": [0, 1, 1, *range(3, 13)]}, r":4: expected row 2 of 13, received '1'"),
    "short": ({"numbers": range(12)}, "promises 13 vectors, the file holds 12"),
    "huge": ({"header": "999999999 4 2 3 2 21 < >"}, "the header promises 999999999 x 4"),
    "n-grams": ({"header": "13 4 5 3 2 21 < >"}, "n-grams of 5 to 3 characters"),
    "hashes": ({"header": "13 4 2 3 5 21 < >"}, "5 rows of each"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_table_is_refused_with_its_place(tmp_path, fault):
    settings, said = FAULTS[fault]
    with pytest.raises(SourceError, match=said):
        open_vectors(save(tmp_path, **settings))


def test_a_number_that_is_not_finite_is_refused(tmp_path):
    path = save(tmp_path)
    path.write_text(path.read_text().replace("-5.0", "nan", 1))
    with pytest.raises(SourceError, match="n-gram bucket 0: the vector holds NaN"):
        open_vectors(path)


@pytest.mark.parametrize("strategy", ["full", "frozen", "lora", "gradual"])
def test_answers_are_the_same_after_reload_and_publication(tmp_path, strategy):
    source = {"kind": "vectors", "name": str(save(tmp_path))}
    result = run(tmp_path / "run", source, {"kind": strategy}, str(save_csv(tmp_path / "data.csv", 24)))
    texts = ["an Unheard film", "日本語"]
    first = nlp_transfer.load(result.folder).predict(texts)
    done = nlp_transfer.publish(result.folder, "someone/model", dry_run=True, licence="mit")
    assert nlp_transfer.load(done.folder).predict(texts) == first
