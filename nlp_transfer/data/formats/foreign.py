"""Recognise formats that look like text but do not hold one text a line, by their content and not by their name."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

LOOKED_AT = 1 << 16  # characters at the start of a file
FEWEST, MOSTLY = 3, 0.9  # a file of keys, or of tagged lines, has so many of them at least, and this share of its lines

PROLOG = re.compile(r"\A\s*(?:<\?xml.*?\?>\s*|<!--.*?-->\s*|<!doctype[^<>\[]*(?:\[.*?\]\s*)?>\s*)*", re.S | re.I)
ROOT = re.compile(r"<([a-z][\w:.-]*)")
ONLY_TAGS = re.compile(r"(?:\s*</?[a-z][^<>]*>)+\s*", re.I)
WRAPPED = re.compile(r"<([a-z][\w:.-]*)\b[^<>]*>.*</\1>", re.I)
KEY = re.compile(r"""([^\s=:#!<>{}"']+|"(?:[^"\\]|\\.)*")\s*=.*""")  # as in .properties, or quoted as in .strings
REMARK = re.compile(r"[#!]|//|/?\*")


class Foreign(NamedTuple):
    """Say what a file is, and what to do with it."""

    name: str
    way: str


def _describe_pairs(name: str) -> Foreign:
    return Foreign(name, "name it alone; its columns are source and target")


def _describe_side(name: str) -> Foreign:
    """Describe a file of one language, which makes pairs only together with that of the original."""
    return Foreign(name, "name both, which are paired by their keys: {en: ORIGINAL, fr: TRANSLATION}")


def _describe_convertible(name: str, program: str) -> Foreign:
    return Foreign(name, f"convert it to .po with {program} of translate-toolkit, or to .tmx or .csv")


def _describe_convertible_side(name: str, program: str) -> Foreign:
    way = f"make pairs of it and its original with translate-toolkit: {program} -t ORIGINAL TRANSLATION OUT.po"
    return Foreign(name, f"{way}; or make a .csv of it")


WMT = Foreign("one side of a test set in SGML", "name both: {en: src.sgm, fr: ref.sgm}")
XLIFF, QT = _describe_pairs("XLIFF"), _describe_pairs("translations of Qt Linguist")
ANDROID, RESX = _describe_side("string resources of Android"), _describe_side("resources of .NET (.resx)")
ARB = _describe_side("messages of Flutter (ARB)")
PROPERTIES = _describe_side("keys with values (.properties)")
STORY = Foreign("a story with highlights", "name it alone, or its folder; its columns are text and summary")
ROWS = (XLIFF, QT, STORY)  # formats of which a file is a table
KEYED = (ANDROID, RESX, ARB, PROPERTIES)  # formats of one language under keys

ENDINGS = {".properties": PROPERTIES, ".arb": ARB, ".resx": RESX}

ROOTS = {  # name of the first element of a document -> its format
    "xliff": XLIFF,
    "ts": QT,
    "resources": ANDROID,
    "martif": _describe_convertible("a TBX termbase", "tbx2po"),
    "tbx": _describe_convertible("a TBX termbase", "tbx2po"),
    "tmx": Foreign("TMX", "let its name end in .tmx, name it alone, and its languages in data.columns"),
    "tradostag": Foreign("TTX of TagEditor", "export it as .tmx with the program that made it"),
    "html": Foreign("HTML", "take its texts out, one a line"),
    **dict.fromkeys(("srcset", "refset", "tstset", "mteval"), WMT),
}
SIGNS = (  # what occurs in the text of a format, and the format
    (re.compile(r'\A\s*\{.*?"@@\w+"\s*:', re.S), ARB),
    (re.compile(r"\A\s*\{\\rtf"), Foreign("RTF", "save it as plain text in UTF-8, one text a line")),
    (re.compile(r'^msgid\s+".*"\s*\n(?:".*"\s*\n)*msgstr\s+"', re.M), Foreign("gettext", "let its name end in .po")),
    (re.compile(r"^(?:\d+:)?\d\d:\d\d[.,]\d{3} --> ", re.M), _describe_convertible_side("subtitles", "sub2po")),
    (re.compile(r"^@highlight\s*$", re.M), STORY),
)


def recognise(lines: Sequence[str], suffix: str = "") -> Foreign | None:
    """Recognise a format by the first lines of a file; None if it can be plain text, even text with a few tags.

    The ending of its name tells .properties and ARB, which may look like anything, and .resx, whose root is <root>.
    """
    if suffix in ENDINGS:
        return ENDINGS[suffix]
    head = "\n".join(lines)[:LOOKED_AT]
    signed = next((kind for sign, kind in SIGNS if sign.search(head)), None)
    return _recognise_markup(head) or signed or _recognise_wrapped(head) or _recognise_keys(head)


def _recognise_markup(head: str) -> Foreign | None:
    """Recognise a document by its declaration, or by a root element alone on its line or closed at the end."""
    body = PROLOG.sub("", head.strip(), count=1)
    declared, body = head.strip().removesuffix(body), body.lower()
    name = found[1] if (found := ROOT.match(body)) else ""
    line, _, rest = body.partition("\n")
    alone = ONLY_TAGS.fullmatch(line) is not None

    if declared:  # a comment alone proves nothing: it may precede any text
        sure = bool(name) or not declared.startswith("<!--")
    elif name in ROOTS:
        sure = alone or body.endswith(f"</{name}>")
    else:
        sure = alone and f"</{name}" in rest
    if sure and name == "root" and "resheader" in body:
        return RESX
    other = Foreign(f"XML (<{name}>)" if name else "XML", "take its texts out, one a line")
    return ROOTS.get(name, other) if sure else None


def _recognise_wrapped(head: str) -> Foreign | None:
    """Recognise segments that were cut out of a document with their tags: nearly every line is the same element."""
    lines = [line.strip() for line in head.split("\n") if line.strip()]
    names = Counter(found[1].lower() for line in lines if (found := WRAPPED.fullmatch(line)))
    name, count = max(names.items(), key=lambda one: one[1], default=("", 0))
    if count < max(FEWEST, MOSTLY * len(lines)):
        return None
    return Foreign(f"lines in tags (<{name}>)", "take its texts out, one a line")


def _recognise_keys(head: str) -> Foreign | None:
    """Recognise a file in which nearly every line gives a value to another key."""
    said = [line.strip() for line in head.split("\n") if line.strip() and not REMARK.match(line.strip())]
    keys = {found[1] for line in said if (found := KEY.fullmatch(line))}
    if len(said) < FEWEST or len(keys) < MOSTLY * len(said):
        return None
    quoted = sum(key.startswith('"') for key in keys) > len(keys) / 2
    return _describe_convertible_side("keys with values (.strings of Apple)", "prop2po") if quoted else PROPERTIES
