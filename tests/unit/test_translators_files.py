"""Files of translators: pairs in XLIFF and Qt's .ts, and the texts of one language under keys."""

import json
from pathlib import Path

import pytest

from nlp_transfer.data.formats.android import unescape
from nlp_transfer.data.formats.arb import list_forms
from nlp_transfer.data.formats.cells import stream_texts
from nlp_transfer.data.locations import open_place
from nlp_transfer.data.splits import read_rows
from nlp_transfer.errors import DataError

XLIFF1 = """<?xml version="1.0" encoding="utf-8"?>
<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">
<file source-language="en-US" target-language="fr" original="a" datatype="plaintext"><body>
<trans-unit id="1"><source>Open the <g id="1">file</g> now</source>
<target state="translated">Ouvrir le <g id="1">fichier</g></target>
<alt-trans><source>Open</source><target>Ouvre</target></alt-trans></trans-unit>
<trans-unit id="2"><source>Press <bpt id="1">&lt;b&gt;</bpt>Save<ept id="1">&lt;/b&gt;</ept></source>
<target><mrk mtype="seg">Appuyez.</mrk></target></trans-unit>
<trans-unit id="3"><source>Later</source><target state="needs-translation">Later</target></trans-unit>
<trans-unit id="4" translate="no"><source>nlp</source><target>nlp</target></trans-unit>
<trans-unit id="5"><source>New</source></trans-unit>
<group restype="x-gettext-plurals" id="6">
<trans-unit id="6[0]"><source>%d file</source><target>%d fichier</target></trans-unit>
<trans-unit id="6[1]"><source>%d files</source><target>%d fichiers</target></trans-unit></group>
</body></file></xliff>
"""
XLIFF2 = """<xliff version="2.1" xmlns="urn:oasis:names:tc:xliff:document:2.0" srcLang="en" trgLang="fr">
<file id="f"><unit id="1"><segment state="final"><source>Open. </source><target>Ouvrir.</target></segment>
<ignorable><source> </source></ignorable>
<segment><source>Close <pc id="1">it</pc><ph id="2"/>!</source>
<target>Fermez-<pc id="1">le</pc> !</target></segment></unit>
<unit id="2"><segment state="initial"><source>Later</source><target>Later</target></segment></unit></file></xliff>
"""
QT = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="fr_FR" sourcelanguage="en">
<context><name>Main</name>
<message><source>Fish &amp; chips</source><comment>x</comment><translation>Poisson et frites</translation></message>
<message numerus="yes"><source>%n file(s)</source><translation>
<numerusform>%n fichier</numerusform><numerusform>%n fichiers</numerusform></translation></message>
<message><source>Later</source><translation type="unfinished">Plus</translation></message>
<message><source>Old</source><translation type="vanished">Vieux</translation></message>
<message><source>Long</source><translation variants="yes"><lengthvariant>Longue version</lengthvariant>
<lengthvariant>L</lengthvariant></translation></message>
</context></TS>
"""


def write(folder: Path, name: str, content: str) -> str:
    (folder / name).write_text(content, encoding="utf-8")
    return str(folder / name)


def pairs(file: str, source: str = "source", target: str = "target") -> list[tuple[int, str, str]]:
    return [(row.number, row.cells[source], row.cells[target]) for row in open_place(file, "train").rows]


@pytest.mark.parametrize("name", ["a.xlf", "a.xliff", "a.xml", "a"])
def test_xliff_1_gives_its_finished_pairs_whatever_its_name(tmp_path, name):
    file = write(tmp_path, name, XLIFF1)
    found = [(4, "Open the file now", "Ouvrir le fichier"), (7, "Press Save", "Appuyez.")]
    found += [(12, "%d file", "%d fichier"), (12, "%d files", "%d fichiers")]
    assert pairs(file) == pairs(file, "en", "FR") == found


def test_what_is_left_out_of_xliff_is_counted_by_reason(tmp_path):
    stream = open_place(write(tmp_path, "a.xlf", XLIFF1), "train")
    assert len(list(stream.rows)) == 4
    assert dict(stream.findings.left_out) == {
        "state 'needs-translation'": [9],
        "not to be translated": [10],
        "not translated": [11],
    }


def test_plurals_of_xliff_without_a_unit_are_passed_over(tmp_path):
    empty = '<group restype="x-gettext-plurals"></group>'
    for name, content in (("a", XLIFF1), ("b", XLIFF1.replace("</body>", f"{empty}</body>"))):
        (tmp_path / f"{name}.xlf").write_text(content, encoding="utf-8")
    whole, padded = ([row.cells for row in open_place(str(tmp_path / f"{name}.xlf"), "train").rows] for name in "ab")
    assert padded == whole


def test_xliff_2_gives_a_pair_for_each_segment(tmp_path):
    file = write(tmp_path, "a.xlf", XLIFF2)
    assert pairs(file, "en", "fr") == [(2, "Open. ", "Ouvrir."), (2, "Close it!", "Fermez-le !")]


def test_qt_gives_its_finished_pairs_and_the_form_for_two(tmp_path):
    file = write(tmp_path, "a.ts", QT)
    found = [(5, "Fish & chips", "Poisson et frites"), (6, "%n file(s)", "%n fichiers"), (10, "Long", "Longue version")]
    assert pairs(file) == pairs(file, "en", "fr") == found


@pytest.mark.parametrize(("name", "content"), [("a.xlf", XLIFF1), ("a.ts", QT)])
def test_sources_are_predicted_on_without_their_translations(tmp_path, name, content):
    texts = list(stream_texts(write(tmp_path, name, content), "source"))
    assert "Later" in texts
    assert "New" in texts or name == "a.ts"


def test_pairs_are_read_for_training(tmp_path):
    roles = {"source": "text", "target": "text"}
    assert list(read_rows(write(tmp_path, "a.xlf", XLIFF2), {}, roles)["target"]) == ["Ouvrir.", "Fermez-le !"]


XML_FAULTS = {
    "an entity": ('<!DOCTYPE TS [<!ENTITY a "b">]>\n<TS></TS>', "a.ts:1: declares the entity 'a'"),
    "not closed": ("<TS>\n<context>\n", "a.ts:3: broken XML"),
    "deep": (f"<TS><message>{'<a>' * 200}{'</a>' * 200}</message></TS>\n", "a.ts:1: more than 100 elements"),
    "nothing finished": ("<TS>\n<message><source>a</source></message></TS>", "a.ts:1: the file holds no finished"),
}


@pytest.mark.parametrize("fault", XML_FAULTS)
def test_xml_that_cannot_be_read_is_refused_by_line(tmp_path, fault):
    content, words = XML_FAULTS[fault]
    with pytest.raises(DataError) as caught:
        pairs(write(tmp_path, "a.ts", content))
    assert words in str(caught.value)


def test_another_root_under_the_name_of_xliff_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"a\.xlf:1: expected <xliff>, found <tmx>"):
        pairs(write(tmp_path, "a.xlf", "<tmx></tmx>"))


ANDROID = """<?xml version="1.0" encoding="utf-8"?>
<!-- ours -->
<resources xmlns:xliff="urn:oasis:names:tc:xliff:document:1.2">
<string name="open">Open\\'s <xliff:g id="x">%1$s</xliff:g>, <b>now</b></string>
<string name="ours" translatable="false">ours</string>
<string name="ref">@string/open</string>
<plurals name="n"><item quantity="one">A file</item><item quantity="other">%d files</item></plurals>
<string-array name="days"><item>Mo</item><item>Tu</item></string-array>
</resources>
"""
ANDROID_FR = """<resources><string name="days">Jour</string>
<plurals name="n"><item quantity="other">%d fichiers</item><item quantity="one">%d fichier</item></plurals>
<string name="open">Ouvrir %1$s</string><string-array name="days"><item>Lu</item></string-array></resources>
"""
RESX = """<?xml version="1.0" encoding="utf-8"?>
<root><resheader name="resmimetype"><value>text/microsoft-resx</value></resheader>
<data name="open" xml:space="preserve"><value>{0}</value><comment>c</comment></data>
<data name="logo" type="System.Resources.ResXFileRef"><value>a.png;b</value></data>
<data name="$this.Text"><value>x</value></data></root>
"""
ARB = {"@@locale": "en", "open": "Open", "@open": {"description": "x"}, "n": "{c, plural, =1{1 file} other{{c} files}}"}
PROPERTIES = r"""# ours
open=Open

  close : Clo\
   se
