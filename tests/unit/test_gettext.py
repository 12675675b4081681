"""Gettext: what of .po and .mo files is read, what is refused, and which plural forms go with which number."""

import gzip
import logging
import struct
from pathlib import Path

import pytest

from nlp_transfer.config.data import DataConfig
from nlp_transfer.data.formats import gettext_files
from nlp_transfer.data.formats.plurals import PluralRule, pair_forms
from nlp_transfer.data.formats.tables import open_rows
from nlp_transfer.data.splits import load_splits, stream_texts
from nlp_transfer.errors import DataError

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
ENTRIES = [("Open", "Ouvrir"), ("%d file", "%d fichier"), ("%d files", "%d fichiers"), ("two parts", "deux parties")]


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


@pytest.mark.parametrize(("name", "pack"), [("a.po", str.encode), ("a.po.gz", packed)])
def test_po_gives_finished_translations_and_no_header_fuzzy_obsolete_or_empty_ones(tmp_path, name, pack):
    found = rows(write(tmp_path, name, pack(PO)))
    assert [(row["msgid"], row["msgstr"]) for _, row in found] == ENTRIES


def test_po_entries_are_numbered_by_the_line_they_start_on(tmp_path):
    starts = [PO.splitlines()[number - 1] for number, _ in rows(write(tmp_path, "a.po", PO))]
    assert starts == ["#: a.py:3", 'msgctxt "menu"', 'msgctxt "menu"', 'msgid "two "']


def test_a_po_string_may_hold_what_only_python_takes_for_a_line_end(tmp_path):
    assert rows(write(tmp_path, "a.po", 'msgid "a\u2028b"\nmsgstr "c"\n')) == [
        (1, {"msgid": "a\u2028b", "msgstr": "c"})
    ]


@pytest.mark.parametrize("gap", ["\n\n", "\n"])  # entries need no empty line between them
def test_a_po_file_that_is_read_in_parts_gives_what_it_gives_as_a_whole(tmp_path, monkeypatch, gap):
    def read() -> tuple[object, object]:
        stream = open_rows(path)
        return [(row.number, dict(row.cells)) for row in stream.rows], stream.findings.left_out

    start = "\n".join(['msgid ""', 'msgstr ""', f'"Plural-Forms: {ARABIC}\\n"'])
    plural = ['msgid "%d file"', 'msgid_plural "%d files"', *(f'msgstr[{form}] "%d {form}"' for form in range(6))]
    more = ['# of two\n#, fuzzy\n#| msgid "x"\nmsgid "y"\nmsgstr "z"', "\n".join(plural)]
    path = write(tmp_path, "a.po", gap.join([start, *more, *PO.strip().split("\n\n")[1:], *more]) + "\n")
    whole = read()
    monkeypatch.setattr(gettext_files, "PART", 0)
    assert read() == whole


def test_a_po_file_is_refused_in_a_later_part_by_its_line(tmp_path, monkeypatch):
    monkeypatch.setattr(gettext_files, "PART", 0)
    content = 'msgid "a"\nmsgstr "b"\n\nmsgid "c"\nmsgstr "d"\n\n# e\nmsgid "f"\nmsgid "g"\n'
    assert refusal(write(tmp_path, "a.po", content)).startswith(f"{tmp_path}/a.po:9: not gettext")


@pytest.mark.parametrize("content", [MO, mo(ENTRIES[:3], ">")])
def test_mo_gives_translations_without_header_and_context_in_either_byte_order(tmp_path, content):
    found = rows(write(tmp_path, "a.mo", content))
    assert [(row["msgid"], row["msgstr"]) for _, row in found] == ENTRIES[:3]
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


ARABIC = "nplurals=6; plural=n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5;"
RUSSIAN = "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);"
LANGUAGES = {  # rule, forms, pairs
    "Arabic, where the first form is for none": (
        ARABIC,
        ["none", "%d one", "%d two", "few", "many", "rest"],
        [("%d file", "%d one"), ("%d files", "%d two")],
    ),
    "French": ("nplurals=2; plural=(n > 1);", ["%d one", "%d more"], [("%d file", "%d one"), ("%d files", "%d more")]),
    "Russian": (RUSSIAN, ["%d one", "%d few", "%d many"], [("%d file", "%d one"), ("%d files", "%d few")]),
    "the form for many first": (
        "nplurals=2; plural=n==1;",
        ["%d b", "%d a"],
        [("%d file", "%d a"), ("%d files", "%d b")],
    ),
    "Japanese, of one form": ("nplurals=1; plural=0;", ["%d any"], [("%d files", "%d any")]),
    "no rule, two forms": (None, ["%d one", "%d more"], [("%d file", "%d one"), ("%d files", "%d more")]),
    "no rule, one form": (None, ["%d any"], [("%d files", "%d any")]),
    "no rule, three forms": (None, ["%d one", "%d few", "%d many"], []),
    "the rule of a template": ("nplurals=INTEGER; plural=EXPRESSION;", ["%d a", "%d b", "%d c"], []),
    "a rule that divides by nothing": ("nplurals=3; plural=n/0;", ["%d a", "%d b", "%d c"], []),
    "a rule beyond its own forms": ("nplurals=3; plural=n+2;", ["%d a", "%d b", "%d c"], []),
    "a rule of another number of forms": (RUSSIAN, ["%d one", "%d more"], []),
    "no form for two": (ARABIC, ["none", "%d one", "", "few", "many", "rest"], []),
    "a form for two without its number": (ARABIC, ["none", "%d one", "two", "%d", "%d", "%d"], [("%d file", "%d one")]),
    "one form, without its number": ("nplurals=1; plural=0;", ["any"], []),
}  # fmt: skip


