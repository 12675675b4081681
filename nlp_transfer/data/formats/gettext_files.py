"""Read gettext's .po and .mo, pair by pair as `msgid` and `msgstr`; a plural gives the forms for one and for two.

Where only `msgid` is asked for, as by someone who wants it translated, an entry needs no translation to be a row.
"""

import gc
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import SupportsIndex

import polib

from nlp_transfer.data.formats.blocks import Block
from nlp_transfer.data.formats.plurals import Paired, PluralRule, pair_forms, read_rule
from nlp_transfer.data.formats.records import Findings, LeftOut, Read, Record, Wanted, make_reader, refuse_empty
from nlp_transfer.data.formats.text_lines import BLOCK, LONGEST, TOO_LONG, open_bytes, read_lines
from nlp_transfer.errors import DataError

PO_LINE = re.compile(r'#.*|(?:msg(?:ctxt|id|id_plural|str|str\[\d+\])\s*)?"(?:[^"\\]|\\.)*"|')
PO_WORD = re.compile("#|msgctxt|msgid|msgstr")
PART = 1 << 15  # characters of a .po file to parse together
LARGEST = 1 << 27  # bytes of a .mo file; it is read whole, because its strings may lie anywhere
MO_BYTE_ORDER = {b"\xde\x12\x04\x95": "<", b"\x95\x04\x12\xde": ">"}


class _FileText(str):
    """Split into lines as files do, for polib; plain `str` would also split at U+2028 and a few others."""

    def splitlines(self, keepends: SupportsIndex = False) -> list[str]:
        """Split at line feeds only."""
        del keepends
        return self.split("\n")


def make_gettext_reader(rows: Callable[[Path, LeftOut, bool], Iterator[Record]], file: Path) -> Read:
    """Make a reader of pairs, or of the texts alone where no translation is asked for; see the head of this file."""

    def read(wanted: Wanted, findings: Findings) -> Iterator[Block]:
        paired = wanted is None or "msgstr" in wanted
        return make_reader(rows(file, findings.left_out, paired))(wanted, findings)

    return read


def read_po(file: Path, left_out: LeftOut, paired: bool) -> Iterator[Record]:
    """Yield the finished translations of a .po file or, unless `paired`, every text that is not obsolete.

    Fuzzy, obsolete and untranslated entries are no finished translations. What is left out is listed by reason.

    Raises:
        DataError: the file is not UTF-8 or not gettext; the message names the line.
    """
    rows, rule = 0, None
    for before, part in _parse_po_parts(file):
        if part.metadata:  # only the first part has the header
            rule = read_rule("\n".join(f"{name}: {value}" for name, value in part.metadata.items()))

        for entry in part:
            number = before + max(1, entry.linenum)
            pairs, lacking = _pair_po_entry(entry, rule, paired)
            if lacking:
                left_out[lacking].append(number)
            for source, translation in pairs:
                rows += 1
                yield Record(number, {"msgid": source, "msgstr": translation})
    refuse_empty(file, rows, found="no translated entry" if paired else "no entry")


def _parse_po_parts(file: Path) -> Iterator[tuple[int, polib.POFile]]:
    """Parse a .po file in parts, because polib holds all it parses; yield (number of lines before it, part)."""
    lines: list[str] = []
    held, before, last = 0, 0, ""
    for number, line in read_lines(file):
        if not PO_LINE.fullmatch(line.strip()):  # polib would lose a character if a quote is missing
            raise DataError(f"{file}:{number}: not gettext: expected a comment, or a msgid or msgstr in quotes")

        word = PO_WORD.match(line.removeprefix("#~").strip())
        if word and held > PART and last == "msgstr" != word[0]:  # an entry begins here
            yield before, _parse_po_part(file, lines, before)
            lines, held, before = [], 0, number - 1

        last = word[0] if word else last
        lines.append(line)
        held += len(line) + 1
        if held > LONGEST:
            raise DataError(f"{file}:{before + 1}: {TOO_LONG.format('message')}")
    yield before, _parse_po_part(file, lines, before)


