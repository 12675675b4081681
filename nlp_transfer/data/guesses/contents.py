"""Find out what the cells of a column hold: texts, labels, numbers, or what nothing can be learnt from."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import median
from typing import Any

from nlp_transfer.config.dialect import Dialect
from nlp_transfer.data.formats.cells import COMMA, NUMBER, WRITTEN_LIST, is_blank, read_label_sets
from nlp_transfer.data.formats.records import RowStream, make_reader
from nlp_transfer.data.guesses.columns import Column, Kind, count_words, show_value
from nlp_transfer.data.guesses.samples import Sample
from nlp_transfer.data.labels import LABEL_LIMIT, LABEL_SEPARATORS, LABELS_ALWAYS_FINE, clean
from nlp_transfer.data.text.languages import BLANK
from nlp_transfer.errors import list_first

TIMES = 2  # a label stands so often on average at least
LABEL_WORDS = 6  # words of a label in the middle at most
LABEL_CHARACTERS = 80  # of the longest
FEW_NUMBERS = 20  # so many different whole numbers may be labels
TOKENS = 10  # items of a list in the middle: with more it holds the words of a text, not labels
SHOWN = 4  # values that are named
USUAL = ","  # between labels
DAY = r"\d{1,4}[-/. ]\w{1,9}[-/. ,]*\d{1,4}(?:[T ,]+\d.*)?"
ASIDE = {  # what is no text and no label -> what all of it looks like
    "dates or times": rf"(?:\w{{3}},? )?(?:\w{{3}} )?{DAY}|\w{{3}} \w{{3}} \d{{1,2}}\b.*\d",
    "addresses of pages": r"(?:https?|ftp)://\S+|www\.\S+",
    "addresses of mail": r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}",
    "numbers with a decimal comma, which are read with a point only": rf"{COMMA.pattern}|{NUMBER.pattern}",
}
LOOKS = {what: re.compile(pattern, re.IGNORECASE) for what, pattern in ASIDE.items()}


def describe_columns(sample: Sample) -> list[Column]:
    """Describe every column of a sample."""
    described = (_describe(name, cells) for name, cells in sample.columns.items())
    return [replace(one, place=place) for place, one in enumerate(described)]


def read_as(column: Column, kind: Kind) -> Column:
    """Take a column for what a user says that it is."""
    return replace(column, kind=kind, counts=column.counts or Counter(column.texts))


def _describe(name: str, cells: Sequence[Any]) -> Column:
    values = [cell for cell in cells if not _is_missing(cell)]
    if not values:
        return Column(name, "empty", "nothing", 0, {}, ())
    if isinstance(values[0], list):
        return _describe_lists(name, [cell if isinstance(cell, list) else [] for cell in cells])
    if any(isinstance(value, Mapping | bytes | list) for value in values):
        return Column(name, "aside", "objects", len(values), {}, ())
    return _describe_texts(name, ["" if _is_missing(cell) else _write(cell) for cell in cells])


def _is_missing(cell: Any) -> bool:
    return cell is None or cell != cell or (isinstance(cell, str) and is_blank(cell))  # noqa: PLR0124 - NaN


def _write(value: Any) -> str:
    """Write a cell as text: a boolean as JSON does, a short text as a label would be."""
    text = str(value).lower() if isinstance(value, bool) else str(value).encode("utf-8", "replace").decode()
    return clean(text) if len(text) <= LABEL_CHARACTERS else text


def _describe_lists(name: str, lists: Sequence[Sequence[Any]], separator: str | None = None) -> Column:
    """Describe lists: labels that return, or the sentences of texts; numbers and the words of a text are aside."""
    items = [item for one in lists for item in one]
    make = partial(Column, name, filled=sum(map(bool, lists)), separator=separator)
    if not items or not all(isinstance(item, str) for item in items):
        return make("aside", "lists of numbers or objects" if items else "empty lists", counts={}, rows=())

    middle = median(map(len, lists))
    rows = [" ".join(one) for one in lists]
    if count_words(items) > LABEL_WORDS:
        return make("texts", f"lists of texts, {middle:.0f} in the middle", counts={}, rows=rows, items=max(1, middle))
    counts = Counter(map(clean, items))
    if middle > TOKENS or not _returns(counts):
        return make("aside", "lists of words", counts={}, rows=rows)

    several = sum(len(one) != 1 for one in lists)
    more = f"; {several:,} of {len(lists):,} rows have none or several" if several else ", each in a list of one"
    return make("labels" if several else "label", _list_values(counts) + more, counts=counts, rows=rows)


def _describe_texts(name: str, rows: Sequence[str]) -> Column:
    counts = Counter(row for row in rows if row)
    make = partial(Column, name, filled=counts.total(), counts=counts, rows=rows)

    if len(counts) == 1:
        return make("constant", f"one value only, {show_value(next(iter(counts)))}")
    if all(map(NUMBER.fullmatch, counts)):
        kind, what, whole = _describe_numbers(counts)
        return make(kind, what, whole=whole)
    if aside := _find_aside(counts):
        return make("aside", aside)

    several = [_describe_lists(name, _separate(rows, mark), mark) for mark in _find_separators(counts)]
    if found := next((column for column in several if column.kind == "labels"), None):
        return found
    words = count_words(counts)
    if _returns(counts) and words <= LABEL_WORDS and max(map(len, counts)) <= LABEL_CHARACTERS:
        return make("label", _list_values(counts))
    return make("text", f"texts of {words:.0f} words in the middle")


def _describe_numbers(counts: Counter[str]) -> tuple[Kind, str, bool]:
    """Say what numbers are: labels if they are few, keys if they are whole and no two are alike."""
    numbers = [float(value) for value in counts]
    whole = all(number.is_integer() for number in numbers)
    spread = f"numbers from {min(numbers):g} to {max(numbers):g}"
    if whole and len(counts) == counts.total() > LABELS_ALWAYS_FINE:
        return "aside", f"{spread}, no two alike", whole
    if whole and len(counts) <= FEW_NUMBERS and _returns(counts):
        return "label", _list_values(counts), whole
    return "number", spread, False


def _find_aside(counts: Counter[str]) -> str | None:
    """Say what values are that nothing can be learnt from, such as dates; None if they are not."""
    if found := next((what for what, look in LOOKS.items() if all(map(look.fullmatch, counts))), None):
        return found
    return "keys" if not _returns(counts) and _are_keys(counts) else None


def _are_keys(values: Collection[str]) -> bool:
    """Tell whether values name things: each a single word of ASCII, most with a digit in it."""
    numbered = sum(any(map(str.isdigit, value)) for value in values)
    return 2 * numbered > len(values) and all(value.isascii() and not BLANK.search(value) for value in values)


def _find_separators(counts: Counter[str]) -> Iterator[str]:
    """Find the marks that may stand between labels: in a tenth of the cells, and their parts return."""
    if all(map(WRITTEN_LIST.match, counts)):
        yield USUAL
    for mark in LABEL_SEPARATORS:
        several = sum(count for text, count in counts.items() if mark in text)
        parts = Counter(part.strip() for text in counts.elements() for part in text.split(mark))
        short = max(map(len, parts)) <= LABEL_CHARACTERS / 2 and count_words(parts) <= LABEL_WORDS / 2
        if several * 10 >= counts.total() and short and "" not in parts and 3 * len(parts) <= parts.total():
            yield mark


def _separate(rows: Sequence[str], mark: str) -> list[list[str]]:
    """Separate the labels of every cell as a run does."""
    stream = RowStream("", make_reader(()), dialect=Dialect(label_separator=mark))
    read = read_label_sets([row or None for row in rows], range(len(rows)), stream)
    return [[label for label in labels or () if label] for labels in read]


def _returns(counts: Mapping[str, int]) -> bool:
    """Tell whether values return often enough to be labels."""
    total = sum(counts.values())
    most = max(LABELS_ALWAYS_FINE, min(LABEL_LIMIT, total // TIMES))
    return 1 < len(counts) <= most and len(counts) * TIMES <= total


def _list_values(counts: Mapping[str, int]) -> str:
    common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{show_value(value)} {count:,}" for value, count in common]
    return f"{len(counts)} different values ({list_first(named, SHOWN)})"
