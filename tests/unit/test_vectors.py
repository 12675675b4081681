"""Vector files: every format, every policy, and the files that must be refused."""

import gzip
import io
import json
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nlp_transfer.errors import DiskError, SourceError
from nlp_transfer.sources.vectors import store as vector_store
from nlp_transfer.sources.vectors import text as vector_text
from nlp_transfer.sources.vectors.table import VectorTable, import_vectors, open_vectors, tokenize_words, write_table

WORDS = ["the", "café", "non\xa0break", "next\x85line", "日本", "don't", "\u2028"]
VECTORS = np.random.default_rng(0).normal(size=(len(WORDS), 4)).astype(np.float32)


def lines(words=WORDS, vectors=VECTORS, end="\n") -> bytes:
    rows = (f"{word} {' '.join(map(repr, row.tolist()))}" for word, row in zip(words, vectors, strict=True))
    return "".join(row + end for row in rows).encode()


def header(count=7, dim=4) -> bytes:
    return f"{count} {dim}\n".encode()


def binary(words=WORDS, vectors=VECTORS, between=b"") -> bytes:
    return b"".join(
        word.encode() + b" " + row.astype("<f4").tobytes() + between for word, row in zip(words, vectors, strict=True)
    )


def npy(array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def check(table: VectorTable, words=WORDS, vectors=VECTORS) -> None:
    assert list(table.words) == list(words)
    assert table.vectors.dtype == np.float32
    np.testing.assert_array_equal(table.vectors, vectors)


FORMATS = {
    "glove.txt": lines(),
    "glove_crlf.txt": lines(end="\r\n"),
    "glove_trailing_space.txt": lines(end=" \n"),
    "glove_bom.txt": b"\xef\xbb\xbf" + lines(),
    "glove_no_last_newline.txt": lines().rstrip(b"\n"),
    "tabs.tsv": lines().replace(b" ", b"\t"),
    "glove.txt.gz": gzip.compress(lines()),
    "misnamed.bin": lines(),
    "word2vec.txt": header() + lines(),
    "fasttext.vec": header() + lines(end=" \n"),
    "word2vec.txt.gz": gzip.compress(header() + lines()),
    "word2vec.bin": header() + binary(),
    "word2vec_newlines.bin": header() + binary(between=b"\n"),
    "word2vec.bin.gz": gzip.compress(header() + binary()),
    "misnamed.txt": header() + binary(),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_opens_with_the_same_words_and_numbers(tmp_path, name):
    check(open_vectors(write(tmp_path, name, FORMATS[name])))


def test_a_table_shows_itself_in_one_line():
    assert repr(VectorTable("mine", WORDS * 300, np.tile(VECTORS, (300, 1)))) == "VectorTable(mine: 2,100 words x 4)"


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_imports_into_a_folder_that_opens_the_same(tmp_path, name):
    path = write(tmp_path, name, FORMATS[name])
    table = import_vectors(path, tmp_path / "imported")
    check(table)
    assert isinstance(table.vectors, np.memmap)
    assert table.name == "imported"


@pytest.mark.parametrize("name", FORMATS)
def test_limit_keeps_the_first_words_of_every_format(tmp_path, name):
    path = write(tmp_path, name, FORMATS[name])
    check(open_vectors(path, limit=2), WORDS[:2], VECTORS[:2])
    check(import_vectors(path, tmp_path / "imported", limit=2), WORDS[:2], VECTORS[:2])


def test_what_gensim_writes_is_read_back(tmp_path):
    from gensim.models import KeyedVectors

    words = ["a", "b", "ü"]
    keyed = KeyedVectors(4)
    keyed.add_vectors(words, VECTORS[:3])
    for name, is_binary in [("v.txt", False), ("v.bin", True), ("v.txt.gz", False), ("v.bin.gz", True)]:
        keyed.save_word2vec_format(str(tmp_path / name), binary=is_binary)
        check(open_vectors(tmp_path / name), words, VECTORS[:3])


def test_text_longer_than_a_block_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("nlp_transfer.sources.vectors.text.BLOCK", 256)
    words = [f"word{i}" for i in range(50)]
    vectors = np.random.default_rng(1).normal(size=(50, 4)).astype(np.float32)
    check(open_vectors(write(tmp_path, "v.txt", lines(words, vectors))), words, vectors)


def test_a_binary_row_may_lie_across_two_reads(tmp_path, monkeypatch):
    monkeypatch.setattr("nlp_transfer.sources.vectors.binary.BLOCK", 7)
    check(open_vectors(write(tmp_path, "v.bin", header() + binary())))


def test_words_of_several_parts_are_split_from_the_right(tmp_path):
    words = [". . .", "at name@domain.com", "the", "iphone 4", "1 1/2"]
    check(open_vectors(write(tmp_path, "v.txt", lines(words, VECTORS[:5]))), words, VECTORS[:5])


def test_the_dimension_is_that_of_most_lines_when_the_first_word_has_spaces(tmp_path):
    assert open_vectors(write(tmp_path, "v.txt", b". . 0.5 1.5\nthe 0.5 1.5\nof 1.0 2.0\n")).dim == 2


@pytest.mark.parametrize("suffix", [".txt", ".words", ".vocab"])
def test_npy_takes_its_words_from_the_file_beside_it(tmp_path, suffix):
    path = write(tmp_path, "v.npy", npy(VECTORS))
    write(tmp_path, f"v{suffix}", "\n".join(WORDS).encode())
    table = open_vectors(path)
    check(table)
    assert isinstance(table.vectors, np.memmap)


def test_npy_takes_words_with_counts_from_a_vocab_file(tmp_path):
    path = write(tmp_path, "v.npy", npy(VECTORS[:2]))
    write(tmp_path, "v.vocab", b"the 10\nof 5\n")
    check(open_vectors(path), ["the", "of"], VECTORS[:2])


def test_npy_takes_words_from_the_index_of_the_only_parquet(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"index": WORDS}), tmp_path / "other_name.parquet")
    check(open_vectors(write(tmp_path, "v.npy", npy(VECTORS))))


