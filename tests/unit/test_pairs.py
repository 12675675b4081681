"""Pairs of texts: parallel files and TMX; what is read and what is refused."""

import gzip
from pathlib import Path

import pytest
import yaml

from nlp_transfer.config.data import DataConfig
from nlp_transfer.config.load import load_config, render
from nlp_transfer.data.formats.tables import open_rows
from nlp_transfer.data.splits import load_splits, read_rows, stream_texts
from nlp_transfer.errors import ConfigError, DataError

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
    assert [next(given).cells for _ in range(5000)] == [{"en": "Open"}] * 5000
    with pytest.raises(DataError, match=r"a\.tmx:5002: broken XML at position 3: mismatched tag"):
        next(given)


def test_a_tmx_that_multiplies_entities_is_refused_at_its_declaration(tmp_path):
    lines = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">\n' for i in range(1, 10))
    unit = '<tu><tuv lang="en"><seg>&l9;</seg></tuv></tu>'
    bomb = f'<!DOCTYPE tmx [\n<!ENTITY l0 "lol">\n{lines}]>\n<tmx><body>{unit}</body></tmx>'
    assert "a.tmx:2: declares the entity 'l0'" in refusal(write(tmp_path, "a.tmx", bomb))


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


SEGMENTS = {  # of English, without its codes
    "a sub-flow": (
        "Click <bpt i='1'>&lt;a title='<sub>Help <ph/>page</sub>'&gt;</bpt>here<ept i='1'/>.",
        "Click here.",
    ),
    "a sub-flow between blanks": ("Press <ph>&lt;img alt='<sub>Save</sub>'&gt;</ph> now", "Press now"),
    "blanks around codes": ("Page <ph x='1'/> of <ph x='2'>{1}</ph>", "Page of"),
    "a code at the start": ("<ph/> files", "files"),
    "codes within a word": ("un<bpt i='1'/>like<ept i='1'/>ly", "unlikely"),
    "a blank on one side": ("a<ph/> b <ph/>c", "a b c"),
    "several codes": ("a <ph/> <ph/> b", "a b"),
    "a break of line": ("one<ph type='lb'/>two", "one two"),
    "a break of line after a blank": ("one <ph type='lb'>&lt;br&gt;</ph>two", "one two"),
    "no code": ("  two  blanks ", "  two  blanks "),
}


@pytest.mark.parametrize("case", SEGMENTS)
def test_codes_of_a_tmx_segment_are_left_out_with_what_they_hold_and_no_blank_doubled(tmp_path, case):
    segment, text = SEGMENTS[case]
    unit = f'<tmx><body><tu><tuv xml:lang="en"><seg>{segment}</seg></tuv></tu></body></tmx>'
    assert rows(write(tmp_path, "a.tmx", unit)) == [(1, {"en": text})]


LANGUAGES = {  # codes in a unit, the one asked for, the one found
    "as written": (["EN-US", "en-us"], "en-us", "en-us"),
    "in other letters": (["EN-US", "FR-FR"], "en_us", "EN-US"),
    "in two spellings": (["en-US", "EN-US"], "EN_US", "en-US"),
    "by its language": (["EN-US", "FR-FR"], "fr", "FR-FR"),
    "a language for a region": (["en", "fr"], "en-US", "en"),
    "exactly rather than by its language": (["en-US", "EN"], "en", "EN"),
    "not another region": (["pt-PT", "en"], "pt-BR", None),
    "not another language": (["eng", "fr"], "en", None),
}


@pytest.mark.parametrize("case", LANGUAGES)
def test_a_language_of_a_tmx_file_is_found_under_any_spelling(tmp_path, case):
    codes, wanted, found = LANGUAGES[case]
    texts = "".join(f'<tuv xml:lang="{code}"><seg>{code}</seg></tuv>' for code in codes)
    path = write(tmp_path, "a.tmx", f"<tmx><body><tu>{texts}</tu></body></tmx>")
    if found is None:
        with pytest.raises(DataError, match=f"no column '{wanted}'. Known: {', '.join(sorted(codes))}"):
            list(stream_texts(path, wanted))
    else:
        assert list(stream_texts(path, wanted)) == [found]


def test_units_that_spell_a_language_in_two_ways_are_all_read(tmp_path):
    units = "".join(
        f'<tu><tuv xml:lang="{"en-US" if i % 3 else "EN-us"}"><seg>door {i}</seg></tuv>'
        f'<tuv xml:lang="{"fr" if i % 2 else "FR"}"><seg>porte {i}</seg></tuv></tu>' for i in range(12)
    )  # fmt: skip
    path = write(tmp_path, "a.tmx", f"<tmx><body>{units}</body></tmx>")
    assert len(read_rows(path, {"source": "en-US", "target": "fr"}, ROLES)) == 12


def test_a_language_that_may_be_two_of_a_unit_is_refused_with_both(tmp_path):
    texts = "".join(f'<tuv xml:lang="{code}"><seg>a</seg></tuv>' for code in ("en-GB", "en-US", "fr"))
    path = write(tmp_path, "a.tmx", f"<tmx><body>\n<tu>{texts}</tu></body></tmx>")
    with pytest.raises(DataError, match=r"a\.tmx:2: 'en' may be en-GB or en-US; name one of them in data\.columns"):
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
    with pytest.raises(ConfigError, match=r"data\.train: .*; expected at least 2 entries"):
        load_config({**BASE, "data": {"train": {"en": "a.en"}}})
