"""Texts in other encodings than UTF-8: read where they are named, named where they are refused."""

import pytest

from nlp_transfer.config.dialect import Dialect
from nlp_transfer.config.load import load_config
from nlp_transfer.data.formats.cells import stream_texts
from nlp_transfer.data.formats.tables import open_rows
from nlp_transfer.data.locations import open_place
from nlp_transfer.errors import ConfigError, DataError

FRENCH = "Le café était fermé, où êtes-vous allés ?"
FILES = {
    "a.csv": 'text,label\n"Le café était fermé, où êtes-vous allés ?",a\n',
    "a.tsv": f'text\tlabel\n{FRENCH}\ta\nsaid "x"\tb\n',
    "a.jsonl": f'{{"text": "{FRENCH}", "label": "a"}}\n',
    "a.json": f'[{{"text": "{FRENCH}",\n"label": "a"}}]\n',
    "a.txt": f"__label__a {FRENCH}\n",
    "a.dat": f"text|label\n{FRENCH}|a\n",
}


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "latin-1", "utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("name", FILES)
def test_every_text_format_is_read_in_the_encoding_that_is_named(tmp_path, name, encoding):
    (tmp_path / name).write_bytes(FILES[name].encode(encoding))
    dialect = Dialect(delimiter="|" if name == "a.dat" else None, encoding=encoding)
    assert next(row.cells["text"] for row in open_rows(str(tmp_path / name), dialect).rows) == FRENCH
    assert next(iter(stream_texts(str(tmp_path / name), "text", dialect))) == FRENCH


def test_lines_and_parallel_files_and_folders_of_texts_are_read_so(tmp_path):
    dialect = Dialect(encoding="cp1252")
    for name in ("a/1.txt", "b/1.txt"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(FRENCH.encode("cp1252"))
    file = str(tmp_path / "a" / "1.txt")
    assert list(stream_texts(file, "text", dialect)) == [FRENCH]
    assert [row.cells["fr"] for row in open_place({"en": file, "fr": file}, "train", dialect).rows] == [FRENCH]
    assert [row.cells["text"] for row in open_place(str(tmp_path), "train", dialect).rows] == [FRENCH] * 2


SAMPLES = {
    "cp1252": FRENCH,
    "cp1251": "Очень хороший фильм, мне понравилось",
    "koi8_r": "Очень хороший фильм, мне понравилось. " * 5,
    "shift_jis": "この映画はとても面白かったです。",
    "gb18030": "这部电影很好看，我非常喜欢。",
    "euc_kr": "이 영화는 정말 재미있었습니다. 추천합니다",
}


@pytest.mark.parametrize("encoding", SAMPLES)
def test_a_refusal_names_the_encoding_that_the_file_seems_to_have(tmp_path, encoding):
    (tmp_path / "a.csv").write_bytes(b"text,label\ngood,a\n" + SAMPLES[encoding].encode(encoding) + b",b\n")
    with pytest.raises(DataError) as caught:
        list(open_rows(str(tmp_path / "a.csv")).read_blocks())
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'a.csv'}:3: byte 0x")
    assert f"it looks like {encoding}" in said
    assert said.endswith(f"name it in data.encoding={encoding} in a configuration, --encoding {encoding} elsewhere")


def test_bytes_that_the_named_encoding_lacks_are_refused_by_line_and_position(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"text,label\ngood,a\nx\x81y,b\n")
    with pytest.raises(DataError, match=r"a\.csv:3: byte 0x81 at position 2 is no cp1252"):
        list(open_rows(str(tmp_path / "a.csv"), Dialect(encoding="cp1252")).read_blocks())


@pytest.mark.parametrize("name", ["klingon", "base64", "", "rot13"])
def test_an_unknown_encoding_is_refused_with_the_configuration(name):
    with pytest.raises(ConfigError, match="no encoding of texts, such as cp1252"):
        load_config({"task": {"name": "sentiment"}, "data": {"train": "a.csv", "encoding": name}})


def test_a_delimiter_makes_a_table_of_any_text_and_lines_without_it_stay_lines(tmp_path):
    (tmp_path / "a.txt").write_text("text|label\ngood|a\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("good\nbad\n", encoding="utf-8")
    assert list(stream_texts(str(tmp_path / "a.txt"), "text", Dialect("|"))) == ["good"]
    assert list(stream_texts(str(tmp_path / "b.txt"), "text", Dialect("|"))) == ["good", "bad"]
    with pytest.raises(DataError, match=r"or name the mark between its columns, as data\.delimiter"):
        open_rows(str(tmp_path / "a.txt"))


def test_sentence_pairs_of_tatoeba_are_a_table_without_a_header(tmp_path):
    (tmp_path / "a.tsv").write_text('\ufeff1\tHe said "no.\t2\tIl a dit « non ».\n3\tGo!\t4\tVa !\n', encoding="utf-8")
    rows = [row.cells for row in open_rows(str(tmp_path / "a.tsv"), Dialect(header=False)).rows]
    assert [(row["1"], row["3"]) for row in rows] == [('He said "no.', "Il a dit « non »."), ("Go!", "Va !")]
