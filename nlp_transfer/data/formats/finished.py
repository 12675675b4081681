"""Yield the pairs of translators that are finished, and count the others by the reason why they are not."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from nlp_transfer.data.formats.blocks import Block
from nlp_transfer.data.formats.by_language import ByLanguage
from nlp_transfer.data.formats.plurals import UNTRANSLATED
from nlp_transfer.data.formats.records import Findings, LeftOut, Read, Record, Wanted, make_reader, refuse_empty


class Pair(NamedTuple):
    """Hold a source and its translation on a line, with their language codes; `lacking` says why it is not finished."""

    number: int
    source: str
    target: str
    languages: tuple[str, str]
    lacking: str | None = None


def make_pair_reader(read_pairs: Callable[[Path], Iterable[Pair]], file: Path) -> Read:
    """Make a reader of pairs; their columns are `source` and `target`, and the language codes in any spelling.

    Where only the source is asked for, as by someone who wants it translated, a pair need not be finished.
    """

    def read(wanted: Wanted, findings: Findings) -> Iterator[Block]:
        return make_reader(_select_pairs(read_pairs(file), file, wanted, findings.left_out))(wanted, findings)

    return read


def _select_pairs(pairs: Iterable[Pair], file: Path, wanted: Wanted, left_out: LeftOut) -> Iterator[Record]:
    rows = 0
    for number, source, target, (one, other), lacking in pairs:
        place = f"{file}:{number}"
        known = ByLanguage({"source": source, **({one: source} if one else {})}, place)
        alone = wanted is not None and all(name in known for name in wanted)
        reason = lacking or (None if target.strip() else UNTRANSLATED)
        if not source.strip():
            continue
        if reason and not alone:
            left_out[reason].append(number)
            continue

        rows += 1
        texts = {"source": source, "target": target, **({one: source} if one else {})}
        yield Record(number, ByLanguage(texts | ({other: target} if other else {}), place))
    refuse_empty(file, rows, found="no finished translation")
