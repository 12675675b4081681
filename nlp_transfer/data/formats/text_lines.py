"""Read the numbered lines of a text file, plain or .gz, as UTF-8; a fault names its line."""

import codecs
import difflib
import gzip
import os
import select
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from io import BufferedReader
from itertools import chain, islice
from pathlib import Path
from typing import IO, NamedTuple, cast

from nlp_transfer.data.formats.encodings import advise_encoding
from nlp_transfer.errors import DataError
from nlp_transfer.system.disk import expand_home

UNICODE = {"UTF-16", "UTF-32"}
MARK = "\ufeff"  # the byte-order mark
TO_UTF8 = "name its encoding: data.encoding={0} in a configuration, --encoding {0} elsewhere"
OTHERS = (  # the first bytes of other formats, the name, and the way out; a longer mark stands before its own beginning
    (codecs.BOM_UTF32_LE, "UTF-32", TO_UTF8.format("utf-32")),
    (codecs.BOM_UTF32_BE, "UTF-32", TO_UTF8.format("utf-32")),
    (codecs.BOM_UTF16_LE, "UTF-16", TO_UTF8.format("utf-16")),
    (codecs.BOM_UTF16_BE, "UTF-16", TO_UTF8.format("utf-16")),
    (b"\x1f\x8b", "packed by gzip", "let its name end in .gz"),
    (b"BZh91AY&SY", "packed by bzip2", "unpack it: bzip2 -d"),
    (b"\xfd7zXZ\0", "packed by xz", "unpack it: xz -d"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd", "unpack it: zstd -d"),
    (b"PK\3\4", "an archive (.zip, .docx) or a sheet", "unpack it, or let the name of a sheet end in .xlsx or .ods"),
    (b"\xd0\xcf\x11\xe0", "a sheet or document of Office", "let the name of a sheet end in .xls"),
    (b"PAR1\x15", "Parquet", "let its name end in .parquet"),
    (b"ARROW1\0\0", "Arrow (Feather)", "let its name end in .arrow"),
    (b"\xff\xff\xff\xff", "a stream of Arrow", "let its name end in .arrow"),
    (b"%PDF-", "PDF", "take its text out, one a line: pdftotext"),
)  # fmt: skip
BLOCK = 1 << 17  # bytes to read at once; more would not stay in a processor's cache
TABLE_BLOCK = 1 << 21  # of a table, whose columns Arrow cuts: each block costs it the same
MOST_NAMES = 10_000  # of a folder, to look among for one that was misspelt
LONGEST = 1 << 25  # characters of a line, a cell or a record, which memory must hold
BREAKS = (EOFError, OSError, zlib.error)  # what a stream may raise
TOO_LONG = f"a {{}} of more than {LONGEST:,} characters, which is the limit; cut it off, or make several of it"


def locate(place: str) -> Path | None:
    """Find the file or folder that a user named; None if nothing is there."""
    try:
        path = expand_home(place)
        return path if path.exists() else None
    except (OSError, ValueError):  # a name that is too long, or holds a NUL
        return None


def find_file(place: str) -> Path:
    """Find the file that a user named.

    Raises:
        DataError: nothing is there, or a folder.
    """
    file = locate(place)
    if file is None:
        raise DataError(f"{place}: no such file{suggest_neighbour(place)}")
    if file.is_dir():
        raise DataError(f"{place}: is a folder; name one file in it")
    return file


def suggest_neighbour(place: str) -> str:
    """Ask for the file in the same folder whose name is nearest, as `". Did you mean 'a.csv'?"`; empty if none is."""
    try:
        path = expand_home(place)
        names = [one.name for one in islice(path.parent.iterdir(), MOST_NAMES)]
    except (OSError, ValueError):  # no such folder, one that may not be read, or a name that cannot be one
        return ""
    near = difflib.get_close_matches(path.name, sorted(names), n=1)
    return f". Did you mean '{Path(place).with_name(near[0])}'?" if near else ""


def is_read_once(file: Path) -> bool:
    """Tell whether a file can be read only once, as a pipe: then nobody can look into it first."""
    return not file.is_file()


def open_bytes(file: Path) -> IO[bytes]:
    """Open a file for reading, and unpack it if its name ends in .gz."""
    try:
        return cast(IO[bytes], gzip.open(file)) if file.name.lower().endswith(".gz") else file.open("rb")
    except OSError as error:
        raise DataError(f"{file}: cannot be opened: {error.strerror or error}") from None


def read_lines(file: Path, encoding: str | None = None) -> Iterator[tuple[int, str]]:
    """Yield (number counted from 1, line without its end) for a file; see `decode_lines`."""
    with open_bytes(file) as stream:
        yield from decode_lines(_read_chunks(stream), str(file), encoding)


def read_blocks(file: Path, encoding: str | None = None) -> Iterator[tuple[int, str]]:
    """Yield the text of a file in blocks of whole lines; see `decode_blocks`."""
    with open_bytes(file) as stream:
        yield from decode_blocks(_read_chunks(stream), str(file), encoding)


class RawBlock(NamedTuple):
    """Hold whole lines of a file in UTF-8, with their ends: the number of the first, from 1, and how many there are."""

    number: int
    lines: int
    content: bytes


def read_raw_blocks(file: Path, encoding: str | None = None) -> Iterator[RawBlock]:
    """Yield the lines of a table, in larger blocks than those of texts, which `cut_blocks` decodes; see there."""
    with open_bytes(file) as stream:
        # The first block is a small one: its header tells how all others are cut.
        chunks = chain(islice(_read_chunks(stream, min(BLOCK, TABLE_BLOCK)), 1), _read_chunks(stream, TABLE_BLOCK))
        if encoding is None:
            yield from _cut_raw_blocks(chunks, str(file))
        else:
            yield from _recode(cut_blocks(chunks, str(file), encoding))


def read_pieces(file: Path, encoding: str | None = None) -> Iterator[str]:
    """Yield the text of a file in blocks that may end anywhere; see `decode_pieces`."""
    with open_bytes(file) as stream:
        yield from decode_pieces(_read_chunks(stream), str(file), encoding)


def _read_chunks(stream: IO[bytes], size: int = BLOCK) -> Iterator[bytes]:
    """Yield what a stream has ready, up to a block at a time, so that a pipe delivers without waiting."""
    return iter(partial(cast(BufferedReader, stream).read1, size), b"")


class ArrivingLines:
    """Iterate over the lines of standard input as they arrive, and tell whether another one is ready."""

    def __init__(self, descriptor: int) -> None:
        """Read from an open file descriptor."""
        self._descriptor = descriptor
        self._lines: deque[bytes] = deque()

    def __iter__(self) -> Iterator[bytes]:
        """Yield each line with its end; a line that arrives in pieces comes in pieces."""
        while data := os.read(self._descriptor, 1 << 16):
            *lines, rest = data.split(b"\n")
            self._lines.extend(line + b"\n" for line in lines)
            while self._lines:
                yield self._lines.popleft()
            if rest:
                yield rest

    def is_idle(self) -> bool:
        """Tell whether the next line has not arrived yet."""
        return not self._lines and not select.select([self._descriptor], [], [], 0)[0]


def decode_lines(stream: Iterable[bytes], name: str, encoding: str | None = None) -> Iterator[tuple[int, str]]:
    """Decode a stream and number its lines, without their ends and the byte-order mark; see `decode_blocks`."""
    for number, text in decode_blocks(stream, name, encoding):
        yield from enumerate(text.removesuffix("\n").split("\n"), number)


def decode_blocks(stream: Iterable[bytes], name: str, encoding: str | None = None) -> Iterator[tuple[int, str]]:
    """Decode a stream, and cut it behind line ends, all of which become line feeds; see `cut_blocks`."""
    return ((number, unify_line_ends(text)) for number, text in cut_blocks(stream, name, encoding))


def unify_line_ends(block: str) -> str:
    """Make every line end a line feed."""
    return block.replace("\r\n", "\n") if "\r" in block else block  # one mark is found far faster than two


def count_lines(block: str) -> int:
    """Count the lines of a block, of which the last may have no end; an empty one has none."""
    return block.count("\n") + (block[-1:] not in ("", "\n"))


def cut_blocks(
    stream: Iterable[bytes], name: str, encoding: str | None = None, *, line: int = 1
) -> Iterator[tuple[int, str]]:
    """Decode a stream, whose first line has the number `line`, and cut it behind line ends.

    Yields:
        The number of a line, counted from 1, and the text that starts there: whole lines.

    Raises:
        DataError: as `decode_pieces`, or for a line that is too long. The lines before it come first.
    """
    number, held, size = line, [""], 0  # of the line that is not complete yet
    for piece in decode_pieces(stream, name, encoding, line=line):
        end = piece.rfind("\n") + 1
        if size + (piece.find("\n") if end else len(piece)) > LONGEST:
            raise DataError(f"{name}:{number}: {TOO_LONG.format('line')}")

        if end:
            block = "".join([*held, piece[:end]])
            yield number, block
            number += block.count("\n")
            held, size = [], 0

        held.append(piece[end:])
        size += len(piece) - end

    if rest := "".join(held):
        yield number, rest.removesuffix("\r")


def _cut_raw_blocks(stream: Iterable[bytes], name: str) -> Iterator[RawBlock]:
    """Cut a stream of UTF-8 behind line ends, without decoding it; `cut_blocks` takes over where it has a fault."""
    number, held, size = 1, [b""], 0  # of the line that is not complete yet
    chunks = chain(stream, [b""])
    try:
        for data in chunks:
            end = data.rfind(b"\n") + 1
            if size + (data.find(b"\n") if end else len(data)) > LONGEST:  # bytes; it may have fewer characters
                past = (held.pop(0) for _ in range(len(held)))  # each piece is let go when it is decoded
                yield from _recode(cut_blocks(chain(past, [data], chunks), name, line=number))
                return

            if end or not data:
                content = b"".join([*held, memoryview(data)[:end]])
                for block in _check_content(number, content if end else content.removesuffix(b"\r"), name):
                    yield block
                    number += block.lines
                held, size = [], 0

            held.append(data[end:])
            size += len(data) - end
    except BREAKS as error:
        raise _explain_break(error, name, number) from None


def _check_content(number: int, content: bytes, name: str) -> Iterator[RawBlock]:
    """Yield a block if its content has no fault, else the lines before the fault, which is raised then."""
    # These find marks and faults ten times faster than `bytes.count` and `bytes.decode`, and only tables need them.
    import numpy as np
    import pyarrow as pa

    if number == 1:
        _refuse_other(content, name, None)
    mark = codecs.BOM_UTF8 if number == 1 else b""
    bounds = np.array([0, len(content)], np.int32)
    try:
        pa.StringArray.from_buffers(1, pa.py_buffer(bounds), pa.py_buffer(content)).validate(full=True)
        clean = b"\0" not in content
    except pa.ArrowInvalid:
        clean = False

    if not clean:
        yield from _recode(cut_blocks([content], name, line=number))
    elif content := content.removeprefix(mark):
        marks = np.frombuffer(content, np.uint8)
        pieces = np.split(marks, range(BLOCK, len(marks), BLOCK))  # arrays as large as all would need new pages
        feeds = sum(int(np.count_nonzero(piece == ord("\n"))) for piece in pieces)
        yield RawBlock(number, feeds + (not content.endswith(b"\n")), content)


def _recode(blocks: Iterable[tuple[int, str]]) -> Iterator[RawBlock]:
    """Encode blocks of text; half a character, which UTF-7 can hold, becomes three bytes that are not UTF-8."""
    for number, text in blocks:
        yield RawBlock(number, count_lines(text), text.encode("utf-8", "surrogatepass"))


def decode_pieces(stream: Iterable[bytes], name: str, encoding: str | None = None, *, line: int = 1) -> Iterator[str]:
    """Decode a stream piece by piece, without its byte-order mark.

    Args:
        stream: the bytes.
        name: of the stream, for messages.
        encoding: a name that Python knows; None means UTF-8.
        line: the number of the first line; only the first of a file may follow a mark, or be that of another format.

    Raises:
        DataError: the stream holds bytes that are not of this encoding, or a NUL, or breaks off; the message names the
            line, and the encoding that it seems to have. The text before it comes first.
    """
    begins = line == 1
    decoder = codecs.getincrementaldecoder(encoding or ("utf-8-sig" if begins else "utf-8"))()
    column = 0  # of the next byte
    try:
        for number, data in enumerate(chain(stream, [b""])):
            if number == 0 and begins:
                _refuse_other(data, name, encoding)

            fault = None
            try:
                text = decoder.decode(data, final=not data)
            except UnicodeDecodeError as error:
                text = str(error.object[: error.start], encoding or "utf-8", "replace")
                called = f"no {encoding}" if encoding else "not UTF-8"
                way = advise_encoding(error.object)
                fault = f"byte 0x{error.object[error.start]:02x} at position {{}} is {called}; {way}"

            if number == 0 and encoding and text.startswith(MARK):
                text = text.removeprefix(MARK)
            if "\0" in text:
                text = text.partition("\0")[0]
                fault = "a NUL byte; the file is damaged, not text, or UTF-16 without a mark"

            if text:
                yield text

            line += text.count("\n")
            last = text.rpartition("\n")[2].encode(encoding or "utf-8", "replace")
            column = len(last) + (0 if "\n" in text else column)
            if fault:
                raise DataError(f"{name}:{line}: {fault.format(column + 1)}")
    except BREAKS as error:
        raise _explain_break(error, name, line) from None


def _explain_break(error: Exception, name: str, line: int) -> DataError:
    """Say that a stream breaks off, or is not packed as its name says; `line` is the next one."""
    if isinstance(error, gzip.BadGzipFile):
        return DataError(f"{name}: is not packed by gzip, or damaged; a plain file's name must not end in .gz")
    return DataError(f"{name}: cannot be read after line {line - 1}: {error}")


def _refuse_other(start: bytes, name: str, encoding: str | None) -> None:
    """Refuse a stream whose first bytes mark another format than text; those of UTF-16 only if no encoding is named."""
    for mark, kind, way in OTHERS:
        if start.startswith(mark) and not (encoding and kind in UNICODE):
            raise DataError(f"{name}:1: the file is {kind}; {way}")
