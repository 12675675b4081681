"""Read vectors from text, one word and its numbers a line: GloVe, word2vec text, fastText .vec.

A word may hold spaces (GloVe 840B has `. . .`), no-break spaces or U+0085. So only a line feed ends a line, which is
split from the right.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from nlp_transfer.errors import SourceError, count_things
from nlp_transfer.sources.vectors.stream import BLOCK, MAX_DIM, VectorBlock

SAMPLE = 100  # lines that decide the dimension if no header tells it
MAX_LINE = 4 * BLOCK  # bytes


def read_text(
    file: BinaryIO, path: Path, *, header: tuple[int, int] | None, counts: Counter[str]
) -> tuple[int, Iterator[VectorBlock]]:
    """Read vectors from text.

    Args:
        file: positioned at the first vector.
        path: the file, for messages.
        header: rows and dimension, if the file begins with them.
        counts: receives `blank_lines`.

    Returns:
        The dimension, and the rows in blocks of about `BLOCK` bytes.

    Raises:
        SourceError: at once, if no dimension can be found; from the iterator, for a line that is not a word and d
            numbers.
    """
    blocks = _read_blocks(file, path)
    first = next(blocks, b"")
    dim = header[1] if header else _find_dimension(first, path)

    def yield_blocks() -> Iterator[VectorBlock]:
        line, rows = 1 + bool(header), 0
        block, following = first, next(blocks, b"")
        large = bool(following)
        while block:
            parsed, lines = _parse_block(block, line, dim, path, large=large)
            line += lines
            rows += len(parsed.words)
            counts["blank_lines"] += lines - len(parsed.words)
            yield parsed
            block, following = following, next(blocks, b"")

        if header and rows != header[0]:
            raise SourceError(
                f"{path}: the header promises {header[0]} vectors, the file holds {rows}; is it truncated?"
            )

    return dim, yield_blocks()


def _read_blocks(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Yield whole lines, about `BLOCK` bytes at a time; a last line without its end stands with those before it."""
    whole = rest = b""
    while chunk := file.read(BLOCK):
        block = rest + chunk
        end = block.rfind(b"\n") + 1
        if not end and len(block) > MAX_LINE:
            raise SourceError(f"{path}: a line is longer than {MAX_LINE:,} bytes; this is no vector file")
        rest = block[end:]
        if end:
            if whole:
                yield whole
            whole = block[:end]
    if last := whole + rest:
        yield last


def _find_dimension(block: bytes, path: Path) -> int:
    """Find how many numbers end most of the first lines; if two counts are equally common, the first line decides."""
    lines = [line for line in block.split(b"\n", SAMPLE)[:SAMPLE] if line.strip()]
    if len(lines) < 2:
        raise SourceError(
            f"{path}: holds {count_things(len(lines), 'line', 'lines')} of text; vectors without a header need two, "
            "each a word and its numbers"
        )
    [(dim, _)] = Counter(_count_numbers(line) for line in lines).most_common(1)
    if not 1 <= dim <= MAX_DIM:
        start = lines[0][:40].decode(errors="backslashreplace")
        raise SourceError(f"{path}:1: expected a word and its numbers, received '{start}'; this is no vector file")
    return dim


def _parse_block(block: bytes, line: int, dim: int, path: Path, *, large: bool) -> tuple[VectorBlock, int]:
    """Parse lines, the first of which has the number `line`; return their rows and the number of lines.

    A table of a single block (not `large`) opens before Arrow is loaded.
    """
    lines = block.removesuffix(b"\n").split(b"\n")
    if large and (regular := _parse_regular(lines, line, dim)):
        return regular, len(lines)

    words, rows, places = [], [], []
    for place, text in enumerate(lines, line):
        if not text.strip():
            continue

        try:
            word, numbers = _parse_line(text, dim)
        except ValueError as error:
            raise SourceError(f"{path}:{place}: {error}") from None

        words.append(word)
        rows.append(numbers)
        places.append(place)

    with np.errstate(over="ignore"):  # an overflow becomes infinite, and is refused later with its line
        vectors = np.array(rows, dtype=np.float32).reshape(len(rows), dim)
    return VectorBlock(words, vectors, places), len(lines)


