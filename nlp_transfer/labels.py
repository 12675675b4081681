"""Label names: one spelling per class out of strings, integers, booleans and whole floats; and their order."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from nlp_transfer.errors import DataError, suggest
from nlp_transfer.rows import RowStream

WHOLE = re.compile(r"[+-]?\d+\.0+")
INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")  # a soft hyphen, spaces without width, a byte-order mark
INTEGER = re.compile(r"[+-]?\d+")
MOST_LABELS = 1000


def clean(label: str) -> str:
    """Leave out what cannot be seen, and write `1.0` (integers beside a blank, saved by a spreadsheet) as `1`."""
    label = INVISIBLE.sub("", label).strip()
    return label.split(".")[0] if WHOLE.fullmatch(label) else label


def find_labels(raw: Sequence[str], place: str) -> tuple[dict[str, str], tuple[str, ...], list[str]]:
    """Find the classes of the training rows.

    Spellings that differ by case, outer spaces or invisible characters are one class, named by the commonest of them,
    unless that would leave a single class.

    Returns:
        Raw spelling -> label name; the label names in order (integers by value, others by alphabet); warnings.

    Raises:
        DataError: one class only, or so many that the column looks like text.
    """
    counts = Counter(raw)
    cleaned = Counter[str]()
    for spelling, count in counts.items():
        cleaned[clean(spelling)] += count
    names: dict[str, str] = {}
    for name, _ in sorted(cleaned.items(), key=lambda item: (-item[1], item[0])):
        names.setdefault(name.casefold(), name)
    folds = len(names) > 1
    mapping = {spelling: names[clean(spelling).casefold()] if folds else clean(spelling) for spelling in counts}
    labels = _ordered(set(mapping.values()))
    _refuse_odd(labels, len(raw), place)
    warnings = _folded(mapping, counts, place)
    if not folds:
        warnings.append(f"{place}: the labels {', '.join(map(repr, labels))} differ only by case; they are kept apart")
    return mapping, labels, warnings


def map_labels(raw: Sequence[str], numbers: Sequence[int], labels: tuple[str, ...], stream: RowStream) -> list[str]:
    """Map the labels of other rows onto known ones: as written, else by case where that is unambiguous.

    Raises:
        DataError: a label that is not known, with its value and rows.
    """
    exact = set(labels)
    folded = Counter(label.casefold() for label in labels)
    by_case = {label.casefold(): label for label in labels if folded[label.casefold()] == 1}
    found, unknown = [], dict[str, list[int]]()
    for label, number in zip(raw, numbers, strict=True):
        name = clean(label)
        match = name if name in exact else by_case.get(name.casefold())
        if match is None:
            unknown.setdefault(name, []).append(number)
        found.append(match or name)
    if unknown:
        name, where = next(iter(unknown.items()))
        others = f" (and {len(unknown) - 1} other unknown labels)" if len(unknown) > 1 else ""
        raise DataError(f"{stream.at(where)}: unknown label '{_short(name)}'{others}. {suggest(name, labels)}")
    return found


def _ordered(names: set[str]) -> tuple[str, ...]:
    integers = all(INTEGER.fullmatch(name) for name in names)
    return tuple(sorted(names, key=lambda name: (int(name) if integers else 0, name)))


def _refuse_odd(labels: Sequence[str], rows: int, place: str) -> None:
    if len(labels) < 2:
        only = f"only the label '{_short(labels[0])}'" if labels else "no label at all"
        raise DataError(f"{place}: {only} in {rows} rows; a classifier needs at least two classes")
    if len(labels) > MOST_LABELS or (len(labels) > 20 and len(labels) > rows / 2):
        raise DataError(
            f"{place}: {len(labels)} different labels in {rows} rows (such as '{_short(labels[0])}'); "
            "this column looks like text. Is data.columns right?"
        )


def _folded(mapping: Mapping[str, str], counts: Mapping[str, int], place: str) -> list[str]:
    """Say which spellings were taken for which label, and in how many rows."""
    others: dict[str, list[str]] = {}
    for spelling, name in mapping.items():
        if spelling != name:
            others.setdefault(name, []).append(spelling)
    return [
        f"{place}: {sum(counts[one] for one in spellings)} labels written "
        f"{', '.join(map(repr, sorted(spellings)[:5]))} are taken as '{name}'"
        for name, spellings in others.items()
    ]


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 40 else f"{text[:37]}..."
