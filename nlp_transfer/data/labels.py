"""Find the names of labels: one spelling for each class, out of strings, integers, booleans and whole floats."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from unicodedata import normalize

from nlp_transfer.data.formats.records import RowStream
from nlp_transfer.errors import DataError, count_things, suggest

WHOLE_FLOAT = re.compile(r"[+-]?\d+\.0+")
INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")  # a soft hyphen, spaces without width, a byte-order mark
INTEGER = re.compile(r"[+-]?\d+")
LABEL_LIMIT = 1000  # the most labels by default; a column with more looks like text
LABELS_ALWAYS_FINE = 20  # so many labels never look like text, however few rows there are

OnUnknown = Literal["error", "drop"]


@dataclass(frozen=True)
class LabelRules:
    """How spellings become labels.

    Attributes:
        exact: whether each spelling is a label of its own, as it is written.
        most: the most labels; None for 1,000, or half the number of rows if that is less.
        on_unknown: refuse rows with a label that train does not have, or drop them.
    """

    exact: bool = False
    most: int | None = None
    on_unknown: OnUnknown = "error"


LABEL_SEPARATORS = "|;,"  # marks that often stand between labels
USUAL_RULES = LabelRules()


def clean(label: str) -> str:
    """Compose letters and accents, remove invisible characters, and write `1.0` (from a spreadsheet) as `1`."""
    label = " ".join(INVISIBLE.sub("", normalize("NFC", label)).split())
    return label.split(".")[0] if WHOLE_FLOAT.fullmatch(label) else label


def fold(label: str) -> str:
    """Write a label so that all its spellings become equal: `Very  Good` and `very good` both become `very good`."""
    return normalize("NFC", clean(label).casefold())


def find_labels(
    raw: Iterable[str] | Mapping[str, int], place: str, rules: LabelRules = USUAL_RULES, *, rows: int | None = None
) -> tuple[dict[str, str], tuple[str, ...], list[str]]:
    """Find the classes of the training rows.

    Spellings that differ only by case, spaces, invisible or decomposed characters are one class, which is named by the
    commonest of them. They stay apart if the rules want that, or if there would be a single class otherwise.

    Args:
        raw: the labels of all rows, one after another, or how often each spelling stands there.
        place: of the rows, for messages.
        rules: how spellings become labels.
        rows: the number of rows, if a row may have several labels or none; None: one for each label.

    Returns:
        Raw spelling -> label name; the label names in order (integers by value, others by alphabet); warnings.

    Raises:
        DataError: there is only one class, or so many that the column looks like text.
    """
    counts = Counter(raw)
    written = {spelling: spelling if rules.exact else clean(spelling) for spelling in counts}

    alike = _group_alike(written, counts)
    apart = rules.exact or len(alike) == 1
    mapping = {spelling: name if apart else alike[fold(name)][0] for spelling, name in written.items()}

    labels = _order_names(set(mapping.values()))
    _refuse_odd(labels, counts, place, rules.most, counts.total() if rows is None else rows)
    warnings = [*_warn_of_merged(mapping, counts, place), *(_warn_of_kept_apart(alike, place) if apart else ())]
    return mapping, labels, warnings


def make_finder(known: Sequence[str], *, exact: bool = False) -> Callable[[str], int | None]:
    """Make a function that finds the place of a label among known ones, or None.

    A label is known as it is written, or by `fold` if exactly one known label has the same fold.
    """
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
    rules: LabelRules = USUAL_RULES,
    *,
    several: bool = False,
) -> tuple[list[str | None], dict[str, list[int]]]:
    """Map the labels of other rows, of which each may have `several`, to known ones; see `make_finder`.

    Returns:
        For each row the name of its label, or None if that is not known; and the reason why such rows are dropped, with
        their numbers.

    Raises:
        DataError: a label is not known and the rules do not drop such rows; the message names the label and its rows.
    """
    find = make_finder(labels, exact=rules.exact)

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
        joins = [mark for mark in LABEL_SEPARATORS if all(find(part) is not None for part in name.split(mark))]
        if several and joins:
            raise DataError(
                f"{stream.name_rows(where)}: unknown label {_shorten(name)}{others}, which is several known ones with "
                f"'{joins[0]}' between them: {stream.dialect.set_label_separator(joins[0])}"
            )
        raise DataError(
            f"{stream.name_rows(where)}: unknown label {_shorten(name)}{others}. {suggest(name, labels)} "
            f"{stream.dialect.set_on_unknown_label()} {way}."
        )

    dropped = sorted({number for rows in unknown.values() for number in rows})
    return found, {f"unknown label {_shorten(name)}{others}": dropped}


def _group_alike(written: Mapping[str, str], counts: Mapping[str, int]) -> dict[str, list[str]]:
    """Group names by their fold: fold -> names, the commonest first."""
    totals = Counter[str]()
    for spelling, name in written.items():
        totals[name] += counts[spelling]
    names: dict[str, list[str]] = {}
    for name, _ in sorted(totals.items(), key=lambda item: (-item[1], item[0])):
        names.setdefault(fold(name), []).append(name)
    return names


def _order_names(names: set[str]) -> tuple[str, ...]:
    """Order names by value if all are integers, else by alphabet."""
    integers = all(INTEGER.fullmatch(name) for name in names)
    return tuple(sorted(names, key=lambda name: (int(name) if integers else 0, name)))


def _refuse_odd(labels: Sequence[str], counts: Mapping[str, int], place: str, most: int | None, rows: int) -> None:
    """Refuse a single class, and so many classes that the column looks like text."""
    count = len(labels)
    if count < 2:
        only = f"only the label {_shorten(labels[0])}" if labels else "no label at all"
        merged = f", out of {len(counts)} spellings (data.labels: exact keeps them apart)" if len(counts) > 1 else ""
        has = sum(counts.values())
        way = f" ({has} rows have it: name what the others are, as a label of their own)" if 0 < has < rows else ""
        read = count_things(rows, "row", "rows")
        raise DataError(f"{place}: {only} in {read}{merged}; a classifier needs at least two classes{way}")

    if most is None:
        most = max(LABELS_ALWAYS_FINE, min(LABEL_LIMIT, rows // 2))
    if count > most:
        raise DataError(
            f"{place}: {count} different labels in {rows} rows (such as {_shorten(labels[0])}), more than {most}; this "
            f"column looks like text. Is data.columns right? If so, set data.max_labels={count}"
        )


def _warn_of_kept_apart(alike: Mapping[str, Sequence[str]], place: str) -> list[str]:
    """Warn of labels that look equal and are kept apart."""
    return [
        f"{place}: the labels {', '.join(map(_quote_label, sorted(names)[:5]))} differ only by case, blanks or how an "
        "accent or a number is written; they are kept apart"
        for names in alike.values()
        if len(names) > 1
    ]


def _warn_of_merged(mapping: Mapping[str, str], counts: Mapping[str, int], place: str) -> list[str]:
    """Warn of spellings that were taken for another label, with the number of rows."""
    others: dict[str, list[str]] = {}
    for spelling, name in mapping.items():
        if spelling != name:
            others.setdefault(name, []).append(spelling)
    warnings = []
    for name, spellings in others.items():
        written = f"written {', '.join(map(_quote_label, sorted(spellings)[:5]))}"
        said = count_things(sum(counts[one] for one in spellings), f"label {written} is", f"labels {written} are")
        warnings.append(f"{place}: {said} taken as {_quote_label(name)}")
    return warnings


def _quote_label(label: str) -> str:
    """Quote a label. Decomposed letters are written as escapes, because they look like composed ones."""
    return repr(label) if normalize("NFC", label) == label else ascii(label)


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return _quote_label(text if len(text) <= 40 else f"{text[:37]}...")
