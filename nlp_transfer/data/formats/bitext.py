"""Read files of texts side by side: line N of each is the same text, or the segment of the same name in WMT sets."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path

from nlp_transfer.data.formats.blocks import Block
from nlp_transfer.data.formats.foreign import KEYED, Foreign
from nlp_transfer.data.formats.keyed import pair_by_key, read_keyed
from nlp_transfer.data.formats.records import Findings, LeftOut, Read, Record, Wanted, make_reader, refuse_empty
from nlp_transfer.data.formats.text_files import Text, find_kind, read_text_file
from nlp_transfer.data.formats.text_lines import find_file
from nlp_transfer.errors import DataError


def make_parallel_reader(files: Mapping[str, str], encoding: str | None = None) -> Read:
    """Make the reader of files side by side: paired by key if one of them has keys, else line by line."""

    def read(wanted: Wanted, findings: Findings) -> Iterator[Block]:
        paths = {column: find_file(file) for column, file in files.items()}
        kinds = {column: find_kind(path, encoding) for column, path in paths.items()}
        if any(kind in KEYED for kind in kinds.values()):
            rows = _read_keyed_rows(paths, kinds, encoding, findings.left_out)
        else:
            rows = read_parallel_rows(files, encoding)
        return make_reader(rows)(wanted, findings)

    return read


def _read_keyed_rows(
    paths: Mapping[str, Path], kinds: Mapping[str, Foreign | None], encoding: str | None, left_out: LeftOut
) -> Iterator[Record]:
    """Yield the rows of files with keys; they need not have one format.

    Raises:
        DataError: one of them has no keys.
    """
    entries = {}
    for column, path in paths.items():
        kind = kinds[column]
        if kind is None or kind not in KEYED:
            keyed = next(paths[one] for one, its in kinds.items() if its in KEYED)
            raise DataError(f"{path}: has no keys to pair its texts by, as {keyed} has; name two files with keys")
        entries[column] = path, read_keyed(path, kind, encoding)
    yield from pair_by_key(entries, left_out)


def read_parallel_rows(files: Mapping[str, str], encoding: str | None = None) -> Iterator[Record]:
    """Yield a row for each text: text N of every file is row N, with one column a file.

    Args:
        files: column -> file; one text a line, or one side of a WMT test set.
        encoding: of the files; None means UTF-8.

    Raises:
        DataError: a file cannot be read, the files have unequal lengths, or two segments in one row have different
            names.
    """
    paths = [find_file(file) for file in files.values()]
    rows, more = 0, Counter[str]()  # complete rows; for each column, the texts that have no counterpart
    last: tuple[Text, ...] = (Text(0, ""),) * len(files)
    for texts in zip_longest(*(read_text_file(path, encoding) for path in paths)):
        if None in texts:
            more.update(column for column, text in zip(files, texts, strict=True) if text is not None)
            continue

        rows, last = rows + 1, texts
        if len({text.name for text in last} - {""}) > 1:
            raise _make_stranger_error(files.values(), last)
        yield Record(last[0].number, {column: text.text for column, text in zip(files, last, strict=True)})

    if more:
        raise _make_missing_error(files, last, {column: rows + more[column] for column in files})
    refuse_empty(paths[0], rows, found="nothing")


def _make_stranger_error(files: Collection[str], texts: tuple[Text, ...]) -> DataError:
    places = [f"{file}:{text.number}" for file, text in zip(files, texts, strict=True)]
    shown = " beside ".join(f"{text.name} ({place})" for place, text in zip(places, texts, strict=True) if text.name)
    return DataError(f"{places[0]}: {shown}; the files must hold the same segments in the same order")


def _make_missing_error(files: Mapping[str, str], last: tuple[Text, ...], counts: Mapping[str, int]) -> DataError:
    short = min(files, key=lambda column: counts[column])
    line = last[[*files].index(short)].number + 1
    unit = "segment" if any(text.name for text in last) else "line"
    shown = ", ".join(f"{file} has {counts[column]} {unit}s" for column, file in files.items())
    return DataError(
        f"{files[short]}:{line}: this {unit} is missing: {shown}; {unit} N of each must hold the same text"
    )
