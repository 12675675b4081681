"""Adapt a table of word vectors to texts of one's own: train its rows on, add new words, draw them to a lexicon.

nlp-transfer adapt glove-50d reviews.csv my-vectors
"""

import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nlp_transfer.errors import SourceError
from nlp_transfer.sources.reading import is_lower
from nlp_transfer.sources.vectors.retrofitting import read_lexicon, retrofit
from nlp_transfer.sources.vectors.skip_gram import Continuation, train_rows
from nlp_transfer.sources.vectors.store import check_output
from nlp_transfer.sources.vectors.stream import Adapted
from nlp_transfer.sources.vectors.table import VectorTable, open_vectors, write_table
from nlp_transfer.sources.vectors.word2vec import Sentences
from nlp_transfer.system.disk import hash_file
from nlp_transfer.system.layout import TABLE, UNFINISHED
from nlp_transfer.system.room import guard_temporary


@dataclass(frozen=True)
class AdaptedVectors:
    """A table that was adapted.

    Attributes:
        folder: the imported folder.
        words: the number of its words.
        added: how many of these are new.
        moved: how many old ones were trained.
        similarity: mean cosine of these before and after; 1 if none was.
        known_before: share of the words of the texts, repeats too, that the table had before.
        known: the same now.
        retrofitted: how many words the lexicon drew to others.
        earlier: whether an earlier call has made it.
    """

    folder: Path
    words: int
    added: int
    moved: int
    similarity: float
    known_before: float
    known: float
    retrofitted: int
    earlier: bool = False

    @property
    def summary(self) -> str:
        """Say it in words."""
        told = (
            f"{self.folder}: {self.words:,} words, {self.added:,} of them new; {self.moved:,} old ones trained, whose "
            f"mean cosine to before is {self.similarity:.3f}\n"
            f"of the words of the texts the table has {self.known:.1%}, {self.known_before:.1%} before"
        )
        told = f"{self.folder} holds this table already; there is nothing to do\n{told}" if self.earlier else told
        return f"{told}\n{self.retrofitted:,} words drawn to their lexicon" if self.retrofitted else told


def continue_vectors(
    table: VectorTable, texts: Iterable[str], output: Path, how: Continuation, *, said: str, progress: bool = False
) -> AdaptedVectors:
    """Train the rows of the words that texts hold, add rows for new words, and draw all to a lexicon; see `train_rows`.

    Args:
        table: of words.
        texts: documents; one pass over them.
        output: the folder to write. What an earlier call with the same arguments has made there is returned, and what
            it has not finished goes on.
        how: the settings.
        said: where the texts come from, for the description of the table.
        progress: show a bar.

    Raises:
        DataError: no word is frequent enough, or the lexicon cannot be read.
        SourceError: the rows are of parts of words, or `output` holds something else.
    """
    table.refuse_choice()
    check_output(output)
    related = read_lexicon(how.lexicon) if how.lexicon else {}

    with guard_temporary("the words of the texts"), tempfile.TemporaryDirectory() as folder:
        sentences = Sentences(Path(folder) / "tokens.txt", lowercase=is_lower(table))
        sentences.write(texts)
        step = Adapted(table.name, said, hash_file(sentences.path), how.describe(), {})
        if done := _find_done(output, step):
            return done
        counts = Counter(word for sentence in sentences for word in sentence)
        words, trained = train_rows(table, sentences, how, output / UNFINISHED, step, progress=progress)

    old = table.find(words) >= 0
    found = _put(table, words, trained)
    drawn = retrofit(found, related)
    figures: dict[str, Any] = {
        "words": len(found.words),
        "added": int((~old).sum()),
        "moved": int(old.sum()),
        "similarity": _compare(*(one.vectors[table.find(words)[old]] for one in (table, found))),
        "known_before": _measure_share(table, counts),
        "known": _measure_share(found, counts),
        "retrofitted": drawn,
    }
    write_table(replace(found, adapted=[*table.adapted, replace(step, figures=figures)]), output)
    return AdaptedVectors(output, **figures)


def _find_done(output: Path, step: Adapted) -> AdaptedVectors | None:
    """Find what an earlier call with the same arguments has made.

    Raises:
        SourceError: another table is there.
    """
    if not (output / TABLE).is_file():
        return None
    before = open_vectors(output).adapted
    if before and replace(before[-1], figures={}) == step:
        return AdaptedVectors(output, **before[-1].figures, earlier=True)
    raise SourceError(f"{output}: holds another table already; name another folder, or remove it")


def _put(table: VectorTable, words: Sequence[str], trained: np.ndarray) -> VectorTable:
    """Put trained rows (N, d) in the place of the old ones, and those of new words behind them."""
    rows = table.find(words)
    old = rows >= 0
    added = [word for word, known in zip(words, old, strict=True) if not known]
    vectors = np.concatenate([table.vectors, trained[~old]]).astype(np.float32)
    vectors[rows[old]] = trained[old]
    return replace(table, words=[*table.words, *added], vectors=vectors)


def _compare(before: np.ndarray, after: np.ndarray) -> float:
    """Compute the mean cosine of rows (N, d) before and after; 1 if there are none."""
    sizes = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    there = sizes > 0
    return float(((before * after).sum(1)[there] / sizes[there]).mean()) if there.any() else 1.0


def _measure_share(table: VectorTable, counts: Mapping[str, int]) -> float:
    """Measure the share of words, repeats too, that a table has."""
    known = table.find(list(counts)) >= 0
    return float(np.array(list(counts.values()))[known].sum()) / max(1, sum(counts.values()))
