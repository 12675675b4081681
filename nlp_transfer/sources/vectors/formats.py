"""Recognise a vector file by its content, without running any of it, and open the reader of its format."""

import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from nlp_transfer.errors import SourceError
from nlp_transfer.sources.other_weights import explain_other_weights
from nlp_transfer.sources.vectors.binary import FASTTEXT_MAGIC, open_array, open_fasttext, read_word2vec
from nlp_transfer.sources.vectors.floret import HEADER as FLORET
from nlp_transfer.sources.vectors.floret import open_floret
from nlp_transfer.sources.vectors.folders import make_folder_error
from nlp_transfer.sources.vectors.keys import spell_words
from nlp_transfer.sources.vectors.navec import open_navec, starts_tar
from nlp_transfer.sources.vectors.spacy_folder import find_spacy, open_parts
from nlp_transfer.sources.vectors.stream import VectorBlock, VectorStream, check_header
from nlp_transfer.sources.vectors.text import read_text

HEAD = 1 << 16  # bytes at the start of a file that show its format
PICKLES = {".kv", ".model", ".pkl", ".pickle", ".pt", ".pth", ".joblib"}
GZIP, ZIP, NPY, BOM = b"\x1f\x8b", b"PK\x03\x04", b"\x93NUMPY", b"\xef\xbb\xbf"
DEFLATE_RATIO = 1032  # the best compression that zlib can reach
HEADER = re.compile(rb"[ \t]*(-?\d{1,18})[ \t]+(-?\d{1,18})[ \t]*\r?(?:\n|\Z)")
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")


@contextmanager
def open_stream(path: Path) -> Iterator[VectorStream]:
    """Open any vector file.

    Raises:
        SourceError: the file is missing, empty, of unknown format, damaged, or a pickle; some faults show only
            while the rows are read.
    """
    folder = find_spacy(path)
    if path.is_dir() and not folder:
        raise make_folder_error(path)
    if path.suffix.lower() in PICKLES:
        raise _make_pickle_error(path)
    if path.is_file() and (other := explain_other_weights(path)):
        raise SourceError(other)
    with ExitStack() as stack:
        with _explain_faults(path):
            stream = open_parts(folder) if folder else _open(path, stack)
        stream.blocks = spell_words(_read_blocks(stream.blocks, path), path, stream.counts)
        yield stream


def _read_blocks(blocks: Iterator[VectorBlock], path: Path) -> Iterator[VectorBlock]:
    with _explain_faults(path):
        yield from blocks


@contextmanager
def _explain_faults(path: Path) -> Iterator[None]:
    """Explain errors of reading, with the name of the file; the body must not also write, whose errors differ."""
    try:
        yield
    except FileNotFoundError:
        raise SourceError(f"{path}: no such file") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{path}: truncated or damaged gzip: {error}") from None
    except OSError as error:
        raise SourceError(f"{error.filename or path}: {error.strerror or error}") from None


def _make_pickle_error(path: Path) -> SourceError:
    return SourceError(
        f"{path}: pickled files ({', '.join(sorted(PICKLES))}) run code when opened and are refused. If you "
        "trust it, convert it once in Python: from gensim.models import KeyedVectors; "
        "KeyedVectors.load(FILE).save_word2vec_format('vectors.bin', binary=True) "
        "(a .model: Word2Vec.load(FILE).wv.save_word2vec_format(...))"
    )


def _open(path: Path, stack: ExitStack) -> VectorStream:
    raw = stack.enter_context(path.open("rb"))
    packed = raw.read(2) == GZIP
    raw.seek(0)
    file = cast(BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=raw))) if packed else raw

    head = file.read(HEAD)
    if not head:
        raise SourceError(f"{path}: the file is empty")

    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        raise _make_pickle_error(path)

    if head.startswith(ZIP):
        raise SourceError(f"{path}: an archive; unpack it and name the vector file in it")

    if starts_tar(head) and not packed:
        return open_navec(path)

    if header := FLORET.match(head):
        file.seek(header.end())
        return open_floret(file, path, header, held=_count_held(path, packed=packed))

    if head.startswith((NPY, FASTTEXT_MAGIC)):
        if packed:
            raise SourceError(f"{path}: this format is memory-mapped; unpack it first: gunzip {path.name}")
        return open_array(path) if head.startswith(NPY) else open_fasttext(path)
    return _open_rows(path, raw, file, head)


def _open_rows(path: Path, raw: BinaryIO, file: BinaryIO, head: bytes) -> VectorStream:
    """Open the formats that are read row by row: text with or without a header, and word2vec binary."""
    size, held = path.stat().st_size, _count_held(path, packed=file is not raw)
    counts: Counter[str] = Counter()
    start = len(BOM) if head.startswith(BOM) else 0
    found = HEADER.match(head, start)

    if not found:
        file.seek(start)
        dim, blocks = read_text(file, path, header=None, counts=counts)
        return VectorStream(path, dim, blocks, "line", size, raw.tell, counts)
    count, dim = int(found[1]), int(found[2])

    text = _is_text(head[found.end() :])
    # The estimate for text is low on purpose: then a short line is reported, and not the header.
    needed = count * (dim if text else 4 * dim + 1)
    check_header(path, count, dim, needed=needed, held=held - found.end())

    file.seek(found.end())
    if text:
        _, blocks = read_text(file, path, header=(count, dim), counts=counts)
    else:
        blocks = read_word2vec(file, path, count=count, dim=dim, counts=counts)
    return VectorStream(path, dim, blocks, "line" if text else "row", size, raw.tell, counts, rows=count)


def _count_held(path: Path, *, packed: bool) -> int:
    """Count the most bytes that a file can hold, unpacked."""
    return path.stat().st_size * (DEFLATE_RATIO if packed else 1)


def _is_text(rest: bytes) -> bool:
    """Tell whether the rows are text: the first ends in a number, or at least all bytes are printable ASCII."""
    first = rest.lstrip().partition(b"\n")[0]
    try:
        float(first.rsplit(None, 1)[-1])
    except (ValueError, IndexError):
        return not CONTROL.search(rest) and rest.isascii()
    return True