@pytest.mark.parametrize("convert", [np.float64, np.float16, np.asfortranarray, lambda x: x.astype(">f4")])
def test_npy_of_another_layout_becomes_float32(tmp_path, convert):
    vectors = VECTORS.astype(np.float16)
    path = write(tmp_path, "v.npy", npy(convert(vectors)))
    write(tmp_path, "v.txt", "\n".join(WORDS).encode())
    check(open_vectors(path), WORDS, vectors.astype(np.float32))


def test_npy_with_a_duplicate_word_drops_the_later_row(tmp_path):
    path = write(tmp_path, "v.npy", npy(VECTORS[:3]))
    write(tmp_path, "v.txt", b"a\nb\na\n")
    table = open_vectors(path)
    check(table, ["a", "b"], VECTORS[:2])
    assert table.counts == {"duplicates": 1}


# Policies


def test_the_first_of_two_equal_words_wins_and_the_other_is_counted(tmp_path):
    table = import_vectors(write(tmp_path, "v.txt", b"a 1 2\nb 3 4\na 5 6\n"), tmp_path / "out")
    check(table, ["a", "b"], [[1, 2], [3, 4]])
    assert table.counts == {"duplicates": 1}


def test_two_lines_are_a_table_also_where_the_second_has_no_end_and_one_is_none(tmp_path):
    path = tmp_path / "two.txt"
    path.write_bytes(b"film 0.1 0.2 0.3\ngood 0.1 0.2 0.4")
    assert list(open_vectors(path).words) == ["film", "good"]
    path.write_bytes(b"film 0.1 0.2 0.3")
    with pytest.raises(SourceError, match="holds 1 line of text; vectors without a header need two"):
        open_vectors(path)