def _parse_regular(lines: Sequence[bytes], line: int, dim: int) -> VectorBlock | None:
    """Parse lines that are all a word, a blank or a tab, and numbers between single blanks, as most files are written.

    The numbers are read in one go, in a quarter of the time. `_parse_line` reads such lines in the same way.

    Returns:
        None if any line may be something else.
    """
    import pyarrow as pa
    from pyarrow import csv

    mark = b"\t" if b"\t" in lines[0] else b" "
    heads, _, tails = zip(*(text.partition(mark) for text in lines), strict=True)
    numbers = [tail.rstrip(b" \r") for tail in tails]
    if any(one.count(b" ") != dim - 1 for one in numbers):
        return None
    if mark == b" " and any(head.split() != [head] for head in heads):
        return None

    cells = b"\n".join(numbers).replace(b" ", b"\n")
    try:
        found = csv.read_csv(
            pa.BufferReader(cells),
            csv.ReadOptions(use_threads=False, column_names=["number"], block_size=len(cells) + 1),
            csv.ParseOptions(delimiter=" ", quote_char=False),
            csv.ConvertOptions(column_types={"number": pa.float64()}, null_values=[]),
        )
        words = [head.decode().lstrip(" \t") for head in heads]
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return None
    if len(found) != len(lines) * dim:
        return None

    with np.errstate(over="ignore"):
        vectors = found["number"].to_numpy().astype(np.float32).reshape(len(lines), dim)
    return VectorBlock(words, vectors, list(range(line, line + len(lines))))


def _parse_line(line: bytes, dim: int) -> tuple[str, list[float]]:
    """Split a line into its word and numbers, or raise ValueError that says what was received instead."""
    word, fields = _split_at_tab(line)
    if len(fields) != dim:
        word, *fields = line.rsplit(None, dim)
        if len(fields) < dim or _is_continued(word, fields[0]):
            raise ValueError(f"expected a word and {dim} numbers, received {_format_count(_count_numbers(line))}")

    try:
        numbers = [*map(float, fields)]
    except ValueError:
        bad = next(field for field in reversed(fields) if not _is_number(field)).decode(errors="backslashreplace")
        count = _format_count(_count_numbers(line))
        raise ValueError(f"expected a word and {dim} numbers, received {count} after '{bad[:40]}'") from None
    if b"_" in line and not all(map(_is_number, fields)):
        raise ValueError("a number holds '_'")

    try:
        return word.decode().lstrip(" \t"), numbers
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8: byte 0x{word[error.start]:02x}; convert it with iconv") from None


def _split_at_tab(line: bytes) -> tuple[bytes, list[bytes]]:
    """Split a line with one tab, whose word may end in any number (`Windows 3.1`) or be blank; no fields without."""
    word, _, rest = line.partition(b"\t")
    return word, [] if b"\t" in rest else rest.split()


def _is_continued(word: bytes, number: bytes) -> bool:
    """Tell whether a word ends in one number too many (`cat 0.1`), and not in a number of its own (`iphone 4`).

    A whole number before a decimal one belongs to the word, because a row is written in one style.
    """
    fields = word.split()
    return len(fields) > 1 and _is_number(fields[-1]) and (_is_whole(number) or not _is_whole(fields[-1]))


def _is_whole(field: bytes) -> bool:
    return field.lstrip(b"+-").isdigit()


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return b"_" not in field


def _count_numbers(line: bytes) -> int:
    """Count the numbers at the end of a line; its first field is always the word."""
    count = 0
    for field in reversed(line.split()[1:]):
        if not _is_number(field):
            break
        count += 1
    return count


def _format_count(count: int) -> str:
    return "1 number" if count == 1 else f"{count} numbers"
