"""Read XLIFF 1.2 and 2, pair by pair.

See https://docs.oasis-open.org/xliff/v1.2/os/xliff-core.html and
https://docs.oasis-open.org/xliff/xliff-core/v2.1/xliff-core-v2.1.html
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree.ElementTree import Element

from nlp_transfer.data.formats.elements import Attributes, Found, read_elements
from nlp_transfer.data.formats.finished import Pair
from nlp_transfer.data.formats.plurals import PluralRule, pair_forms, read_rule
from nlp_transfer.data.formats.tmx import join_runs

NATIVE_CODE = {"bpt", "ept", "it", "ph"}  # elements in a text that hold formatting, not words
BREAKS = {"lb", "pb", "x-lb", "xlf:lb", "xlf:pb"}  # kinds of codes for the end of a line or page
UNFINISHED = {"new", "initial", "needs-translation", "needs-adaptation", "needs-l10n"}
UNFINISHED |= {"needs-review-translation", "needs-review-adaptation", "needs-review-l10n"}
HEADER, PLURALS = "x-gettext-domain-header", "x-gettext-plurals"  # how the header and the plurals of a .po come


def read_xliff(file: Path) -> Iterator[Pair]:
    """Yield the pairs of a file, with the languages that it names.

    Raises:
        DataError: as `read_elements`.
    """
    rule: PluralRule | None = None
    for found in read_elements(file, "xliff", _is_unit):
        languages = _find_languages(found.around)
        unit = found.element
        if unit.get("restype") == HEADER:
            rule = read_rule(_read_side(unit, "target"))
        elif unit.tag == "group":
            yield from _pair_plurals(found, languages, rule)
        elif unit.tag == "trans-unit":
            yield _pair(found.number, unit, unit, _find_state(unit), languages)
        else:
            for segment in unit.iter("segment"):
                yield _pair(found.number, segment, unit, segment.get("state"), languages)


def _is_unit(tag: str, attributes: Attributes) -> bool:
    return tag in {"trans-unit", "unit"} or (tag == "group" and attributes.get("restype") == PLURALS)


def _find_languages(around: Mapping[str, Attributes]) -> tuple[str, str]:
    """Find the codes of source and target: in version 1 of the file, in version 2 of the whole."""
    whole, part = around["xliff"], around.get("file", {})
    source = part.get("source-language") or whole.get("srcLang", "")
    return source, part.get("target-language") or whole.get("trgLang", "")


def _find_state(unit: Element) -> str | None:
    target = unit.find("target")
    return None if target is None else target.get("state")


def _pair(number: int, pair: Element, unit: Element, state: str | None, languages: tuple[str, str]) -> Pair:
    lacking = f"state '{state}'" if state in UNFINISHED else None
    if unit.get("translate") == "no":
        lacking = "not to be translated"
    return Pair(number, _read_side(pair, "source"), _read_side(pair, "target"), languages, lacking)


def _pair_plurals(found: Found, languages: tuple[str, str], rule: PluralRule | None) -> Iterator[Pair]:
    """Pair the forms of a text: its units repeat the plural as source for every form but the first."""
    units = found.element.findall("trans-unit")
    if not units:
        return

    sources = [*dict.fromkeys(_read_side(unit, "source") for unit in units)]
    states = [state for unit in units if (state := _find_state(unit)) in UNFINISHED]
    if states:
        yield Pair(found.number, sources[0], "", languages, f"state '{states[0]}'")
        return

    pairs, lacking = pair_forms(sources[:2], [_read_side(unit, "target") for unit in units], rule)
    yield from (Pair(found.number, source, target, languages) for source, target in pairs)
    if lacking:
        yield Pair(found.number, sources[-1], "", languages, lacking)


def _read_side(pair: Element, side: str) -> str:
    """Read the text of a source or target without its codes; empty if there is none."""
    element = pair.find(side)
    return "" if element is None else join_runs(_split(element))


def _split(element: Element) -> list[str]:
    """Split a text at its codes. Words inside a marked span count, native code does not."""
    runs = [element.text or ""]
    for child in element:
        inside = [""] if child.tag in NATIVE_CODE else _split(child)
        if child.tag == "mrk":  # it marks words, such as a sentence or a term
            runs[-1] += inside[0]
            runs += inside[1:]
        else:
            broken = {child.get("ctype"), child.get("subType")} & BREAKS
            runs += [*([" "] if broken else []), *inside, ""]
        runs[-1] += child.tail or ""
    return runs
