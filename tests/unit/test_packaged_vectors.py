"""Vectors as spaCy and navec pack them, laid out by tiny writers."""

import gzip
import io
import json
import struct
import tarfile

import numpy as np
import pytest

from nlp_transfer.errors import SourceError
from nlp_transfer.sources import list_sources, load_source
from nlp_transfer.sources.vectors.spacy_folder import hash_words
from nlp_transfer.sources.vectors.table import import_vectors, open_vectors

RNG = np.random.default_rng(0)
WORDS = ["the", "film", "números", "det", "unforgettable"]
HASHES = {  # computed by spacy 3.8.18
    "": 14313749767032693980,
    "a": 11901859001352538922,
    "é": 16256712947286012828,
    "abcdefgh": 17751780907874141760,
    "abcdefghi": 13885881106499164936,
    "xxxxxxxxxxxxxxxxxxxxxxx": 11828803860859836159,
}
KEYS = [*hash_words(WORDS[:3]).tolist(), 415, *hash_words(WORDS[4:]).tolist()]  # spaCy's symbol `det` has a number
ROWS = [0, 2, 1, 1, 2]
MATRIX = RNG.normal(size=(3, 4)).astype(np.float32)


def pack(keys, rows):
    """Write a map in MessagePack, each number in the shortest form that has room for it."""
    data = struct.pack(">BH", 0xDE, len(keys))
    for number in (one for pair in zip(keys, rows, strict=True) for one in pair):
        forms = [(0x80, None, None), (1 << 8, 0xCC, ">BB"), (1 << 16, 0xCD, ">BH"), (1 << 64, 0xCF, ">BQ")]
        _, kind, form = next(form for form in forms if number < form[0])
        data += struct.pack(form, kind, number) if form else bytes([number])
    return data


def save_spacy(folder, place="vocab"):
    inside = folder / place
    inside.mkdir(parents=True)
    with (inside / "vectors").open("wb") as file:
        np.save(file, MATRIX)
    (inside / "key2row").write_bytes(pack(KEYS, ROWS))
    (inside / "strings.json").write_text(json.dumps(sorted(["other", *WORDS])), encoding="utf-8")
    (inside / "vectors.cfg").write_text('{"mode": "default"}')
    return inside


INDEXES = RNG.integers(0, 3, (len(WORDS), 2)).astype(np.uint8)
CODES = RNG.normal(size=(2, 3, 4)).astype(np.float32)
NAVEC = np.concatenate([CODES[0][INDEXES[:, 0]], CODES[1][INDEXES[:, 1]]], axis=1)


def pack_words(words=WORDS, count=5):
    return gzip.compress(np.array([count, *range(count)], "<u4").tobytes() + "\n".join(words).encode())


def pack_rows(header=(5, 8, 2, 3), indexes=INDEXES):
    return np.array(header, "<u4").tobytes() + indexes.tobytes() + CODES.tobytes()


def save_navec(path, **members):
    parts = {"meta.json": b'{"id": "tiny", "protocol": 1}', "vocab.bin": pack_words(), "pq.bin": pack_rows()}
    with tarfile.open(path, "w") as tar:
        for name, data in (parts | {f"{name}.bin": data for name, data in members.items()}).items():
            if data is not None:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return path


def import_into(path):
    return import_vectors(path, path.parent.parent / "out")


def test_words_are_hashed_as_spacy_hashes_them():
    assert dict(zip(HASHES, hash_words(list(HASHES)).tolist(), strict=True)) == HASHES
    assert len(hash_words([])) == 0
    assert hash_words(["a\0b", "a"])[1] == HASHES["a"]


@pytest.mark.parametrize("named", [".", "vocab", "vocab/vectors", ".."])
def test_a_model_of_spacy_opens_by_any_of_its_folders(tmp_path, named):
    save_spacy(tmp_path / "package" / "model-1.0")
    path = {"..": tmp_path / "package"}.get(named, tmp_path / "package" / "model-1.0" / named)
    for table in (open_vectors(path), import_vectors(path, tmp_path / "out")):
        assert table.words == WORDS
        np.testing.assert_array_equal(table.vectors, MATRIX[ROWS])


def test_words_of_spacy_share_their_rows_until_some_are_asked_for(tmp_path):
    table = open_vectors(save_spacy(tmp_path))
    assert isinstance(table.vectors.matrix, np.memmap)
    np.testing.assert_array_equal(table.vectors[np.array([3, 0])], MATRIX[[1, 0]])
    np.testing.assert_array_equal(table.take_head(2).vectors, MATRIX[[0, 2]])
    assert table.select([1]).words == ["film"]