def test_blank_lines_are_skipped_and_counted(tmp_path):
    table = open_vectors(write(tmp_path, "v.txt", b"a 1 2\n\n  \nb 3 4\n\n"))
    check(table, ["a", "b"], [[1, 2], [3, 4]])
    assert table.counts == {"blank_lines": 3}


def test_words_that_are_empty_or_hold_a_line_break_are_left_out_and_counted(tmp_path):
    table = open_vectors(write(tmp_path, "v.bin", header(3) + binary(["a\nb", "", "c"], VECTORS[:3])))
    check(table, ["c"], VECTORS[2:3])
    assert table.counts == {"unusable_words": 2}


def test_words_cut_within_a_character_are_kept_and_counted_in_binaries(tmp_path):
    content = header(2) + b"caf\xc3 " + VECTORS[0].tobytes() + b"b " + VECTORS[1].tobytes()
    table = open_vectors(write(tmp_path, "v.bin", content))
    assert table.words == ["caf\\xc3", "b"]
    assert table.counts == {"not_utf8": 1}


BAD_TEXT = {
    "a short line": (b"a 1 2\nb 3 4\nc 5\n", r"v\.txt:3: expected a word and 2 numbers, received 1 number"),
    "a long line": (b"a 1 2\nb 3 4\nc 5 6 7\n", r"v\.txt:3: expected a word and 2 numbers, received 3 numbers"),
    "a long decimal line": (b"a 0.1 2.\nb 3. 4.\nc .5 0 7\n", r"v\.txt:3: .* received 3 numbers"),
    "a word alone": (b"a 1 2\nb\nc 5 6\n", r"v\.txt:2: .* received 0 numbers"),
    "a short line under a header": (b"2 2\na 1 2\nb 3\n", r"v\.txt:3: .* received 1 number"),
    "a short line of a spaced word": (b"2 2\na 1 2\nnew york 3\n", r"v\.txt:3: .* received 1 number after 'york'"),
    "no number": (b"a 1 2\nb 3 x\n", r"v\.txt:2: .* received 0 numbers after 'x'"),
    "an underscore": (b"a 1 2\nb 3 4_0\n", r"v\.txt:2: a number holds '_'"),
    "NaN": (b"a 1 2\nb nan 4\nc 1 inf\n", r"v\.txt:2: the vector of 'b' .*: 2"),
    "a number too large": (b"a 1 2\nb 3 1e39\n", r"v\.txt:2: the vector of 'b'"),
    "bad UTF-8": (b"a 1 2\ncaf\xe9 3 4\n", r"v\.txt:2: not UTF-8: byte 0xe9"),
    "bad UTF-8 under a header": (b"2 2\ncaf\xe9 3 4\na 1 2\n", r"v\.txt:2: not UTF-8: byte 0xe9"),
    "UTF-16": ("a 1 2\nb 3 4\n".encode("utf-16"), r"v\.txt:1: "),
    "too few lines for the header": (b"3 2\na 1 2\nb 3 4\n\n\n\n\n\n", r"promises 3 vectors, the file holds 2"),
    "too many lines for the header": (b"1 2\na 1 2\nb 3 4\n", r"promises 1 vectors, the file holds 2"),
    "a header alone": (b"3 2\n", r"promises 3 x 2 vectors"),
    "prose": (b"Hello world.\nThis is no table.\n", r"v\.txt:1: .*this is no vector file"),
    "one line": (b"hello 1 2 3\n", r"holds 1 line of text"),
    "blank lines": (b"\n\n\n", r"holds 0 lines"),
    "nothing": (b"", r"the file is empty"),
}


@pytest.mark.parametrize("case", BAD_TEXT)
def test_broken_text_is_refused_with_its_place(tmp_path, case):
    content, message = BAD_TEXT[case]
    with pytest.raises(SourceError, match=message):
        open_vectors(write(tmp_path, "v.txt", content))


