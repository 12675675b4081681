"""Read string resources of Android; see https://developer.android.com/guide/topics/resources/string-resource."""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from nlp_transfer.data.formats.elements import read_elements
from nlp_transfer.data.formats.entries import Entries, Entry, join_halves
from nlp_transfer.data.formats.records import Fault

KINDS = {"string", "plurals", "string-array"}
PART = re.compile(
    r'\\u(?P<code>[0-9a-fA-F]{4})|\\(?P<escaped>.)|(?P<quote>")|(?P<blank>\s+)|(?P<plain>[^\\"\s]+)', re.DOTALL
)
MEANINGS = {"n": "\n", "t": "\t"}
REFERENCE = re.compile(r"\s*[@?](?:\+?[\w.]+:)?[\w.]+/[\w.]+\s*")  # @string/other, ?attr/other


def read_android(file: Path) -> Entries:
    """Yield the strings of a file, the items of its arrays as `name[0]` and its plurals as `name[one]`.

    Left out are what is not to be translated and references to other resources.
    """
    for number, _, element in read_elements(file, "resources", lambda tag, _: tag in KINDS):
        name = element.get("name", "")
        product = f"@{element.get('product')}" if element.get("product") else ""
        if element.get("translatable") == "false":
            continue
        if not name:
            yield Fault(number, f"a <{element.tag}> without a name")
            continue

        for mark, item in _list_items(element):
            content = "".join(item.itertext())
            if not REFERENCE.fullmatch(content):
                yield Entry(number, f"{name}{product}{mark}", unescape(content))


def _list_items(element: Element) -> Iterator[tuple[str, Element]]:
    """List the texts of a resource, with what tells its key from the name."""
    if element.tag == "string":
        yield "", element
    for at, item in enumerate(element.findall("item")):
        yield f"[{item.get('quantity', at)}]", item


def unescape(content: str) -> str:
    r"""Resolve what a string says by `\'`, `\n` and `\u00e9`; blanks outside quotes become one, quotes go."""
    parts, quoted = [], False
    for part in PART.finditer(content):
        match part.lastgroup:
            case "code":
                parts.append(chr(int(part["code"], 16)))
            case "escaped":
                parts.append(MEANINGS.get(part["escaped"], part["escaped"]))
            case "quote":
                quoted = not quoted
            case "blank":
                parts.append(part["blank"] if quoted else " ")
            case _:
                parts.append(part["plain"])
    return join_halves("".join(parts)).strip(" ")
