"""Formats that look like text but are not one text a line: known by how they begin, whatever their name."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

LOOKED_AT = 1 << 16  # characters
FEWEST, MOSTLY = 3, 0.9  # lines of keys and values, or in tags, and their share, that make a file of them

PROLOG = re.compile(r"\A\s*(?:<\?xml.*?\?>\s*|<!--.*?-->\s*|<!doctype[^<>\[]*(?:\[.*?\]\s*)?>\s*)*", re.S | re.I)
ROOT = re.compile(r"<([a-z][\w:.-]*)")
ONLY_TAGS = re.compile(r"(?:\s*</?[a-z][^<>]*>)+\s*", re.I)
WRAPPED = re.compile(r"<([a-z][\w:.-]*)\b[^<>]*>.*</\1>", re.I)
KEY = re.compile(r"""([^\s=:#!<>{}"']+|"(?:[^"\\]|\\.)*")\s*=.*""")  # of .properties, or in quotes of .strings
REMARK = re.compile(r"[#!]|//|/?\*")


class Foreign(NamedTuple):
    """What a file is, and what to do with it."""

    name: str
    way: str


def _pairs(name: str, program: str) -> Foreign:
    return Foreign(name, f"convert it to .po with {program} of translate-toolkit, or to .tmx or .csv")


def _one_side(name: str, program: str) -> Foreign:
    """What holds one language, and becomes pairs beside its original only."""
    way = f"make pairs of it and its original with translate-toolkit: {program} -t ORIGINAL TRANSLATION OUT.po"
    return Foreign(name, f"{way}; or make a .csv of it")


WMT = Foreign("one side of a test set in SGML", "name both: {en: src.sgm, fr: ref.sgm}")
ROOTS = {  # by the first element
    "xliff": _pairs("XLIFF", "xliff2po"),
    "ts": _pairs("translations of Qt Linguist", "ts2po"),
    "resources": _one_side("string resources of Android", "android2po"),
    "martif": _pairs("a TBX termbase", "tbx2po"),
    "tbx": _pairs("a TBX termbase", "tbx2po"),
    "tmx": Foreign("TMX", "let its name end in .tmx, name it alone, and its languages in data.columns"),
    "tradostag": Foreign("TTX of TagEditor", "export it as .tmx with the program that made it"),
    "html": Foreign("HTML", "take its texts out, one a line"),
    **dict.fromkeys(("srcset", "refset", "tstset", "mteval"), WMT),
}
SIGNS = (  # by what stands in it
    (re.compile(r'\A\s*\{.*?"@@\w+"\s*:', re.S), _one_side("messages of Flutter (ARB)", "arb2po")),
    (re.compile(r"\A\s*\{\\rtf"), Foreign("RTF", "save it as plain text in UTF-8, one text a line")),
    (re.compile(r'^msgid\s+".*"\s*\n(?:".*"\s*\n)*msgstr\s+"', re.M), Foreign("gettext", "let its name end in .po")),
    (re.compile(r"^(?:\d+:)?\d\d:\d\d[.,]\d{3} --> ", re.M), _one_side("subtitles", "sub2po")),
    (
        re.compile(r"^@highlight\s*$", re.M),
        Foreign("a story with highlights", 'make a line of JSON of it: {"text": "...", "summary": ["...", "..."]}'),
    ),
)


def recognise(lines: Sequence[str]) -> Foreign | None:
    """Tell by its first lines what a file is; None where it can be text, also such that holds tags here and there."""
    head = "\n".join(lines)[:LOOKED_AT]
    signed = next((kind for sign, kind in SIGNS if sign.search(head)), None)
    return _markup(head) or signed or _wrapped(head) or _keys(head)


def _markup(head: str) -> Foreign | None:
    """Know a document by its declaration, or by an element that opens it, alone on its line or closed at the end."""
    body = PROLOG.sub("", head.strip(), count=1)
    declared, body = head.strip().removesuffix(body), body.lower()
    name = found[1] if (found := ROOT.match(body)) else ""
    line, _, rest = body.partition("\n")
    alone = ONLY_TAGS.fullmatch(line) is not None
    if declared:  # a comment alone may stand in front of anything
        sure = bool(name) or not declared.startswith("<!--")
    elif name in ROOTS:
        sure = alone or body.endswith(f"</{name}>")
    else:
        sure = alone and f"</{name}" in rest
    other = Foreign(f"XML (<{name}>)" if name else "XML", "take its texts out, one a line")
    return ROOTS.get(name, other) if sure else None


def _wrapped(head: str) -> Foreign | None:
    """Know segments that were taken out of a document with their tags: nearly every line is one same element."""
    lines = [line.strip() for line in head.split("\n") if line.strip()]
    names = Counter(found[1].lower() for line in lines if (found := WRAPPED.fullmatch(line)))
    name, count = max(names.items(), key=lambda one: one[1], default=("", 0))
    if count < max(FEWEST, MOSTLY * len(lines)):
        return None
    return Foreign(f"lines in tags (<{name}>)", "take its texts out, one a line")


def _keys(head: str) -> Foreign | None:
    """Know a file in which nearly every line gives another key its value."""
    said = [line.strip() for line in head.split("\n") if line.strip() and not REMARK.match(line.strip())]
    keys = {found[1] for line in said if (found := KEY.fullmatch(line))}
    if len(said) < FEWEST or len(keys) < MOSTLY * len(said):
        return None
    return _one_side("keys with values (as in .properties)", "prop2po")
