"""Formats that look like text: known by their content wherever texts are read, and what is text after all."""

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from nlp_transfer.data.formats.cells import stream_texts
from nlp_transfer.data.locations import open_place
from nlp_transfer.errors import DataError

XML = '<?xml version="1.0" encoding="utf-8"?>\n'
FOREIGN = {  # content, what it is called, the way out
    "TMX": (f'{XML}<!DOCTYPE tmx SYSTEM "tmx14.dtd" [\n<!ENTITY a "b">\n]>\n<tmx>\n', "TMX", ".tmx"),
    "HTML": ("<!DOCTYPE html>\n<html lang='fr'>\n<p>Bonjour</p>\n", "HTML", "one a line"),
    "another XML": (f"{XML}<corpus><s>Bonjour</s></corpus>\n", "XML (<corpus>)", "one a line"),
    "another XML without a declaration": ('<doc id="1">\nBonjour\n</doc>\n', "XML (<doc>)", "one a line"),
    "segments": (
        '<seg id="1">Bonjour</seg>\n<seg id="2">Ouvrez <b>tout</b></seg>\n<seg id="3"></seg>\n',
        "lines in tags (<seg>)",
        "one a line",
    ),
    "strings": ('/* ours */\n"a" = "Ouvrir";\n"b" = "Fermer";\n"c" = "Garder";\n', "keys with values", "prop2po -t"),
    "gettext": ('msgid ""\nmsgstr ""\n"Language: fr\\n"\n', "gettext", ".po"),
    "subtitles": ("1\n00:00:01,000 --> 00:00:04,000\nBonjour.\n", "subtitles", "sub2po -t"),
    "RTF": ("{\\rtf1\\ansi Bonjour}\n", "RTF", "plain text"),
}  # fmt: skip
TABLE = pa.table({"text": ["one", "two"], "label": ["a", "b"]})


def stored(write) -> bytes:
    """What a program writes into a file."""
    file = io.BytesIO()
    write(file)
    return file.getvalue()


def save_stream(file):
    with pa.ipc.new_stream(file, TABLE.schema) as stream:
        stream.write_table(TABLE)


