"""Pair files that each give the texts of one language under keys: strings.xml of Android, .resx, ARB, .properties."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from nlp_transfer.data.formats.android import read_android
from nlp_transfer.data.formats.arb import read_arb
from nlp_transfer.data.formats.entries import Entries, Entry
from nlp_transfer.data.formats.foreign import ANDROID, ARB, RESX, Foreign
from nlp_transfer.data.formats.plurals import UNSAID, count_places
from nlp_transfer.data.formats.properties import read_properties
from nlp_transfer.data.formats.records import LISTED_FAULTS, Fault, LeftOut, Record, refuse_empty
from nlp_transfer.data.formats.resx import read_resx
from nlp_transfer.errors import DataError


def read_keyed(file: Path, kind: Foreign, encoding: str | None) -> dict[str, list[Entry]]:
    """Read the entries of a file: key -> those with it, in order; a program shows the last.

    Raises:
        DataError: the file cannot be read, or has bad entries, which are listed together.
    """
    entries: dict[str, list[Entry]] = {}
    faults: list[Fault] = []
    for one in _open(file, kind, encoding):
        if isinstance(one, Fault):
            faults.append(one)
        else:
            entries.setdefault(one.key, []).append(one)

    if faults:
        shown = [f"{file}:{number}: {message}" for number, message in faults[:LISTED_FAULTS]]
        more = [f"and {len(faults) - len(shown)} more"] if len(faults) > len(shown) else []
        raise DataError("\n  ".join([*shown, *more]))
    refuse_empty(file, len(entries), found="no text under a key")
    return entries


def _open(file: Path, kind: Foreign, encoding: str | None) -> Entries:
    if kind is ANDROID:
        return read_android(file)
    if kind is RESX:
        return read_resx(file)
    return read_arb(file, encoding) if kind is ARB else read_properties(file, encoding)


def pair_by_key(files: Mapping[str, tuple[Path, dict[str, list[Entry]]]], left_out: LeftOut) -> Iterator[Record]:
    """Yield a row for each key that all files have, in the order of the first.

    Args:
        files: column -> the file and its entries.
        left_out: takes what has no counterpart, by reason, with its lines.
    """
    rows = 0
    (first, keys), *others = files.values()
    for key, entries in keys.items():
        number = entries[-1].number
        for one in entries[:-1]:
            left_out["key that comes again below"].append(one.number)

        if lacking := next((file.name for file, other in others if key not in other), None):
            left_out[f"key that {lacking} lacks"].append(number)
            continue
        texts = {column: other[key][-1].text for column, (_, other) in files.items()}
        if key.endswith("]") and len(set(map(count_places, texts.values()))) > 1:
            left_out[UNSAID].append(number)
            continue

        rows += 1
        yield Record(number, texts)

    for file, other in others:
        for key in (one for one in other if one not in keys):
            left_out[f"key that only {file.name} has"].append(other[key][-1].number)
    refuse_empty(first, rows, found="no key that the others have too")