@pytest.mark.parametrize("count", [999_999_999, 10**18 - 1, 0, -5])
@pytest.mark.parametrize("rows", [lines(), binary()], ids=["text", "binary"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_a_header_that_the_file_cannot_hold_is_refused_before_allocation(tmp_path, count, rows, pack):
    import tracemalloc

    path = write(tmp_path, "v", pack(header(count, 300) + rows))
    tracemalloc.start()
    with pytest.raises(SourceError, match=f"promises {count} x 300"):
        open_vectors(path)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("dim", [0, -1, 10**9])
def test_a_header_with_an_impossible_dimension_is_refused(tmp_path, dim):
    with pytest.raises(SourceError, match=f"promises 7 x {dim}"):
        open_vectors(write(tmp_path, "v.bin", header(7, dim) + binary()))


@pytest.mark.parametrize("name", ["word2vec.bin", "word2vec.bin.gz", "glove.txt.gz", "word2vec.txt"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_file_is_refused(tmp_path, name, share):
    content = FORMATS[name]
    with pytest.raises(SourceError, match=name):
        open_vectors(write(tmp_path, name, content[: int(len(content) * share)]))


def test_a_binary_that_goes_on_after_its_last_row_is_refused(tmp_path):
    with pytest.raises(SourceError, match="goes on after the 6 rows"):
        open_vectors(write(tmp_path, "v.bin", header(6) + binary()))


def test_nan_in_a_binary_is_refused_with_row_word_and_count(tmp_path):
    vectors = VECTORS.copy()
    vectors[1, 2] = vectors[3, 0] = np.nan
    with pytest.raises(SourceError, match=r"v\.bin, row 2: the vector of 'café' holds NaN.*: 2"):
        open_vectors(write(tmp_path, "v.bin", header() + binary(vectors=vectors)))


def test_nan_in_an_npy_is_refused_with_row_word_and_count(tmp_path):
    vectors = VECTORS.copy()
    vectors[1:, 2] = np.inf
    write(tmp_path, "v.txt", "\n".join(WORDS).encode())
    with pytest.raises(SourceError, match=r"v\.npy, row 2: the vector of 'café'.*: 6"):
        open_vectors(write(tmp_path, "v.npy", npy(vectors)))


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemExit('the pickle ran')",)


@pytest.mark.parametrize(
    "suffix", [".kv", ".model", ".pkl", ".pickle", ".pt", ".pth", ".joblib", ".PKL", ".txt", ".bin"]
)
def test_a_pickle_is_refused_and_never_runs(tmp_path, suffix):
    path = write(tmp_path, f"evil{suffix}", pickle.dumps(Evil()))
    for action in (open_vectors, lambda path: import_vectors(path, tmp_path / "out")):
        with pytest.raises(SourceError, match="save_word2vec_format"):
            action(path)


def test_files_named_as_pickles_are_refused_without_opening_them(tmp_path):
    with pytest.raises(SourceError, match="pickled"):
        open_vectors(write(tmp_path, "vectors.kv", lines()))


@pytest.mark.parametrize("suffix", [".txt", ".bin", ".npy"])
def test_a_pickle_of_the_oldest_protocol_never_runs(tmp_path, suffix):
    with pytest.raises(SourceError):
        open_vectors(write(tmp_path, f"evil{suffix}", pickle.dumps(Evil(), protocol=0)))


def test_a_packed_pickle_is_refused_and_never_runs(tmp_path):
    with pytest.raises(SourceError, match="pickled"):
        open_vectors(write(tmp_path, "evil.txt.gz", gzip.compress(pickle.dumps(Evil()))))


def test_an_npy_of_objects_is_refused_and_never_runs(tmp_path):
    write(tmp_path, "v.txt", b"a\nb\n")
    with pytest.raises(SourceError, match=r"v\.npy"):
        open_vectors(write(tmp_path, "v.npy", npy(np.array([[Evil()], [Evil()]], dtype=object))))


def npy_header(shape: str) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize(
    "content",
    [
        *map(npy_header, ["(999999999, 300)", "(-1, 4)", "(10**9, 4)"]),
        *map(npy, [VECTORS[0], VECTORS.astype(int), VECTORS[:, :0]]),
        npy(VECTORS)[:-3],
        npy(VECTORS)[:20],
    ],
)
def test_an_npy_that_is_no_table_is_refused(tmp_path, content):
    write(tmp_path, "v.txt", "\n".join(WORDS).encode())
    with pytest.raises(SourceError, match=r"v\.npy"):
        open_vectors(write(tmp_path, "v.npy", content))


def test_an_npy_without_words_names_the_file_to_write(tmp_path):
    with pytest.raises(SourceError, match=r"in v\.txt"):
        open_vectors(write(tmp_path, "v.npy", npy(VECTORS)))


def test_an_npy_with_another_number_of_words_names_both(tmp_path):
    write(tmp_path, "v.txt", b"a\nb\n")
    with pytest.raises(SourceError, match="2 words for the 7 rows"):
        open_vectors(write(tmp_path, "v.npy", npy(VECTORS)))


def test_bad_utf8_in_the_words_beside_an_npy_names_the_line(tmp_path):
    write(tmp_path, "v.txt", b"a\nb\n\xff\n")
    with pytest.raises(SourceError, match=r"v\.txt:3: not UTF-8"):
        open_vectors(write(tmp_path, "v.npy", npy(VECTORS[:3])))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SourceError, match=r"nowhere\.txt: no such file"):
        open_vectors(tmp_path / "nowhere.txt")


def test_a_folder_that_is_no_import_says_how_to_make_one(tmp_path):
    with pytest.raises(SourceError, match="nlp-transfer vectors import"):
        open_vectors(tmp_path)


def test_an_archive_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(SourceError, match="unpack it"):
        open_vectors(write(tmp_path, "glove.zip", b"PK\x03\x04whatever"))


def test_a_limit_below_one_is_refused(tmp_path):
    with pytest.raises(SourceError, match="limit"):
        open_vectors(write(tmp_path, "v.txt", lines()), limit=0)


@settings(max_examples=300)
@given(content=st.binary(max_size=200))
def test_any_bytes_give_a_table_or_a_source_error(content, tmp_path_factory):
    path = write(tmp_path_factory.getbasetemp(), "any", content)
    try:
        table = open_vectors(path)
    except SourceError:
        return
    assert table.vectors.shape == (len(table.words), table.dim)
    assert np.isfinite(table.vectors).all()


FIELD = st.one_of(
    st.floats(width=32).map(repr), st.sampled_from(["a", "é", "", ".", "1", "0.5", "nan", "1_0", "\x85", "\xa0"])
)
LINE = st.lists(FIELD, max_size=6).map(" ".join)


@given(text=st.lists(LINE, max_size=8).map("\n".join))
@example(text="0.0 0.0 \n0.0 1.0\n")  # twice the same word; the first counts
@example(text="1.0 a 0.0 1.0  0.0\n1.0 a 0.0 0.0 0.0\n")  # again, with two blanks between its numbers
def test_any_lines_give_whole_rows_or_a_source_error(text, tmp_path_factory):
    path = write(tmp_path_factory.getbasetemp(), "any.txt", text.encode())
    try:
        table = open_vectors(path)
    except SourceError:
        return
    numbers = {}
    for line in text.split("\n"):
        word, row = line, []
        for _ in range(table.dim):
            word, _, number = word.rstrip(" ").rpartition(" ")  # several blanks may stand before and behind a number
            row.insert(0, number)
        numbers.setdefault(word.strip(" "), row)
    assert len(set(table.words)) == len(table.words)
    for word, row in zip(table.words, table.vectors, strict=True):
        if word in numbers and "" not in numbers[word]:
            np.testing.assert_array_equal(row, np.array(numbers[word], dtype=np.float32))


# The imported folder


def test_an_import_appears_complete_or_not_at_all(tmp_path, monkeypatch):
    path = write(tmp_path, "v.txt", lines())

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(vector_store, "_describe", fail)
    with pytest.raises(DiskError, match=f"no room for {tmp_path / 'out'}: "):
        import_vectors(path, tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == [path]


def test_what_a_killed_import_left_behind_is_not_in_the_way(tmp_path):
    left = tmp_path / f".out.{os.getpid()}.tmp"
    left.mkdir()
    write(left, "vectors.npy", b"half")
    check(import_vectors(write(tmp_path, "v.txt", lines()), tmp_path / "out"))
    assert not left.exists()


def test_a_broken_file_leaves_an_earlier_import_as_it_was(tmp_path):
    good, bad = write(tmp_path, "v.txt", lines()), write(tmp_path, "bad.txt", b"a 1 2\nb nan 3\n")
    import_vectors(good, tmp_path / "out")
    with pytest.raises(SourceError):
        import_vectors(bad, tmp_path / "out")
    check(open_vectors(tmp_path / "out"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.txt", "out", "v.txt"]


def test_an_import_replaces_an_earlier_one(tmp_path):
    import_vectors(write(tmp_path, "old.txt", b"a 1 2\nb 3 4\n"), tmp_path / "out")
    check(import_vectors(write(tmp_path, "v.txt", lines()), tmp_path / "out"))


def test_an_import_may_be_shortened_in_place(tmp_path):
    import_vectors(write(tmp_path, "v.txt", lines()), tmp_path / "out")
    check(import_vectors(tmp_path / "out", tmp_path / "out", limit=3), WORDS[:3], VECTORS[:3])


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_import_refuses_to_replace_anything_else(tmp_path, kind):
    path, output = write(tmp_path, "v.txt", lines()), tmp_path / "out"
    if kind == "folder":
        output.mkdir()
        write(output, "thesis.tex", b"years of work")
    else:
        output.write_bytes(b"years of work")
    with pytest.raises(SourceError, match="no imported vector folder"):
        import_vectors(path, output)
    assert output.read_bytes() if kind == "file" else (output / "thesis.tex").read_bytes()


def test_the_description_names_source_shape_and_digests(tmp_path):
    import hashlib

    import_vectors(write(tmp_path, "v.txt", lines()), tmp_path / "out")
    description = json.loads((tmp_path / "out" / "table.json").read_text())
    assert (description["source"], description["count"], description["dim"]) == ("v.txt", 7, 4)
    for name, digest in description["sha256"].items():
        assert hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("vectors.npy", npy(VECTORS)[:-1]),
        ("words.txt", b"a\nb"),
        ("words.txt", b"\xff"),
        ("vectors.npy", npy(VECTORS[:3])),
    ]
    + [
        ("table.json", text)
        for text in (b"{}", b"[]", b"null", b"{", b'{"format": "nlp-transfer vectors", "version": 2}')
    ],
)
def test_a_damaged_import_is_refused(tmp_path, name, content):
    import_vectors(write(tmp_path, "v.txt", lines()), tmp_path / "out")
    write(tmp_path / "out", name, content)
    with pytest.raises(SourceError, match="import the vectors again"):
        open_vectors(tmp_path / "out")


def test_opening_an_import_reads_no_row(tmp_path):
    import_vectors(write(tmp_path, "v.txt", lines()), tmp_path / "out")
    assert isinstance(open_vectors(tmp_path / "out", limit=3).vectors, np.memmap)


# The table


@pytest.mark.parametrize("times", [1, 1000], ids=["few", "many"])
def test_find_gives_the_row_of_exact_matches_only(times):
    table = VectorTable("t", WORDS, VECTORS)
    found = table.find(["café", "Café", "the", "", "cafe"] * times)
    assert found.tolist() == [1, -1, 0, -1, -1] * times
    assert found.dtype == np.int64


def test_find_builds_its_dictionary_once():
    table = VectorTable("t", WORDS, VECTORS)
    table.find(["the"])
    rows = table._rows
    table.find(["café"])
    assert table._rows is rows


def test_find_takes_no_words():
    assert VectorTable("t", WORDS, VECTORS).find([]).tolist() == []


def test_select_keeps_rows_in_the_given_order():
    check(VectorTable("t", WORDS, VECTORS).select([3, 0]), [WORDS[3], WORDS[0]], VECTORS[[3, 0]])


def test_select_finds_words_by_their_new_rows():
    table = VectorTable("t", WORDS, VECTORS)
    table.find(["the"])
    assert table.select([1]).find(["the", "café"]).tolist() == [-1, 0]


def test_head_keeps_the_first_rows():
    table = VectorTable("t", WORDS, VECTORS).take_head(2)
    check(table, WORDS[:2], VECTORS[:2])
    assert table.vectors.base is not None


def test_a_table_in_memory_can_be_written(tmp_path):
    check(write_table(VectorTable("t", WORDS, VECTORS), tmp_path / "out"))


def test_words_are_split_as_bert_splits_them():
    assert tokenize_words("It's GREAT, naïve-ish\xa03.5") == [
        "it",
        "'",
        "s",
        "great",
        ",",
        "naïve",
        "-",
        "ish",
        "3",
        ".",
        "5",
    ]


def test_words_keep_their_case_on_request():
    assert tokenize_words("It IS", lowercase=False) == ["It", "IS"]


def test_a_table_is_opened_and_read_without_the_libraries_that_train(tmp_path):
    import_vectors(write(tmp_path, "glove.txt", lines()), tmp_path / "imported")
    code = """if True:
        import sys
        from nlp_transfer.sources.vectors.table import open_vectors
        for name in ("imported", "glove.txt"):
            table = open_vectors(sys.argv[1] + "/" + name)
            assert table.vectors[table.find(["the", "absent"])].shape == (2, 4)
        print({"torch", "transformers", "datasets", "pandas", "scipy", "pyarrow"} & set(sys.modules))
    """
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


WORD_LIKE = st.sampled_from(["a", "b c", "iphone 4", "é", "\u00a0", "", "3", "x\ty", " a", "v\x0b3"])
NUMBER_LIKE = st.sampled_from(["0.5", "0.5", "0.5", "-1", "1e-3", "+2", "nan", "-inf", "1_0", "0x1", "", "5.", "1e400"])


@given(
    st.lists(st.tuples(WORD_LIKE, st.sampled_from(" \t"), st.lists(NUMBER_LIKE, min_size=2, max_size=3)), max_size=3)
)
def test_lines_that_are_read_in_one_go_are_read_as_one_by_one(lines):
    block = "\n".join(f"{word}{mark}{' '.join(numbers)}" for word, mark, numbers in lines).encode().split(b"\n")
    regular = vector_text._parse_regular(block, 1, 2)
    if regular is not None:
        words, rows = zip(*(vector_text._parse_line(line, 2) for line in block), strict=True)
        assert regular.words == list(words)
        with np.errstate(over="ignore"):
            assert regular.vectors.tobytes() == np.array(rows, dtype=np.float32).tobytes()


def test_ordinary_lines_are_read_in_one_go():
    assert vector_text._parse_regular([b"good 0.5 1", b"bad -0.5 2e-3 "], 7, 2).places == [7, 8]


def test_ordinary_text_longer_than_a_block_is_read_in_one_go_from_its_first_line(tmp_path, monkeypatch):
    monkeypatch.setattr(vector_text, "BLOCK", 256)
    monkeypatch.setattr(vector_text, "_parse_line", lambda *_: pytest.fail("a line was read alone"))
    rows = {f"w{number}": [number, 0.5] for number in range(200)}
    table = open_vectors(write(tmp_path, "glove.txt", lines([*rows], np.array([*rows.values()]))))
    assert list(table.words) == list(rows)
    assert table.vectors.tolist() == list(rows.values())
