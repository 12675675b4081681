"""Parse XML in bounded memory: a piece at a time, without entities, with the line of every fault."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from xml.parsers import expat

from nlp_transfer.data.formats.text_lines import open_bytes
from nlp_transfer.errors import DataError

BUFFER = 1 << 20  # bytes to read, and characters to buffer, at once; a small buffer would copy long texts often
T = TypeVar("T")


def make_parser(name: str) -> expat.XMLParserType:
    """Make a parser that refuses entities; `name` is that of the file, for messages.

    It is expat itself, because iterparse neither tells the line of an element nor refuses an entity.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = BUFFER

    def refuse_declaration(entity: str, *_: object) -> None:
        way = "entities are never expanded, write the text itself"
        raise DataError(f"{name}:{parser.CurrentLineNumber}: declares the entity '{entity}'; {way}")

    def refuse_unknown(entity: str, *_: object) -> None:
        raise DataError(f"{name}:{parser.CurrentLineNumber}: unknown entity '{entity}'; write the text itself")

    parser.EntityDeclHandler = refuse_declaration
    parser.SkippedEntityHandler = refuse_unknown
    return parser


def parse_file(file: Path, parser: expat.XMLParserType, done: list[T]) -> Iterator[T]:
    """Feed a file to a parser, and yield what its handlers put into `done`.

    Raises:
        DataError: the file is not well-formed, holds entities, or breaks off; the message names the line. What is done
            before comes first.
    """
    with open_bytes(file) as stream, _explain_faults(file, parser):
        more = True
        while more:
            chunk = stream.read(BUFFER)
            more = bool(chunk)

            try:
                parser.Parse(chunk, not more)
            except Exception:
                yield from done  # what stands before the fault
                raise

            yield from done
            done.clear()


@contextmanager
def _explain_faults(file: Path, parser: expat.XMLParserType) -> Iterator[None]:
    try:
        yield
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise DataError(f"{file}:{error.lineno}: broken XML at position {error.offset + 1}: {reason}") from None
    except (LookupError, ValueError) as error:  # an encoding that Python or expat does not know
        raise DataError(f"{file}:{parser.CurrentLineNumber}: XML that cannot be read: {error}") from None
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{file}: cannot be read after line {parser.CurrentLineNumber}: {error}") from None
