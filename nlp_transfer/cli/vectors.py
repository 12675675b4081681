"""Define the verbs of word vectors.

nlp-transfer vectors import glove.840B.300d.txt vectors/glove-840b
"""

from pathlib import Path
from typing import Annotated

import typer

from nlp_transfer.cli.options import Delimiter, Encoding, Header, Quotes, Replace
from nlp_transfer.cli.streams import refuse_table, say, update_dialect
from nlp_transfer.config.dialect import PLAIN

vectors = typer.Typer(help="Import word vectors once, or train them on your own text.", no_args_is_help=True)


@vectors.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="GloVe or word2vec text or binary, fastText, .npy with words.")],
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N words.")] = None,
    force: Replace = False,
) -> None:
    """Turn a vector file into a folder that opens at once."""
    from nlp_transfer.sources.vectors.table import import_vectors

    refuse_table(out, force=force)
    table = import_vectors(file, out, limit=limit, progress=True)
    counts = "".join(f", {count} {what.replace('_', ' ')}" for what, count in table.counts.items() if count)
    grams = f", {len(table.subwords.ngrams):,} rows of n-grams" if table.subwords else ""  # of floret that is all
    say(f"{out}: {len(table.words):,} words x {table.dim}{grams}{counts}")


@vectors.command("train")
def train(
    corpus: Annotated[
        Path, typer.Argument(help="Text, one document a line; or a table: CSV, JSONL, Parquet and so on.")
    ],
    out: Annotated[Path, typer.Argument(help="Folder to write.")],
    dim: Annotated[int, typer.Option(min=1)] = 100,
    window: Annotated[int, typer.Option(min=1)] = 5,
    min_count: Annotated[int, typer.Option(min=1, help="Leave out rarer words.")] = 5,
    epochs: Annotated[int, typer.Option(min=1)] = 5,
    cbow: Annotated[bool, typer.Option("--cbow", help="CBOW instead of skip-gram.")] = False,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    workers: Annotated[int, typer.Option(min=1, help="More than one is faster but not reproducible.")] = 1,
    column: Annotated[str, typer.Option(help="Column of the texts in a table.")] = "text",
    delimiter: Delimiter = None,
    quoting: Quotes = None,
    header: Header = None,
    encoding: Encoding = None,
    force: Replace = False,
) -> None:
    """Train Word2Vec vectors on your own text."""
    from nlp_transfer.sources.vectors.word2vec import train_vectors

    refuse_table(out, force=force)
    table = train_vectors(
        corpus,
        out,
        dim=dim,
        window=window,
        min_count=min_count,
        epochs=epochs,
        skip_gram=not cbow,
        seed=seed,
        workers=workers,
        column=column,
        dialect=update_dialect(PLAIN, delimiter, quoting, header, encoding=encoding),
        progress=True,
    )
    say(f"{out}: {len(table.words):,} words x {table.dim}")
