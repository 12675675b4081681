"""Train Word2Vec vectors (Mikolov et al. 2013) on one's own texts, through gensim.

nlp-transfer vectors train reviews.csv my-vectors
"""

import csv
import gzip
import json
import logging
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nlp_transfer.errors import DataError, suggest
from nlp_transfer.sources.vector_store import check_output
from nlp_transfer.sources.vectors import VectorTable, tokenize_words, write_table

logger = logging.getLogger(__name__)
MAX_TOKENS = 10_000  # gensim silently drops what a sentence holds beyond


def train_vectors(
    corpus: Path,
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
    progress: bool = False,
) -> VectorTable:
    """Train vectors on a corpus, streamed, and write them as an imported folder.

    With one worker the same corpus and seed give the same vectors.

    Args:
        corpus: one document a line, or .csv, .tsv or .jsonl with a text column; .gz too.
        output: the folder to write; see `import_vectors`.
        dim: numbers in a vector.
        window: words on either side that are predicted, or predict.
        min_count: leave out rarer words.
        epochs: passes over the corpus.
        skip_gram: skip-gram, better for rare words; CBOW otherwise, faster.
        seed: of the initial vectors and the sampling.
        workers: training threads; with more than one the result varies.
        column: where a table keeps its texts.
        progress: show a progress bar.

    Raises:
        DataError: a corpus that cannot be read, names file and line; or no word is frequent enough.
        SourceError: `output` is something else than an imported folder.
    """
    from gensim.models import Word2Vec  # takes over a second

    corpus, output = Path(corpus), Path(output)
    check_output(output)
    with tempfile.TemporaryDirectory() as folder:
        sentences = _Sentences(Path(folder) / "tokens.txt")
        sentences.write(documents(corpus, column))
        model = Word2Vec(
            vector_size=dim, window=window, min_count=min_count, sg=int(skip_gram), seed=seed, workers=workers
        )
        model.build_vocab(sentences)
        if not model.wv.index_to_key:
            raise DataError(f"{corpus}: no word appears {min_count} times; lower min_count or take a larger corpus")
        with _Epochs(epochs, progress=progress) as shown:
            model.train(sentences, total_examples=model.corpus_count, epochs=epochs, callbacks=[shown])
    return write_table(VectorTable(corpus.name, model.wv.index_to_key, model.wv.vectors), output)


class _Sentences:
    """Tokenized documents kept in a file, since every epoch reads them again."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, texts: Iterator[str]) -> None:
        with self.path.open("w", encoding="utf-8", newline="\n") as file:
            for text in texts:
                tokens = tokenize_words(text)
                for start in range(0, len(tokens), MAX_TOKENS):
                    file.write(" ".join(tokens[start : start + MAX_TOKENS]) + "\n")

    def __iter__(self) -> Iterator[list[str]]:
        with self.path.open(encoding="utf-8", newline="\n") as file:
            for line in file:
                yield line.removesuffix("\n").split(" ")


class _Epochs:
    """What gensim calls back: shows a bar, or logs, as epochs end."""

    def __init__(self, epochs: int, *, progress: bool) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self.epochs, self.done = epochs, 0
        self.bar = Progress(transient=True, disable=not progress, console=Console(stderr=True))
        self.task = self.bar.add_task("Training vectors", total=epochs)

    def __enter__(self) -> "_Epochs":
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
        """Advance."""
        self.done += 1
        self.bar.advance(self.task)
        logger.info("Word2Vec: epoch %d of %d", self.done, self.epochs)


def documents(path: Path, column: str = "text") -> Iterator[str]:
    """Stream the texts of a corpus by its suffix, `.gz` aside.

    Raises:
        DataError: missing, damaged, not UTF-8, or a row that does not fit; names file and line.
    """
    match path.name.removesuffix(".gz").rpartition(".")[2]:
        case "csv":
            yield from _table(path, column, ",")
        case "tsv":
            yield from _table(path, column, "\t")
        case "jsonl" | "ndjson":
            yield from _json_lines(path, column)
        case _:
            yield from (line for _, line in _lines(path))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines with their ends."""
    number = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, 1):
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}:{number}: not UTF-8: {error.reason}; convert it with iconv") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}:{number + 1}: truncated or damaged gzip: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None


def _table(path: Path, column: str, delimiter: str) -> Iterator[str]:
    csv.field_size_limit(1 << 30)  # documents are longer than the default of 128 KiB
    rows = csv.reader((line for _, line in _lines(path)), delimiter=delimiter, strict=True)
    try:
        header = next(rows, [])
        if column not in header:
            raise DataError(f"{path}:1: no column '{column}'. {suggest(column, header)}")
        at = header.index(column)
        for row in rows:
            if row and len(row) != len(header):
                raise DataError(f"{path}:{rows.line_num}: expected {len(header)} fields, received {len(row)}")
            if row:
                yield row[at]
    except csv.Error as error:
        raise DataError(f"{path}:{rows.line_num}: {error}") from None


def _json_lines(path: Path, column: str) -> Iterator[str]:
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}:{number}: not JSON: {error}") from None
        if not isinstance(row, dict) or not isinstance(row.get(column), str):
            known = suggest(column, row) if isinstance(row, dict) else "Each line must be a JSON object."
            raise DataError(f"{path}:{number}: no text in '{column}'. {known}")
        try:
            row[column].encode()
        except UnicodeEncodeError as error:
            raise DataError(f"{path}:{number}: '{column}' holds half a surrogate pair: {error.reason}") from None
        yield row[column]
