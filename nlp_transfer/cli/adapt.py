"""Define the verb that adapts a source to texts without labels, before any task.

nlp-transfer adapt minilm reviews.csv runs/adapted
"""

import re
from pathlib import Path
from typing import Annotated

import typer

from nlp_transfer.cli.options import Delimiter, Encoding, Header, Quotes
from nlp_transfer.cli.streams import say, update_dialect
from nlp_transfer.config.dialect import PLAIN
from nlp_transfer.errors import ConfigError

SETTING = re.compile(r"[a-z_]+(\.[a-z_]+)+=.*")  # as other verbs take them behind their CONFIG


def adapt(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A name, folder, run, or id on the Hub.")],
    texts: Annotated[
        list[str], typer.Argument(metavar="TEXTS...", help="Tables, files with a text a line, folders, bundled:NAME.")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write; one that was stopped goes on.")],
    override: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Such as training.learning_rate=1e-4.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the texts; 3, of vectors 5.")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    held_out: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Of the texts, to choose by, and to measure on; 0.05.")
    ] = None,
    whole_words: Annotated[
        bool | None, typer.Option("--whole-words", help="Hide all pieces of a word, or none.")
    ] = None,
    new_words: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Add the N most frequent words that are split.")
    ] = None,
    max_length: Annotated[int | None, typer.Option(min=8, help="Tokens of a unit; 128.")] = None,
    move: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Of vectors: of the learning rate, for old rows; 1.")
    ] = None,
    min_count: Annotated[int | None, typer.Option(min=1, help="Of vectors: leave out rarer words; 5.")] = None,
    window: Annotated[int | None, typer.Option(min=1, help="Of vectors: words on either side; 5.")] = None,
    lexicon: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Of vectors: a word and related ones a line, to draw it to.")
    ] = None,
    column: Annotated[str, typer.Option(help="Column of the texts in a table.")] = "text",
    delimiter: Delimiter = None,
    quoting: Quotes = None,
    header: Header = None,
    encoding: Encoding = None,
) -> None:
    """Adapt a source to texts without labels.

    It goes on to learn as it was pretrained; what comes out is a source for `run`.
    """
    import nlp_transfer
    from nlp_transfer.data.locations import refuse_missing

    for word in (*texts, str(output)):
        if SETTING.fullmatch(word):
            raise ConfigError(f"adapt: {word} stands where TEXTS and OUT are named; write --set {word}")
    refuse_missing(*texts)  # before torch is loaded
    result = nlp_transfer.adapt(
        source,
        [Path(one) for one in texts],
        output,
        override or (),
        epochs=epochs,
        seed=seed,
        held_out=held_out,
        whole_words=whole_words,
        new_words=new_words,
        max_length=max_length,
        move=move,
        min_count=min_count,
        window=window,
        lexicon=lexicon,
        column=column,
        dialect=update_dialect(PLAIN, delimiter, quoting, header, encoding=encoding),
    )
    say(result.summary)
    say(f"a source for other runs: {result.folder}")