BINARY = {  # content, what it is called, the way out
    "gzip": (gzip.compress(b"a"), "packed by gzip", "end in .gz"),
    "bzip2": (bz2.compress(b"a"), "packed by bzip2", "bzip2 -d"),
    "xz": (lzma.compress(b"a"), "packed by xz", "xz -d"),
    "zstd": (pa.compress(b"a", codec="zstd", asbytes=True), "packed by zstd", "zstd -d"),
    "a sheet": (
        stored(lambda file: zipfile.ZipFile(file, "w").writestr("a", "b")),
        "an archive (.zip, .docx) or a sheet",
        "end in .xlsx",
    ),
    "an old sheet": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a sheet or document of Office", "end in .xls"),
    "Parquet": (stored(lambda file: pq.write_table(TABLE, file)), "Parquet", "end in .parquet"),
    "Feather": (stored(lambda file: feather.write_feather(TABLE, file)), "Arrow (Feather)", "end in .arrow"),
    "Arrow": (stored(save_stream), "a stream of Arrow", "end in .arrow"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\n", "PDF", "pdftotext"),
}


def write(folder: Path, content: str, name: str = "a.fr") -> str:
    (folder / name).write_text(content, encoding="utf-8")
    return str(folder / name)


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_format_that_is_not_read_is_named_wherever_texts_are_read(tmp_path, kind):
    content, name, way = FOREIGN[kind]
    file = write(tmp_path, content)
    reads = [
        lambda: list(stream_texts(file, "text")),
        lambda: list(open_place({"en": file, "fr": file}, "train").rows),
        lambda: list(open_place(file, "train").rows),
    ]
    for read in reads:
        with pytest.raises(DataError) as caught:
            read()
        said = str(caught.value)
        assert said.startswith(f"{file}: holds {name}")
        assert way in said
        assert "\n" not in said


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt"])
@pytest.mark.parametrize("kind", BINARY)
def test_a_file_that_is_no_text_is_named_with_the_way_out(tmp_path, kind, name):
    content, called, way = BINARY[kind]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        list(stream_texts(str(tmp_path / name), "text"))
    assert str(caught.value).startswith(f"{tmp_path / name}:1: the file is {called}; ")
    assert way in str(caught.value)


def test_a_text_may_begin_with_the_name_of_a_format(tmp_path):
    file = write(tmp_path, "PAR1 is a gene\nPK is a grade\nBZh\n")
    assert list(stream_texts(file, "text")) == ["PAR1 is a gene", "PK is a grade", "BZh"]


TEXTS = {
    "tags here and there": "Press <b>Save</b>.\n<br>\n<a href='x'>Here</a>\nif a < b: c > d\n",
    "a tag at the start": "<b>Save</b> all files\n<i>Open</i> one\n",
    "lines in tags among others": "<p>Save</p>\n<p>Open</p>\n<p>Close</p>\nOpen a file\n",
    "lines in several tags": "<p>Save</p>\n<li>Open</li>\n<b>Close</b>\n<p>Leave</p>\n",
    "an image alone": "<img src='a.png'>\n<b>Save</b>\nOpen\n",
    "markup spoken of": "<html> is what a page starts with\nand it ends otherwise\n",
    "tokens of a language": "<2fr> hello\n<2de> hello\n",
    "a rare word": "<unk>\nhello\n",
    "a comment": "<!-- remark -->\nhello\n",
    "some assignments": "x = 1\nx = 2\nprint(x)\nx = 3\n",
    "sums": "a = b\nhello\n",
    "objects as targets": '{"intent": "open"}\n{"intent": "close"}\n',
    "times": "from 00:00:01,000 on\n",
    "nothing": "",
    "blanks": "\n \n\n",
}


@pytest.mark.parametrize("kind", TEXTS)
def test_text_that_resembles_another_format_is_read_line_by_line(tmp_path, kind):
    assert list(stream_texts(write(tmp_path, TEXTS[kind]), "text")) == TEXTS[kind].splitlines()


def test_a_document_on_standard_input_is_refused_by_its_first_line_and_text_is_not():
    with pytest.raises(DataError, match="standard input: holds XML"):
        list(stream_texts(None, "text", standard_input=[b'<?xml version="1.0"?>\n', b"<a>\n"]))
    assert list(stream_texts("-", "text", standard_input=[b"<b>Save</b>\n", b"k=v\n"])) == ["<b>Save</b>", "k=v"]


def test_lines_before_a_fault_are_given_before_it(tmp_path):
    (tmp_path / "a.fr").write_bytes(b"un\ndeux\n\xe9\n")
    texts = stream_texts(str(tmp_path / "a.fr"), "text")
    assert [next(texts), next(texts)] == ["un", "deux"]
    with pytest.raises(DataError, match=r"a\.fr:3: byte 0xe9"):
        next(texts)


SOURCE = """<srcset setid="t" srclang="any">
<DOC docid="d" genre=news>
<hl><seg id="1">Fish &amp; chips</seg></hl>
<p>
<seg id=2>AT&T opens
  the door </seg>
</p></DOC>
<doc docid="e"><seg id="1">Close it.</seg></doc></srcset>
"""
TARGET = (
    SOURCE.replace("srcset", "refset").replace("Fish", "Poisson").replace("opens", "ouvre").replace("Close", "Ferme")
)


def rows(folder: Path, source: str, target: str) -> list[tuple[int, dict[str, object]]]:
    files = {"en": write(folder, source, "src.txt"), "fr": write(folder, target, "ref.txt")}
    return [(row.number, dict(row.cells)) for row in open_place(files, "train").rows]


def test_both_sides_of_a_test_set_in_sgml_are_read_segment_by_segment(tmp_path):
    assert rows(tmp_path, SOURCE, TARGET) == [
        (3, {"en": "Fish & chips", "fr": "Poisson & chips"}),
        (5, {"en": "AT&T opens the door", "fr": "AT&T ouvre the door"}),
        (8, {"en": "Close it.", "fr": "Ferme it."}),
    ]


def test_a_side_in_sgml_may_stand_beside_plain_lines_and_be_predicted_on(tmp_path):
    assert [row["fr"] for _, row in rows(tmp_path, SOURCE, "un\ndeux\ntrois\n")] == ["un", "deux", "trois"]
    assert list(stream_texts(str(tmp_path / "src.txt"), "text"))[2] == "Close it."


SGML_FAULTS = {
    "another order": (TARGET.replace('"e"', '"f"'), "e, segment 1 ({0}/src.txt:8) beside f, segment 1 ({0}/ref.txt:8)"),
    "two references": (TARGET.replace("=2", '="1"'), "ref.txt:5: 'd, segment 1' for the second time"),
    "a segment less": (TARGET[: TARGET.index('<doc docid="e"')], "{0}/ref.txt:6: this segment is missing: {0}/src.txt"),
}  # fmt: skip


@pytest.mark.parametrize("case", SGML_FAULTS)
def test_sides_in_sgml_that_do_not_belong_together_are_refused(tmp_path, case):
    target, words = SGML_FAULTS[case]
    with pytest.raises(DataError) as caught:
        rows(tmp_path, SOURCE, target)
    assert words.format(tmp_path) in str(caught.value)


def test_one_side_in_sgml_alone_is_no_table(tmp_path):
    with pytest.raises(DataError, match=r"one side of a test set in SGML.*name both"):
        open_place(write(tmp_path, SOURCE, "src.sgm"), "train")
