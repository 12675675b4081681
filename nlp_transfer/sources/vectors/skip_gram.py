"""Train the rows of words on from where they stand in a table, by skip-gram Word2Vec (Mikolov et al. 2013)."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nlp_transfer.errors import ConfigError, DataError
from nlp_transfer.sources.vectors.stream import Adapted
from nlp_transfer.sources.vectors.table import VectorTable
from nlp_transfer.sources.vectors.unfinished import Unfinished
from nlp_transfer.sources.vectors.word2vec import Epochs, Sentences
from nlp_transfer.system.disk import hash_file

FIRST_RATE, LAST_RATE = 0.025, 0.0001  # of Word2Vec, between which it falls


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


def train_rows(
    table: VectorTable, sentences: Sentences, how: Continuation, unfinished: Path, step: Adapted, *, progress: bool
) -> tuple[list[str], np.ndarray]:
    """Train the words of sentences from where they stand in the table: the words (N,) and their vectors (N, d).

    A word that the table lacks starts at the mean of its n-grams, if the table is of fastText, else at the mean of the
    known words that stand around it, which all words of its texts help to move from there on.

    Args:
        table: of words.
        sentences: the texts; read once for each pass.
        how: the settings.
        unfinished: the file of an earlier attempt to go on from, and of this one until it ends.
        step: what an earlier attempt has to agree in.
        progress: show a bar.

    Raises:
        DataError: no word is frequent enough.
        SourceError: an earlier attempt was another one.
    """
    model = _open_model(table, sentences, how)
    attempt = Unfinished(unfinished, _identify(step, model.wv.vectors))
    rates = np.linspace(FIRST_RATE, LAST_RATE, how.epochs + 1)

    with Epochs(how.epochs, progress=progress) as shown:
        shown.done = attempt.resume(model)
        for number in range(shown.done, how.epochs):
            model.train(
                sentences,
                total_examples=model.corpus_count,
                epochs=1,
                start_alpha=rates[number],
                end_alpha=rates[number + 1],
                callbacks=[shown],
            )
            attempt.keep(model, number + 1)
    return list(model.wv.index_to_key), model.wv.vectors


def _open_model(table: VectorTable, sentences: Sentences, how: Continuation) -> Any:
    """Open a model of gensim with the frequent words of sentences, their rows where they start.

    Raises:
        DataError: there is none.
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
    return model


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
