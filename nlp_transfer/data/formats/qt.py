"""Read the translations of Qt Linguist (.ts), pair by pair; see https://doc.qt.io/qt-6/linguist-ts-file-format.html."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from nlp_transfer.data.formats.elements import read_elements
from nlp_transfer.data.formats.finished import Pair
from nlp_transfer.data.formats.plurals import UNGUIDED

UNFINISHED = {"unfinished", "vanished", "obsolete"}
UNCLEAR = "numerus forms of which the file does not say which is for 2"
BYTE = "byte"  # an element for a character that XML cannot hold


def read_qt(file: Path) -> Iterator[Pair]:
    """Yield the messages of a file. Of numerus forms one is taken, that for 2, for their source (`%n file(s)`) is one.

    Raises:
        DataError: as `read_elements`.
    """
    for number, around, message in read_elements(file, "TS", lambda tag, _: tag == "message"):
        languages = around["TS"].get("sourcelanguage", ""), around["TS"].get("language", "")
        found = message.find("translation")
        translation = Element("translation") if found is None else found
        state = translation.get("type", "")
        lacking = state if state in UNFINISHED else None

        forms = [_read_text(form) for form in translation.findall("numerusform")]
        target = _read_text(translation)
        if message.get("numerus") == "yes":
            target = forms[UNGUIDED[len(forms)][1]] if len(forms) in UNGUIDED else ""
            lacking = lacking or (UNCLEAR if len(forms) > len(UNGUIDED) else None)

        source = message.find("source")
        yield Pair(number, "" if source is None else _read_text(source), target, languages, lacking)


def _read_text(element: Element) -> str:
    """Read a text; of variants for narrow and wide places the first, which is the longest."""
    variant = next(element.iter("lengthvariant"), None)
    return "".join((element if variant is None else variant).itertext()).strip()
