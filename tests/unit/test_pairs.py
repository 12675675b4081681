"""The formats of translators: parallel files, TMX and gettext; what is read and what is refused."""

import gzip
import struct
import time
from pathlib import Path

import pytest
import yaml

from nlp_transfer.config import DataConfig, load_config, render
from nlp_transfer.data import load_splits, read_rows, stream_texts
from nlp_transfer.errors import ConfigError, DataError
from nlp_transfer.readers import open_rows

ROLES = {"source": "text", "target": "text"}
TMX = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en"/>
<body>
  <tu><note>seen</note>
    <tuv xml:lang="en"><seg>Save <bpt i="1">&lt;b&gt;</bpt><hi>all</hi><ept i="1">&lt;/b&gt;</ept> files</seg></tuv>
    <tuv xml:lang="fr-FR"><seg>Tout enregistrer &amp; fermer</seg></tuv></tu>
  <tu><tuv lang="en"><seg>Open</seg></tuv><tuv lang="fr-FR"><seg>Ouvrir</seg></tuv></tu>
</body></tmx>
"""
UNITS = [(5, {"en": "Save all files", "fr-FR": "Tout enregistrer & fermer"}), (8, {"en": "Open", "fr-FR": "Ouvrir"})]
PO = r"""# a comment
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\n"

#: a.py:3
msgid "Open"
msgstr "Ouvrir"

#, fuzzy
msgid "Close"
msgstr "Peut-être"

msgid "Untranslated"
msgstr ""

msgctxt "menu"
msgid "%d file"
msgid_plural "%d files"
msgstr[0] "%d fichier"
msgstr[1] "%d fichiers"

msgid "two "
"parts"
msgstr "deux"
" parties"

