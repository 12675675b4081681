"""Train Word2Vec vectors (Mikolov et al. 2013) on texts of one's own, with gensim.

nlp-transfer vectors train reviews.csv my-vectors
"""

import logging
import tempfile
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

from nlp_transfer.config.dialect import PLAIN, Dialect
from nlp_transfer.data.formats.cells import stream_columns, stream_texts
from nlp_transfer.data.formats.held import hold_rows, open_held
from nlp_transfer.data.store import join_parts
from nlp_transfer.errors import DataError
from nlp_transfer.sources.vectors.store import check_output
from nlp_transfer.sources.vectors.table import VectorTable, tokenize_words, write_table
from nlp_transfer.system.room import guard_temporary

logger = logging.getLogger(__name__)
MAX_TOKENS = 10_000  # gensim silently drops the rest of a longer sentence


def train_vectors(
    corpus: Any,
    output: Path,
    *,
    dim: int = 100,
    window: int = 5,
    min_count: int = 5,
    epochs: int = 5,
    skip_gram: bool = True,
    seed: int = 0,
    workers: int = 1,
    column: str = "text",
    dialect: Dialect = PLAIN,
    progress: bool = False,
) -> VectorTable:
    """Train vectors on a corpus that is streamed, and write them as an imported folder.

    With one worker the same corpus and seed give the same vectors.

    Args:
        corpus: a file with one document a line, or a table of any format that runs read, .gz too; or texts in memory,
            in a list, or in a column of a frame of pandas or polars, an Arrow table, or a data set.
        output: the folder to write; see `import_vectors`.
        dim: numbers in a vector.
        window: how many words on either side predict the word, or are predicted from it.
        min_count: leave out rarer words.
        epochs: passes over the corpus.
        skip_gram: use skip-gram, which is better for rare words; otherwise CBOW, which is faster.
        seed: of the initial vectors and the sampling.
        workers: training threads; with more than one, two runs differ.
        column: the column of a table that holds texts, or lists of texts.
        dialect: how a .csv or .tsv is written.
        progress: show a progress bar.

    Raises:
        DataError: the corpus cannot be read (the message names file and line), or no word is frequent enough.
        SourceError: `output` is something else than an imported folder.
        DiskError: there is no room for the output, or for the temporary file of the words.
    """
    from gensim.models import Word2Vec  # takes more than a second

    output = Path(output)
    check_output(output)
    name, texts = _open_corpus(corpus, column, dialect)

    with guard_temporary(f"the words of {name}"), tempfile.TemporaryDirectory() as folder:
        sentences = Sentences(Path(folder) / "tokens.txt")
        sentences.write(texts)

        model = Word2Vec(
            vector_size=dim, window=window, min_count=min_count, sg=int(skip_gram), seed=seed, workers=workers
        )
        model.build_vocab(sentences)
        if not model.wv.index_to_key:
            raise DataError(
                f"{name}: no word appears {min_count} times; lower --min-count (min_count) or take a larger corpus"
            )

        with Epochs(epochs, progress=progress) as shown:
            model.train(sentences, total_examples=model.corpus_count, epochs=epochs, callbacks=[shown])
    return write_table(VectorTable(Path(name).name, model.wv.index_to_key, model.wv.vectors), output)


def _open_corpus(corpus: Any, column: str, dialect: Dialect) -> tuple[str, Iterator[str | list[str] | None]]:
    """Name a corpus, and stream its documents.

    Raises:
        DataError: it is no file, and no texts.
    """
    if isinstance(corpus, str | PathLike):
        return str(corpus), stream_texts(str(corpus), column, dialect, lists=True)
    held = hold_rows(corpus, bare=column)
    rows = stream_columns(open_held(held), {"": column}, {""})
    return str(held), (text for (text,) in rows)


class Sentences:
    """Keep tokenized documents in a file, because every epoch reads them again."""

    def __init__(self, path: Path, *, lowercase: bool = True) -> None:
        """Keep them at `path`, in lower case or as they are written."""
        self.path, self.lowercase = path, lowercase

    def write(self, documents: Iterable[str | list[str] | None]) -> None:
        """Write the words of each document, a line for so many as gensim reads of a sentence."""
        with self.path.open("w", encoding="utf-8", newline="\n") as file:
            for document in documents:
                tokens = tokenize_words(join_parts(document or ""), lowercase=self.lowercase)
                for start in range(0, len(tokens), MAX_TOKENS):
                    file.write(" ".join(tokens[start : start + MAX_TOKENS]) + "\n")

    def __iter__(self) -> Iterator[list[str]]:
        with self.path.open(encoding="utf-8", newline="\n") as file:
            for line in file:
                yield line.removesuffix("\n").split(" ")


class Epochs:
    """Take gensim's calls as epochs end, and show a bar or log."""

    def __init__(self, epochs: int, *, progress: bool) -> None:
        """Show a bar for so many epochs, or only log."""
        from rich.console import Console
        from rich.progress import Progress

        self.epochs, self.done = epochs, 0
        self.bar = Progress(transient=True, disable=not progress, console=Console(stderr=True))
        self.task = self.bar.add_task("Training vectors", total=epochs)

    def __enter__(self) -> "Epochs":
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def on_train_begin(self, model: Any) -> None:
        """Do nothing."""

    def on_train_end(self, model: Any) -> None:
        """Do nothing."""

    def on_epoch_begin(self, model: Any) -> None:
        """Do nothing."""

    def on_epoch_end(self, model: Any) -> None:  # noqa: ARG002 - gensim passes it
        """Advance the bar and log."""
        self.done += 1
        self.bar.advance(self.task)
        logger.info("Word2Vec: epoch %d of %d", self.done, self.epochs)
