"""Go on to train a table of word vectors on texts of one's own (Word2Vec, Mikolov et al. 2013), with gensim.

nlp-transfer adapt glove-50d reviews.csv my-vectors
"""

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nlp_transfer.errors import ConfigError, DataError, SourceError
from nlp_transfer.sources.reading import is_lower
from nlp_transfer.sources.vectors.retrofitting import read_lexicon, retrofit
from nlp_transfer.sources.vectors.store import check_output
from nlp_transfer.sources.vectors.stream import Adapted
from nlp_transfer.sources.vectors.table import VectorTable, open_vectors, write_table
from nlp_transfer.sources.vectors.unfinished import Unfinished
from nlp_transfer.sources.vectors.word2vec import Epochs, Sentences
from nlp_transfer.system.disk import hash_file
from nlp_transfer.system.layout import TABLE, UNFINISHED
from nlp_transfer.system.room import guard_temporary

FIRST_RATE, LAST_RATE = 0.025, 0.0001  # of Word2Vec, between which it falls


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


@dataclass(frozen=True)
class Continuation:
    """Say how a table goes on to learn.

    Attributes:
        move: the share of the learning rate that old rows get; 0 leaves them where they are.
        window: how many words on either side are predicted.
        min_count: rarer words are not trained, nor added.
        epochs: passes over the texts.
        lexicon: a file of words with related ones, to which the rows are drawn at last; see `retrofit`.
        seed: of the sampling.

    Raises:
        ConfigError: `move` is no share.
    """

    move: float = 1.0
    window: int = 5
    min_count: int = 5
    epochs: int = 5
    lexicon: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        if not 0 <= self.move <= 1:
            raise ConfigError(f"move: expected a share from 0 to 1, received {self.move}")

    def describe(self) -> dict[str, Any]:
        """Describe it as plain values, the lexicon by its digest."""
        return {**asdict(self), "lexicon": self.lexicon and hash_file(self.lexicon)}


def continue_vectors(
    table: VectorTable, texts: Iterable[str], output: Path, how: Continuation, *, said: str, progress: bool = False
) -> AdaptedVectors:
    """Train the rows of the words that texts hold, by skip-gram from where they stand, and add rows for new words.

    A new word starts at the mean of its n-grams, if the table is of fastText, else at the mean of the known words that
    stand around it, which all words of its texts help to move from there on.

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
        words, trained = _train(table, sentences, how, output / UNFINISHED, step, progress=progress)

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


def _train(
    table: VectorTable, sentences: Sentences, how: Continuation, unfinished: Path, step: Adapted, *, progress: bool
) -> tuple[list[str], np.ndarray]:
    """Train the words of sentences from where they stand in the table: the words (N,) and their vectors (N, d).

    Raises:
        DataError: no word is frequent enough.
        SourceError: an earlier attempt was another one.
    """
    from gensim.models import Word2Vec  # takes more than a second

    model = Word2Vec(
        vector_size=table.dim,
        window=how.window,
        min_count=how.min_count,
        sg=1,
        seed=how.seed,
        workers=1,
        sample=1e-3,
        alpha=FIRST_RATE,
        min_alpha=LAST_RATE,
    )
    model.build_vocab(sentences)
    words = list(model.wv.index_to_key)
    if not words:
        raise DataError(
            f"no word of the texts appears {how.min_count} times; lower --min-count (min_count) or take more texts"
        )

    rows = table.find(words)
    old = rows >= 0
    added = [word for word, known in zip(words, old, strict=True) if not known]
    model.wv.vectors[old] = table.vectors[rows[old]]
    model.wv.vectors[~old] = _start(added, table, sentences, how.window)
    model.wv.vectors_lockf = np.where(old, how.move, 1.0).astype(np.float32)

    attempt = Unfinished(unfinished, _identify(step, model.wv.vectors))
    rates = np.linspace(FIRST_RATE, LAST_RATE, how.epochs + 1)
    with Epochs(how.epochs, progress=progress) as shown:
        shown.done = attempt.resume(model)
        for number in range(shown.done, how.epochs):
            start, end = rates[number : number + 2]
            model.train(
                sentences,
                total_examples=model.corpus_count,
                epochs=1,
                start_alpha=start,
                end_alpha=end,
                callbacks=[shown],
            )
            attempt.keep(model, number + 1)
    return words, model.wv.vectors


def _identify(step: Adapted, start: np.ndarray) -> str:
    """Compute a digest of what a training does, and of the rows that it starts from."""
    told = json.dumps([step.sha256, step.settings], sort_keys=True).encode()
    return hashlib.sha256(told + np.ascontiguousarray(start).tobytes()).hexdigest()


def _start(words: Sequence[str], table: VectorTable, sentences: Iterable[Sequence[str]], window: int) -> np.ndarray:
    """Start new words (N, d): at their n-grams, or at the mean of the known words in the window around them.

    What has neither starts at the mean of the table.
    """
    if table.subwords:
        return np.stack([table.subwords.compute_vector(word) for word in words]) if words else np.zeros((0, table.dim))
    places = {word: place for place, word in enumerate(words)}
    sums, seen = np.zeros((len(words), table.dim)), np.zeros(len(words))

    for sentence in sentences:
        rows = table.find(sentence)
        for at, word in enumerate(sentence):
            if (place := places.get(word)) is not None:
                around = rows[max(0, at - window) : at + window + 1]
                around = around[around >= 0]
                sums[place] += table.vectors[around].sum(0)
                seen[place] += len(around)

    mean = np.asarray(table.vectors).mean(0, dtype=np.float64)
    return np.where(seen[:, None] > 0, sums / np.maximum(seen, 1)[:, None], mean)


def _compare(before: np.ndarray, after: np.ndarray) -> float:
    """Compute the mean cosine of rows (N, d) before and after; 1 if there are none."""
    sizes = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    there = sizes > 0
    return float(((before * after).sum(1)[there] / sizes[there]).mean()) if there.any() else 1.0


def _measure_share(table: VectorTable, counts: Mapping[str, int]) -> float:
    """Measure the share of words, repeats too, that a table has."""
    known = table.find(list(counts)) >= 0
    return float(np.array(list(counts.values()))[known].sum()) / max(1, sum(counts.values()))
