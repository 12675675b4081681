"""Formats of translators, row by row: parallel text files, and gettext .po and .mo; TMX has a file of its own."""

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import SupportsIndex

import polib

from nlp_transfer.errors import DataError
from nlp_transfer.lines import existing_file, numbered_lines, open_bytes
from nlp_transfer.rows import Row, refuse_empty

PO_LINE = re.compile(r'#.*|(?:msg(?:ctxt|id|id_plural|str|str\[\d+\])\s*)?"(?:[^"\\]|\\.)*"|')
MO_BYTE_ORDER = {b"\xde\x12\x04\x95": "<", b"\x95\x04\x12\xde": ">"}


def parallel_rows(files: Mapping[str, str]) -> Iterator[Row]:
    """Read text files side by side: line N of each is row N, one column a file.

    Args:
        files: Column -> text file, one text a line.

    Raises:
        DataError: a file that cannot be read, or files of unequal length, with their counts.
    """
    paths = {column: existing_file(file) for column, file in files.items()}
    counts = dict.fromkeys(files, 0)
    for lines in zip_longest(*map(numbered_lines, paths.values())):
        for column, line in zip(files, lines, strict=True):
            counts[column] += line is not None
        if None not in lines:
            number = lines[0][0]
            yield Row(number, {column: text for column, (_, text) in zip(files, lines, strict=True)})
    if len(set(counts.values())) > 1:
        short = min(files, key=lambda column: counts[column])
        shown = ", ".join(f"{file} has {counts[column]} lines" for column, file in files.items())
        raise DataError(
            f"{files[short]}:{counts[short] + 1}: this line is missing: {shown}; line N of each must hold the same text"
        )
    refuse_empty(next(iter(paths.values())), max(counts.values()), found="nothing")


class _FileText(str):
    """A text whose lines end where those of a file do; `str` would also split at U+2028 and a few others."""

    def splitlines(self, keepends: SupportsIndex = False) -> list[str]:
        """Split at line feeds only."""
        del keepends
        return self.split("\n")


def po_rows(file: Path) -> Iterator[Row]:
    """Read the finished translations of a gettext .po file, as `msgid` and `msgstr`.

    The header and fuzzy, obsolete and untranslated entries are left out; of plural forms the singular is taken.

    Raises:
        DataError: not UTF-8, or not gettext, with the line.
    """
    lines = []
    for number, line in numbered_lines(file):
        if not PO_LINE.fullmatch(line.strip()):  # polib would drop a character for a quote that is not there
            raise DataError(f"{file}:{number}: not gettext: expected a comment, or a msgid or msgstr in quotes")
        lines.append(line)
    content = _FileText("\n".join(lines))
    try:
        entries = polib.pofile(content, encoding="utf-8")
    except (OSError, ValueError, LookupError) as error:
        place = re.search(r"\(line (\d+)\)", str(error))
        raise DataError(f"{file}:{place[1] if place else 1}: not gettext: entries are a msgid, then a msgstr") from None
    rows = 0
    for entry in entries:
        translation = entry.msgstr_plural.get(0, "") if entry.msgid_plural else entry.msgstr
        if entry.msgid and translation and not entry.fuzzy and not entry.obsolete:
            rows += 1
            yield Row(max(1, entry.linenum), {"msgid": entry.msgid, "msgstr": translation})
    refuse_empty(file, rows, found="no translated entry")


def mo_rows(file: Path) -> Iterator[Row]:
    """Read a compiled gettext .mo file, as `msgid` and `msgstr`, without contexts; of plural forms the singular.

    Read here, because polib gives the strings of a file that is cut short as if they were whole.

    Raises:
        DataError: not a .mo file, damaged, or not UTF-8, with the entry.
    """
    try:
        with open_bytes(file) as stream:
            data = stream.read()
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{file}: cannot be read: {error}") from None
    if data[:4] not in MO_BYTE_ORDER:
        raise DataError(f"{file}: not a compiled gettext file; name the .po file, or compile it with msgfmt")
    order = MO_BYTE_ORDER[data[:4]]
    number = rows = 0
    try:
        count, *tables = struct.unpack_from(f"{order}3I", data, 8)
        for number in range(1, count + 1):
            both = (_mo_string(data, order, table + 8 * (number - 1)) for table in tables)
            source, translation = (text.split("\0")[0] for text in both)
            if source and translation:
                rows += 1
                yield Row(number, {"msgid": source.rpartition("\x04")[2], "msgstr": translation})
    except struct.error:
        raise DataError(f"{file}: damaged or cut short at entry {number}; compile it again with msgfmt") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: entry {number} is not UTF-8: {error.reason}; convert it with msgconv") from None
    refuse_empty(file, rows, found="no translated entry")


def _mo_string(data: bytes, order: str, entry: int) -> str:
    """The string that an entry of a table (its length, then where it starts) points to."""
    length, start = struct.unpack_from(f"{order}2I", data, entry)
    (raw,) = struct.unpack_from(f"{length}s", data, start)  # refuses to read past the end
    return str(raw, "utf-8")