@pytest.mark.parametrize("use", [lambda path: load_source("vectors", name=str(path)).encoder(), import_into])
def test_a_number_of_spacy_that_is_not_finite_is_refused_before_it_is_used(tmp_path, use):
    folder = save_spacy(tmp_path / "model")
    with (folder / "vectors").open("wb") as file:
        np.save(file, np.where(MATRIX[1, 1] == MATRIX, np.nan, MATRIX))
    with pytest.raises(SourceError, match="row 3: the vector of 'números' holds NaN or infinity; such vectors read: 2"):
        use(folder)


def test_keys_of_spacy_without_a_word_are_left_out_and_counted(tmp_path):
    folder = save_spacy(tmp_path)
    (folder / "strings.json").write_text('["film"]')
    table = open_vectors(folder)
    assert table.words == ["film", "det"]
    assert table.counts == {"keys_without_word": 3}


SPACY = {
    "keys": ("key2row", lambda data: data[:-1], "4 keys|5 keys"),
    "long key": ("key2row", lambda data: data[:8], "damaged or truncated"),
    "no map": ("key2row", lambda data: b"\x93" + data, "damaged or truncated"),
    "row": ("key2row", lambda _: pack(KEYS, [0, 1, 2, 3, 0]), "names row 3, and vectors holds 3"),
    "vectors": ("vectors", lambda data: data[:-8], "vectors: not readable"),
    "strings": ("strings.json", lambda data: data[:-2], r"strings\.json: not readable"),
    "numbers": ("strings.json", lambda _: b"[1]", "expected a list of words"),
    "others": ("key2row", lambda _: pack([7], [0]), "tells the word of none"),
    "floret": ("vectors.cfg", lambda _: b'{"mode": "floret"}', "damaged settings of floret"),
}


@pytest.mark.parametrize("how", SPACY)
def test_a_damaged_folder_of_spacy_is_refused_with_its_file(tmp_path, how):
    name, spoil, said = SPACY[how]
    path = save_spacy(tmp_path) / name
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(SourceError, match=said):
        open_vectors(tmp_path)


def test_a_folder_of_spacy_without_its_words_or_with_two_models_is_refused(tmp_path):
    (save_spacy(tmp_path, "one/vocab") / "strings.json").unlink()
    with pytest.raises(SourceError, match=r"strings\.json: missing"):
        open_vectors(tmp_path)
    save_spacy(tmp_path, "two/vocab")
    with pytest.raises(SourceError, match="several models of spaCy; name one"):
        open_vectors(tmp_path)


def test_a_tar_of_navec_opens_with_rows_put_together_from_pieces(tmp_path):
    path = save_navec(tmp_path / "navec.tar")
    for table in (open_vectors(path), import_vectors(path, tmp_path / "out")):
        assert table.words == WORDS
        np.testing.assert_array_equal(table.vectors, NAVEC)
    assert len(open_vectors(path, limit=2).words) == 2


BROKEN = {
    "other": ({"pq": None}, "none of navec; unpack it"),
    "header": ({"pq": b"123"}, "within its header"),
    "rows": ({"pq": pack_rows((1 << 31, 8, 2, 3))}, "the file can hold"),
    "pieces": ({"pq": pack_rows((len(WORDS), 8, 3, 3))}, "do not fit"),
    "index": ({"pq": pack_rows(indexes=INDEXES + 1)}, "names piece 3 of 3"),
    "words": ({"vocab": pack_words(WORDS[:3])}, "3 words for 5 rows"),
    "cut": ({"vocab": pack_words()[:-9]}, "truncated"),
    "no gzip": ({"vocab": b"words"}, "vocab.bin is damaged"),
    "bomb": ({"vocab": pack_words(["a" * 10_000] * len(WORDS))}, "unpacks to more"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_damaged_tar_of_navec_is_refused_with_its_part(tmp_path, how):
    members, said = BROKEN[how]
    with pytest.raises(SourceError, match=said):
        open_vectors(save_navec(tmp_path / "navec.tar", **members))


def test_a_tar_that_ends_early_is_refused(tmp_path):
    path = save_navec(tmp_path / "navec.tar")
    path.write_bytes(path.read_bytes()[:2100])
    with pytest.raises(SourceError, match=r"damaged or truncated tar|none of navec"):
        open_vectors(path)


def test_sources_name_the_packages():
    text = " ".join(source.description for source in list_sources())
    assert "spaCy" in text
    assert "navec" in text
