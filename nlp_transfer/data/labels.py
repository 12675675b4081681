"""Label names: one spelling per class out of strings, integers, booleans and whole floats; and their order."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from unicodedata import normalize

from nlp_transfer.data.formats.records import RowStream
from nlp_transfer.errors import DataError, suggest

WHOLE = re.compile(r"[+-]?\d+\.0+")
INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")  # a soft hyphen, spaces without width, a byte-order mark
INTEGER = re.compile(r"[+-]?\d+")
MOST = 1000
FEW = 20  # labels that are never taken for texts

OnUnknown = Literal["error", "drop"]


@dataclass(frozen=True)
class LabelRules:
    """How spellings become labels.

    Attributes:
        exact: each spelling is a label of its own, as it is written.
        most: labels at most; None for 1,000, and for half as many as there are rows.
        on_unknown: refuse rows whose label train does not have, or leave them out.
    """

    exact: bool = False
    most: int | None = None
    on_unknown: OnUnknown = "error"


USUAL = LabelRules()


def clean(label: str) -> str:
    """Compose letters and accents, leave out what cannot be seen, and write `1.0` (from a spreadsheet) as `1`."""
    label = " ".join(INVISIBLE.sub("", normalize("NFC", label)).split())
    return label.split(".")[0] if WHOLE.fullmatch(label) else label


def fold(label: str) -> str:
    """Write what the spellings of one label have in common: `Very  Good` and `very good` are both `very good`."""
    return normalize("NFC", clean(label).casefold())


def find_labels(
    raw: Sequence[str], place: str, rules: LabelRules = USUAL, *, rows: int | None = None
) -> tuple[dict[str, str], tuple[str, ...], list[str]]:
    """Find the classes of the training rows; `rows` is how many these are, where a row may have several labels or none.

    Spellings that differ by case, blanks, invisible or decomposed characters are one class, named by the commonest of
    them, unless that would leave a single class, or the rules want each as it is written.

    Returns:
        Raw spelling -> label name; the label names in order (integers by value, others by alphabet); warnings.

    Raises:
        DataError: one class only, or so many that the column looks like text.
    """
    counts = Counter(raw)
    written = {spelling: spelling if rules.exact else clean(spelling) for spelling in counts}
    alike = _alike(written, counts)
    apart = rules.exact or len(alike) == 1
    mapping = {spelling: name if apart else alike[fold(name)][0] for spelling, name in written.items()}
    labels = _ordered(set(mapping.values()))
    _refuse_odd(labels, counts, place, rules.most, len(raw) if rows is None else rows)
    return mapping, labels, [*_merged(mapping, counts, place), *(_kept_apart(alike, place) if apart else ())]


def finder(known: Sequence[str], *, exact: bool = False) -> Callable[[str], int | None]:
    """Make what finds the place of a label among known ones: as written, else by `fold` where that is unambiguous."""
    places = {name: place for place, name in enumerate(known)}
    common = Counter(map(fold, known))
    folded = {fold(name): place for name, place in places.items() if common[fold(name)] == 1}

    def find(label: str) -> int | None:
        if exact or label in places:
            return places.get(label)
        return places.get(clean(label), folded.get(fold(label)))

    return find


def map_labels(
    raw: Sequence[str],
    numbers: Sequence[int],
    labels: tuple[str, ...],
    stream: RowStream,
    rules: LabelRules = USUAL,
) -> tuple[list[str | None], dict[str, list[int]]]:
    """Map the labels of other rows onto known ones; see `finder`.

    Returns:
        For each row the label name, or None for a label that is not known; why such rows are left out, with their
        numbers.

    Raises:
        DataError: a label that is not known, with its value and rows, where the rules do not leave such rows out.
    """
    find = finder(labels, exact=rules.exact)
    found, unknown = [], dict[str, list[int]]()
    for label, number in zip(raw, numbers, strict=True):
        place = find(label)
        found.append(None if place is None else labels[place])
        if place is None:
            unknown.setdefault(label if rules.exact else clean(label), []).append(number)
    if not unknown:
        return found, {}
    name, where = next(iter(unknown.items()))
    more = len(unknown) - 1
    others = f" (and {more} other{'s' if more > 1 else ''})" if more else ""
    if rules.on_unknown == "error" or not any(found):
        way = "leaves such rows out" if any(found) else "would leave no row"
        raise DataError(
            f"{stream.name_rows(where)}: unknown label {_short(name)}{others}. {suggest(name, labels)} "
            f"data.on_unknown_label: drop (--on-unknown-label drop of `evaluate`) {way}."
        )
    return found, {
        f"unknown label {_short(name)}{others}": sorted({number for rows in unknown.values() for number in rows})
    }


def _alike(written: Mapping[str, str], counts: Mapping[str, int]) -> dict[str, list[str]]:
    """Map what labels have in common to their names, the commonest first."""
    totals = Counter[str]()
    for spelling, name in written.items():
        totals[name] += counts[spelling]
    names: dict[str, list[str]] = {}
    for name, _ in sorted(totals.items(), key=lambda item: (-item[1], item[0])):
        names.setdefault(fold(name), []).append(name)
    return names


def _ordered(names: set[str]) -> tuple[str, ...]:
    integers = all(INTEGER.fullmatch(name) for name in names)
    return tuple(sorted(names, key=lambda name: (int(name) if integers else 0, name)))


def _refuse_odd(labels: Sequence[str], counts: Mapping[str, int], place: str, most: int | None, rows: int) -> None:
    count = len(labels)
    if count < 2:
        only = f"only the label {_short(labels[0])}" if labels else "no label at all"
        merged = f", out of {len(counts)} spellings (data.labels: exact keeps them apart)" if len(counts) > 1 else ""
        has = sum(counts.values())
        way = f" ({has} rows have it: name what the others are, as a label of their own)" if 0 < has < rows else ""
        raise DataError(f"{place}: {only} in {rows} rows{merged}; a classifier needs at least two classes{way}")
    if most is None:
        most = max(FEW, min(MOST, rows // 2))
    if count > most:
        raise DataError(
            f"{place}: {count} different labels in {rows} rows (such as {_short(labels[0])}), more than {most}; this "
            f"column looks like text. Is data.columns right? If so, set data.max_labels={count}"
        )


def _kept_apart(alike: Mapping[str, Sequence[str]], place: str) -> list[str]:
    """Say which labels look like one and are several."""
    return [
        f"{place}: the labels {', '.join(map(_shown, sorted(names)[:5]))} differ only by case, blanks or how an accent "
        "or a number is written; they are kept apart"
        for names in alike.values()
        if len(names) > 1
    ]


def _merged(mapping: Mapping[str, str], counts: Mapping[str, int], place: str) -> list[str]:
    """Say which spellings were taken for which label, and in how many rows."""
    others: dict[str, list[str]] = {}
    for spelling, name in mapping.items():
        if spelling != name:
            others.setdefault(name, []).append(spelling)
    return [
        f"{place}: {sum(counts[one] for one in spellings)} labels written "
        f"{', '.join(map(_shown, sorted(spellings)[:5]))} are taken as {_shown(name)}"
        for name, spellings in others.items()
    ]


def _shown(label: str) -> str:
    """Quote a label; letters that are decomposed are spelt out, for they look like composed ones."""
    return repr(label) if normalize("NFC", label) == label else ascii(label)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return _shown(text if len(text) <= 40 else f"{text[:37]}...")