def _parse_po_part(file: Path, lines: list[str], before: int) -> polib.POFile:
    try:
        return polib.pofile(_FileText("\n".join(lines)), encoding="utf-8")
    except (OSError, ValueError, LookupError) as error:
        place = re.search(r"\(line (\d+)\)", str(error))
        line = before + (int(place[1]) if place else 1)
        raise DataError(f"{file}:{line}: not gettext: entries are a msgid, then a msgstr") from None
    finally:
        gc.collect(0)  # polib's parser refers to itself and to the lines


def _pair_po_entry(entry: polib.POEntry, rule: PluralRule | None, paired: bool) -> Paired:
    if not entry.msgid:
        return Paired(())
    if entry.obsolete:
        return Paired((), "obsolete")
    if not paired:
        return _keep_alone([entry.msgid, entry.msgid_plural])

    if entry.fuzzy:
        return Paired((), "fuzzy")
    if not entry.msgid_plural:
        return pair_forms([entry.msgid], [entry.msgstr], rule)
    forms = [entry.msgstr_plural[index] for index in sorted(entry.msgstr_plural)]
    return pair_forms([entry.msgid, entry.msgid_plural], forms, rule)


def _keep_alone(sources: Sequence[str]) -> Paired:
    return Paired([(source, "") for source in sources if source])


def read_mo(file: Path, left_out: LeftOut, paired: bool) -> Iterator[Record]:
    """Yield the pairs of a compiled .mo file, without their contexts; the number of a row is that of its entry.

    Unless `paired` the texts are yielded without their translations.
    polib is not used here: it would return the strings of a file that was cut short as if they were whole.

    Raises:
        DataError: not a .mo file, damaged, or not UTF-8; the message names the entry.
    """
    rows, rule = 0, None
    for number, (source, translation) in enumerate(_read_mo_entries(file), 1):
        if not source:
            rule = read_rule(translation)  # the header: its msgid is empty, so it stands first
            continue

        sources = source.rpartition("\x04")[2].split("\0")
        pairs, lacking = pair_forms(sources, translation.split("\0"), rule) if paired else _keep_alone(sources)
        if lacking:
            left_out[lacking].append(number)
        for one, other in pairs:
            rows += 1
            yield Record(number, {"msgid": one, "msgstr": other})
    refuse_empty(file, rows, found="no translated entry" if paired else "no entry")


def _read_mo_entries(file: Path) -> Iterator[tuple[str, str]]:
    """Yield msgid and msgstr of every entry as stored: a context ends in U+0004, NUL parts plural forms."""
    data = _read_mo_bytes(file)
    if data[:4] not in MO_BYTE_ORDER:
        raise DataError(f"{file}: not a compiled gettext file; name the .po file, or compile it with msgfmt")

    order = MO_BYTE_ORDER[data[:4]]
    number = 0
    try:
        count, sources, translations = struct.unpack_from(f"{order}3I", data, 8)
        for number in range(1, count + 1):
            at = 8 * (number - 1)
            yield _read_mo_string(data, order, sources + at), _read_mo_string(data, order, translations + at)
    except struct.error:
        raise DataError(f"{file}: damaged or cut short at entry {number}; compile it again with msgfmt") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: entry {number} is not UTF-8: {error.reason}; convert it with msgconv") from None


def _read_mo_bytes(file: Path) -> bytes:
    chunks, held = [], 0
    try:
        with open_bytes(file) as stream:
            while chunk := stream.read(BLOCK):  # in blocks: one large read would reserve memory for its limit
                chunks.append(chunk)
                held += len(chunk)
                if held > LARGEST:
                    raise DataError(
                        f"{file}: a .mo file of more than {LARGEST:,} bytes, which is the limit; make several of it"
                    )
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{file}: cannot be read: {error}") from None
    return b"".join(chunks)


def _read_mo_string(data: bytes, order: str, entry: int) -> str:
    """Read the string that an entry of a table points to; the entry holds its length and its position."""
    length, start = struct.unpack_from(f"{order}2I", data, entry)
    (raw,) = struct.unpack_from(f"{length}s", data, start)  # raises if the string would end behind the file
    return str(raw, "utf-8")