say\ it\=now yes
u = caf\u00e9 \ud83d\ude00
open=Open!
empty
"""
KEYED = {  # original, translation, the pairs, what is left out
    "strings.xml": (
        ANDROID,
        ANDROID_FR,
        [("Open's %1$s, now", "Ouvrir %1$s"), ("%d files", "%d fichiers"), ("Mo", "Lu")],
        {"key that b_strings.xml lacks": [8], "key that only b_strings.xml has": [1]},
    ),
    "a.resx": (RESX.format("Open"), RESX.format("Ouvrir"), [("Open", "Ouvrir")], {}),
    "short.resx": (  # without the header that a designer writes
        '<root><data name="a"><value>Yes</value></data></root>',
        '<root><data name="a"><value>Oui</value></data></root>',
        [("Yes", "Oui")],
        {},
    ),
    "a.arb": (
        json.dumps(ARB, indent=1),
        json.dumps(ARB | {"open": "Ouvrir", "n": "{c, plural, one{1 fichier} other{{c} fichiers}}", "more": "Plus"}),
        [("Open", "Ouvrir"), ("1 file", "1 fichier"), ("{c} files", "{c} fichiers")],
        {"key that only b_a.arb has": [1]},
    ),
    "a.properties": (
        PROPERTIES,
        "close=Fermer\nopen Ouvrir\nsay\\ it\\=now:oui\nu=caf\u00e9\n",
        [("Open!", "Ouvrir"), ("Close", "Fermer"), ("yes", "oui"), ("café 😀", "café")],
        {"key that comes again below": [2], "key that b_a.properties lacks": [9]},
    ),
}


@pytest.mark.parametrize("name", KEYED)
def test_two_files_of_one_language_each_are_paired_by_their_keys(tmp_path, name):
    one, other, found, left_out = KEYED[name]
    files = {"en": write(tmp_path, f"a_{name}", one), "fr": write(tmp_path, f"b_{name}", other)}
    stream = open_place(files, "train")
    assert [(row.cells["en"], row.cells["fr"]) for row in stream.rows] == found
    shown = {reason: rows for reason, rows in stream.findings.left_out.items() if "plural" not in reason}
    assert shown == left_out


def test_a_plural_form_with_a_number_on_one_side_only_is_left_out(tmp_path):
    files = {"en": write(tmp_path, "a.xml", ANDROID), "fr": write(tmp_path, "b.xml", ANDROID_FR)}
    stream = open_place(files, "train")
    assert "A file" not in [row.cells["en"] for row in stream.rows]
    assert [rows for reason, rows in stream.findings.left_out.items() if "plural form" in reason] == [[7]]


@pytest.mark.parametrize("name", KEYED)
def test_a_file_of_one_language_is_no_table_but_its_texts_can_be_predicted_on(tmp_path, name):
    one, _, found, _ = KEYED[name]
    file = write(tmp_path, name, one)
    assert {text for text, _ in found} <= set(stream_texts(file, "text"))
    with pytest.raises(DataError, match=r"neither a table nor one text a line; name both, which are paired by their"):
        open_place(file, "train")


def test_beside_keys_lines_are_refused(tmp_path):
    files = {"en": write(tmp_path, "a.xml", ANDROID), "fr": write(tmp_path, "b.fr", "un\ndeux\n")}
    with pytest.raises(DataError, match=r"b\.fr: has no keys to pair its texts by, as .*a\.xml has"):
        list(open_place(files, "train").rows)


def test_bad_entries_are_listed_together_with_their_lines(tmp_path):
    bad = {"@@x": 1, "a": 3, "b": "{n, plural, one{x}", "c": "Close", "d": None}
    cases = {
        "a.arb": (
            json.dumps(bad, indent=1),
            [":3: expected a text under 'a'", ":4: 'b': a choice", ":6: expected a text"],
        ),
        "a.properties": ("a=\\u00\nb=x\nc=\\uxyzt\n", [":1: \\u without", ":3: \\u without"]),
        "a.xml": ("<resources>\n<string>a</string>\n<plurals/></resources>\n", [":2: a <string>", ":3: a <plurals>"]),
    }
    for name, (content, words) in cases.items():
        with pytest.raises(DataError) as caught:
            list(stream_texts(write(tmp_path, name, content), "text"))
        assert [f"{name}{word}" in str(caught.value) for word in words] == [True] * len(words), caught.value


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("  a \n  b ", "a b"),
        ('"a  b "', "a  b"),
        (r"\@a \?b \"c\" \\d", r'@a ?b "c" \d'),
        (r"a\nb\tc", "a\nb\tc"),
        (r"\ud83d\ude00", "😀"),
    ],
)
def test_escapes_of_android_are_resolved(content, text):
    assert unescape(content) == text


def test_choices_in_a_message_are_texts_of_their_own():
    message = "{who, select, he{He has {n, plural, one{a cat} other{cats}}} other{They}} here"
    assert list_forms(message) == [
        ("[he][one]", "He has a cat here"),
        ("[he][other]", "He has cats here"),
        ("[other]", "They here"),
    ]
    assert list_forms("It's {name}") == [("", "It's {name}")]
    with pytest.raises(ValueError, match="more than 100 forms"):
        list_forms("{a, select, x{1} y{2}}" * 9)