def header(rule: str | None) -> str:
    return "Language: xx\n" + (f"Plural-Forms: {rule}\n" if rule else "")


def write_po(folder: Path, rule: str | None, forms: list[str]) -> str:
    lines = ['msgid ""', 'msgstr ""', *(f'"{line}\\n"' for line in header(rule).splitlines()), ""]
    lines += ['msgid "Save"', 'msgstr "saved"', "", 'msgid "%d file"', 'msgid_plural "%d files"']
    lines += [f'msgstr[{index}] "{form}"' for index, form in enumerate(forms)]
    return write(folder, "a.po", "\n".join(lines) + "\n")


def write_mo(folder: Path, rule: str | None, forms: list[str]) -> str:
    plural = ("menu\x04%d file\0%d files", "\0".join(forms))
    return write(folder, "a.mo", mo([("", header(rule)), ("Save", "saved"), plural]))


@pytest.mark.parametrize("write", [write_po, write_mo])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_forms_for_one_and_two_are_paired_by_the_rule_of_the_file(tmp_path, language, write):
    rule, forms, pairs = LANGUAGES[language]
    stream = open_rows(write(tmp_path, rule, forms))
    found = [(row.cells["msgid"], row.cells["msgstr"]) for row in stream.rows]
    assert found == [("Save", "saved"), *pairs]
    assert sum(map(len, stream.findings.left_out.values())) == 1 - len(pairs) // 2  # what is not paired is counted


@pytest.mark.parametrize(
    ("source", "form", "kept"),
    [
        ("One file", "%d файл", False),
        ("%d file", "один файл", False),
        ("{n} of {all} files", "{n} из {all}", True),
        ("{n} of {all} files", "{n} файла", False),
        ("%(n)d files in %(place)s", "%(place)s: %(n)d", True),
        ("%1$d files in %2$s", "%2$s: %1$'d", True),
        ("%1 files", "файлы", False),
        ("100%% of %d", "%d: 100 %", True),
    ],
)
def test_a_plural_form_goes_with_a_source_that_has_as_many_numbers(source, form, kept):
    rule = PluralRule(3, 0, 1)
    found = pair_forms([source, "%d others"], [form, "%d иных", "%d прочих"], rule)
    assert found.pairs == [*([(source, form)] if kept else []), ("%d others", "%d иных")]
    assert (found.lacking is None) == kept


UNFINISHED = r"""msgid "Open"
msgstr "Ouvrir"

#, fuzzy
msgid "Close"
msgstr "Peut-être"

msgid "Untranslated"
msgstr ""

msgid "%d day"
msgid_plural "%d days"
msgstr[0] ""
msgstr[1] ""

#~ msgid "Old"
#~ msgstr "Vieux"
"""


def test_what_of_a_po_file_is_left_out_is_counted_by_reason_in_the_report(tmp_path):
    more = "".join(f'\nmsgid "open {i}"\nmsgstr "ouvrir {i}"\n' for i in range(20))
    (tmp_path / "a.po").write_text(UNFINISHED + more, encoding="utf-8")
    data = DataConfig(train=str(tmp_path / "a.po"), columns={"source": "msgid", "target": "msgstr"})
    report = load_splits(data, {"source": "text", "target": "text"}).report
    found = {drop.reason: (drop.count, drop.rows) for drop in report.splits["train"].dropped}
    assert found == {"fuzzy": (1, (4,)), "not translated": (2, (8, 11)), "obsolete": (1, (16,))}
    assert "train: 2 rows dropped: not translated (first: 8, 11)" in report.warnings


@pytest.mark.parametrize("rows", [1, 1000])
def test_texts_to_predict_on_need_no_translation_of_their_own(tmp_path, caplog, rows):
    (tmp_path / "a.po").write_text(UNFINISHED * rows, encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        texts = list(stream_texts(str(tmp_path / "a.po"), "msgid"))
    assert texts == ["Open", "Close", "Untranslated", "%d day", "%d days"] * rows
    assert f"a.po: {rows:,} {'row' if rows == 1 else 'rows'} dropped: obsolete (first: 16" in caplog.text


def test_texts_to_predict_on_come_from_a_mo_file_whatever_its_plurals_are(tmp_path):
    (tmp_path / "a.mo").write_bytes(mo([("One file\0%d files", "a\0b\0c"), ("menu\x04Open", "")]))
    assert list(stream_texts(str(tmp_path / "a.mo"), "msgid")) == ["One file", "%d files", "Open"]


def test_of_translations_to_predict_on_those_that_are_not_finished_are_left_out(tmp_path, caplog):
    (tmp_path / "a.po").write_text(UNFINISHED, encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        assert list(stream_texts(str(tmp_path / "a.po"), "msgstr")) == ["Ouvrir"]
    assert "a.po: 1 row dropped: fuzzy (first: 4)" in caplog.text