#~ msgid "Old"
#~ msgstr "Vieux"
"""
ENTRIES = [("Open", "Ouvrir"), ("%d file", "%d fichier"), ("two parts", "deux parties")]


def mo(pairs: list[tuple[str, str]], order: str = "<") -> bytes:
    """A compiled gettext file as msgfmt lays it out."""
    strings = [one.encode() for pair in zip(*pairs, strict=True) for one in pair]
    start, places, body = 28 + 8 * len(strings), b"", b""
    for string in strings:
        places += struct.pack(f"{order}2I", len(string), start + len(body))
        body += string + b"\0"
    head = struct.pack(f"{order}7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, start)
    return head + places + body


MO = mo(
    [("", "Language: fr\n"), ("Open", "Ouvrir"), ("menu\x04%d file\0%d files", "%d fichier\0%d fichiers"), ("x", "")]
)


def write(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def packed(text: str) -> bytes:
    return gzip.compress(text.encode())


def rows(path: str) -> list[tuple[int, dict[str, object]]]:
    return [(row.number, dict(row.cells)) for row in open_rows(path).rows]


def refusal(path: str) -> str:
    with pytest.raises(DataError) as caught:
        rows(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("name", "pack"), [("a.tmx", str.encode), ("a.TMX.gz", packed)])
def test_tmx_gives_a_column_for_each_language_as_written_and_the_line_of_each_unit(tmp_path, name, pack):
    assert rows(write(tmp_path, name, pack(TMX))) == UNITS


def test_tmx_may_be_utf_16(tmp_path):
    assert rows(write(tmp_path, "a.tmx", TMX.replace("UTF-8", "UTF-16").encode("utf-16"))) == UNITS


def test_tmx_streams_and_gives_what_stands_before_a_fault(tmp_path):
    unit = "<tu><tuv lang='en'><seg>Open</seg></tuv></tu>\n"
    path = write(tmp_path, "a.tmx", f"<tmx><body>\n{unit * 5000}</bdy>")
    given = open_rows(path).rows
    assert next(given).cells == {"en": "Open"}
    with pytest.raises(DataError, match=r"a\.tmx:5002: broken XML at position 3: mismatched tag"):
        list(given)


def test_a_tmx_that_multiplies_entities_is_refused_at_once(tmp_path):
    lines = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">\n' for i in range(1, 10))
    unit = '<tu><tuv lang="en"><seg>&l9;</seg></tuv></tu>'
    bomb = f'<!DOCTYPE tmx [\n<!ENTITY l0 "lol">\n{lines}]>\n<tmx><body>{unit}</body></tmx>'
    start = time.perf_counter()
    assert "a.tmx:2: declares the entity 'l0'" in refusal(write(tmp_path, "a.tmx", bomb))
    assert time.perf_counter() - start < 1


TMX_FAULTS = {
    "an outside entity": ('<!DOCTYPE tmx [<!ENTITY x SYSTEM "file:///x">]>\n<tmx/>', "a.tmx:1: declares the entity"),
    "an entity nobody declares": (TMX.replace("Ouvrir", "&eacute;"), "a.tmx:8: unknown entity 'eacute'"),
    "cut short": (TMX[:-30], "a.tmx:8: broken XML"),
    "not XML": ("source\ttarget\n", "a.tmx:1: broken XML at position 1"),
    "another kind of XML": ("<html>\n</html>", "a.tmx:1: expected <tmx>, found <html>"),
    "no unit": ("<tmx><body></body></tmx>", "a.tmx:1: the file holds no translation unit"),
    "empty": ("", "a.tmx:1: broken XML at position 1: no element found"),
    "an encoding that is not one": ('<?xml version="1.0" encoding="klingon"?><tmx/>', "a.tmx:1: "),
    "latin-1 without saying so": (TMX.replace("Ouvrir", "café").encode("latin-1"), "a.tmx:8: broken XML"),
}  # fmt: skip


@pytest.mark.parametrize("case", TMX_FAULTS)
def test_a_fault_in_a_tmx_file_is_one_line_naming_the_place(tmp_path, case):
    content, words = TMX_FAULTS[case]
    assert refusal(write(tmp_path, "a.tmx", content)).startswith(f"{tmp_path}/{words}")


@pytest.mark.parametrize(("name", "pack"), [("a.po", str.encode), ("a.po.gz", packed)])
def test_po_gives_finished_translations_and_no_header_fuzzy_obsolete_or_empty_ones(tmp_path, name, pack):
    found = rows(write(tmp_path, name, pack(PO)))
    assert [(row["msgid"], row["msgstr"]) for _, row in found] == ENTRIES


def test_po_entries_are_numbered_by_the_line_they_start_on(tmp_path):
    starts = [PO.splitlines()[number - 1] for number, _ in rows(write(tmp_path, "a.po", PO))]
    assert starts == ["#: a.py:3", 'msgctxt "menu"', 'msgid "two "']


def test_a_po_string_may_hold_what_only_python_takes_for_a_line_end(tmp_path):
    assert rows(write(tmp_path, "a.po", 'msgid "a\u2028b"\nmsgstr "c"\n')) == [
        (1, {"msgid": "a\u2028b", "msgstr": "c"})
    ]


@pytest.mark.parametrize("content", [MO, mo([("Open", "Ouvrir"), ("%d file", "%d fichier")], ">")])
def test_mo_gives_translations_without_header_context_and_plural_in_either_byte_order(tmp_path, content):
    found = rows(write(tmp_path, "a.mo", content))
    assert [(row["msgid"], row["msgstr"]) for _, row in found] == ENTRIES[:2]
    assert rows(write(tmp_path, "a.mo.gz", gzip.compress(content))) == found


@pytest.mark.parametrize("size", [5, 12, 20, 40, 60, 92, len(MO) - 30, len(MO) - 15])
def test_an_mo_file_cut_anywhere_is_refused(tmp_path, size):
    assert "damaged or cut short" in refusal(write(tmp_path, "a.mo", MO[:size]))


GETTEXT_FAULTS = {
    "not po": ("a.po", "text,label\na,b\n", "a.po:1: not gettext"),
    "an open quote": ("a.po", 'msgid "a"\nmsgstr "b"\n\nmsgid "x"\nmsgstr "y\n', "a.po:5: not gettext"),
    "a plural without number": ("a.po", 'msgid "a"\nmsgid_plural "as"\nmsgstr[x] "b"\n', "a.po:3: not gettext"),
    "a msgstr alone": ("a.po", 'msgstr "a"\n', "a.po:1: not gettext"),
    "latin-1 po": ("a.po", 'msgid "a"\nmsgstr "caf\xe9"\n'.encode("latin-1"), "a.po:2: byte 0xe9"),
    "nothing translated": ("a.po", 'msgid "a"\nmsgstr ""\n', "a.po:1: the file holds no translated entry"),
    "not mo": ("a.mo", b"PK\x03\x04", "a.mo: not a compiled gettext file"),
    "latin-1 mo": ("a.mo", MO.replace(b"Ouvrir", b"Ouvri\xe9"), "a.mo: entry 2 is not UTF-8"),
    "endless mo": ("a.mo", MO[:8] + b"\xff" * 4 + MO[12:], "a.mo: damaged"),
    "damaged gzip": ("a.mo.gz", gzip.compress(MO)[:40], "a.mo.gz: cannot be read"),
}


@pytest.mark.parametrize("case", GETTEXT_FAULTS)
def test_a_fault_in_a_gettext_file_is_one_line_naming_the_place(tmp_path, case):
    name, content, words = GETTEXT_FAULTS[case]
    assert refusal(write(tmp_path, name, content)).startswith(f"{tmp_path}/{words}")


@pytest.mark.parametrize(
    ("name", "content", "column", "texts"),
    [
        ("a.tmx", TMX, "fr-FR", ["Tout enregistrer & fermer", "Ouvrir"]),
        ("a.po", PO, "msgid", [source for source, _ in ENTRIES]),
    ],
)
def test_texts_to_predict_on_may_come_from_the_formats_of_translators(tmp_path, name, content, column, texts):
    assert list(stream_texts(write(tmp_path, name, content), column)) == texts


def test_a_language_that_is_not_there_is_answered_with_those_that_are(tmp_path):
    path = write(tmp_path, "a.tmx", TMX)
    with pytest.raises(DataError, match=r"no column 'fr'\. Known: en, fr-FR"):
        read_rows(path, {"source": "en", "target": "fr"}, ROLES)


def parallel(folder: Path, english: str | bytes, german: str | bytes, suffix: str = "") -> dict[str, str]:
    return {"en": write(folder, f"a.en{suffix}", english), "de": write(folder, f"a.de{suffix}", german)}


COLUMNS = {"source": "en", "target": "de"}


def test_parallel_files_are_rows_and_keep_their_line_numbers(tmp_path):
    files = parallel(tmp_path, "one\n\nthree\n", "eins\nzwei\ndrei")
    found = read_rows(files, COLUMNS, ROLES)
    assert found.to_dict() == {"source": ["one", "three"], "target": ["eins", "drei"], "row": [1, 3]}


def test_parallel_files_may_be_gzipped(tmp_path):
    files = parallel(tmp_path, gzip.compress(b"one\n"), gzip.compress(b"eins\n"), ".gz")
    assert list(read_rows(files, COLUMNS, ROLES)["target"]) == ["eins"]


def test_every_split_may_be_parallel_files(tmp_path):
    files = parallel(tmp_path, *("".join(f"{word} {i}\n" for i in range(20)) for word in ("cat", "Katze")))
    splits = load_splits(DataConfig(train=files, test=files, columns=COLUMNS), ROLES)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (18, 2, 20)
    assert splits.report.splits["test"].origin == f"{tmp_path}/a.en + {tmp_path}/a.de"


PARALLEL_FAULTS = {
    "unequal": (
        "one\ntwo\nthree\n",
        "eins\n",
        "{0}/a.de:2: this line is missing: {0}/a.en has 3 lines, {0}/a.de has 1 lines",
    ),
    "empty": ("", "", "a.en:1: the file holds nothing"),
    "one empty": ("", "eins\n", "{0}/a.en:1: this line is missing: {0}/a.en has 0 lines, {0}/a.de has 1 lines"),
    "not UTF-8": (b"one\n", b"\xe9\n", "a.de:1: byte 0xe9"),
}


@pytest.mark.parametrize("case", PARALLEL_FAULTS)
def test_parallel_files_that_do_not_fit_are_refused_with_both_names(tmp_path, case):
    english, german, words = PARALLEL_FAULTS[case]
    with pytest.raises(DataError) as caught:
        read_rows(parallel(tmp_path, english, german), COLUMNS, ROLES)
    assert words.format(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("second", "words"), [("none.de", "none.de: no such file"), ("a.csv", "a.csv: is a table, not lines of text")]
)
def test_a_parallel_file_that_is_none_is_said_so(tmp_path, second, words):
    write(tmp_path, "a.csv", "de\neins\n")
    with pytest.raises(DataError, match=words):
        read_rows({"en": write(tmp_path, "a.en", "one\n"), "de": str(tmp_path / second)}, COLUMNS, ROLES)


BASE = {"task": {"name": "sentiment"}, "data": {"train": {"text": "a.en", "label": "a.de"}}}


def test_a_configuration_may_name_parallel_files_and_is_written_back_the_same():
    config = load_config(BASE, ["data.train.text=x.en", "data.test.text=y.en", "data.test.label=y.de"])
    assert config.data.train == {"text": "x.en", "label": "a.de"}
    assert config.data.test == {"text": "y.en", "label": "y.de"}
    assert load_config(yaml.safe_load(render(config))) == config


def test_one_parallel_file_is_refused():
    with pytest.raises(ConfigError, match=r"data\.train: .* at least 2 items"):
        load_config({**BASE, "data": {"train": {"en": "a.en"}}})
