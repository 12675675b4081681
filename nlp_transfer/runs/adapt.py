"""Adapt a pretrained source to texts without labels, before any task (Gururangan et al. 2020, Don't stop pretraining).

nlp-transfer adapt minilm reviews.csv runs/adapted
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from accelerate.state import PartialState

from nlp_transfer.config.dialect import PLAIN, Dialect
from nlp_transfer.config.flags import guess_kind
from nlp_transfer.data.corpus import TEXT, stream_corpus, take_corpus
from nlp_transfer.data.locations import Place
from nlp_transfer.errors import ConfigError
from nlp_transfer.publishing.provenance import shorten
from nlp_transfer.runs.folder import make_folder
from nlp_transfer.runs.result import RunResult
from nlp_transfer.runs.run import run
from nlp_transfer.sources.checkpoint import Checkpoint
from nlp_transfer.sources.static import StaticVectors
from nlp_transfer.sources.vectors.continuing import AdaptedVectors, continue_vectors
from nlp_transfer.sources.vectors.skip_gram import Continuation
from nlp_transfer.system.layout import TABLE, UNFINISHED
from nlp_transfer.system.received import HeldRows, refuse_no_path

HELD_OUT = 0.05
MOST_HELD_OUT = 0.5  # as much again measures
EPOCHS = 3
RATE = 1e-4  # as Gururangan et al. 2020, table 13
NEW_HEAD_RATE = 1e-3  # a head that is drawn new begins far from where the encoder stands


def adapt(
    source: str | Path,
    texts: Any,
    output: str | Path,
    overrides: Sequence[str] = (),
    *,
    epochs: int | None = None,
    seed: int = 0,
    held_out: float | None = None,
    whole_words: bool | None = None,
    new_words: int | None = None,
    max_length: int | None = None,
    move: float | None = None,
    min_count: int | None = None,
    window: int | None = None,
    lexicon: str | Path | None = None,
    column: str = TEXT,
    dialect: Dialect = PLAIN,
    progress: bool = True,
) -> RunResult | AdaptedVectors:
    """Adapt a source to texts without labels.

    A checkpoint goes on to learn as it was pretrained: an encoder finds 15 % hidden tokens (Devlin et al. 2019), an
    encoder-decoder mends spoilt texts (T5 or BART). What is left is an ordinary run folder of the task `adaptation`:
    other runs take it as their source, its card says what it was adapted on, and `publish` publishes it. The checkpoint
    alone is its folder `model`. An adaptation that was stopped goes on with the same call.

    A table of word vectors goes on with Word2Vec, and what is left is an imported folder; see `continue_vectors`.

    Args:
        source: a bundled name, a file, a folder, a run, or an id on the Hub.
        texts: a table with a column of texts, a file with a text a line, a folder, `bundled:NAME`, an id on the Hub;
            several of these in a list; or texts or rows in memory.
        output: the folder to write.
        overrides: of a checkpoint: dotted KEY=VALUE pairs of the configuration, such as `training.learning_rate=5e-5`.
        epochs: passes over the texts; 3 of a checkpoint, which stops after two without a better pseudo-perplexity, and
            5 of vectors.
        seed: of new weights, hidden tokens and the order of the texts; of vectors, of the sampling.
        held_out: of a checkpoint: share of the texts that choose the best state, 0.05 by default, and again as many
            that measure it, drawn by a seed of their own (`data.split_seed`, 0).
        whole_words: of an encoder: hide all pieces of a word, or none.
        new_words: of a checkpoint: add so many words that the vocabulary splits.
        max_length: of a checkpoint: tokens of a unit, 128 by default; longer texts are cut in several.
        move: of vectors, as `min_count`, `window` and `lexicon`: see `Continuation`.
        min_count: see `move`.
        window: see `move`.
        lexicon: see `move`.
        column: of the texts in a table or in rows.
        dialect: how a .csv or .tsv is written.
        progress: show bars.

    Returns:
        Of a checkpoint the run: `metrics["baselines"]["unadapted"]` has the pseudo-perplexity before,
        `metrics["test"]` after.

    Raises:
        StoppedError: a signal ended it; a checkpoint was written.
        ConfigError: an option does not fit the kind of source, or the output is the source.
        TransferError: a subclass says what is wrong, where, and the way out.
    """
    refuse_no_path(source, "source")
    refuse_no_path(output, "output")
    if held_out is not None and not 0 < held_out < MOST_HELD_OUT:
        raise ConfigError(f"held_out: expected a share between 0 and {MOST_HELD_OUT}, received {held_out:g}")
    dialect = replace(dialect, called=not dialect.options)
    task = {"max_length": max_length, "whole_words": whole_words, "new_words": new_words}
    words = {"move": move, "min_count": min_count, "window": window, "lexicon": lexicon and Path(lexicon)}

    if guess_kind(str(source)) == "vectors":
        _refuse_given({**task, "held_out": held_out, "overrides": overrides or None}, "a checkpoint")
        how = Continuation(seed=seed, **_list_given({**words, "epochs": epochs}))
        return _adapt_vectors(source, take_corpus(texts, column, dialect), output, how, column, dialect, progress)

    _refuse_given(words, "a table of vectors")
    corpus = take_corpus(texts, column, dialect)
    if isinstance(corpus, HeldRows):  # files are read by now
        dialect = PLAIN

    checkpoint = Checkpoint(str(source))
    config = {
        **_choose_model(checkpoint, _list_given(task)),
        "data": _describe_data(column, dialect, HELD_OUT if held_out is None else held_out),
        "training": {
            "epochs": EPOCHS if epochs is None else epochs,
            "learning_rate": RATE,
            "patience": 2,
            "seed": seed,
        },
    }
    result = run(config, overrides, data={"train": corpus}, output=output, resume="auto", progress=progress)
    if PartialState().is_main_process:
        checkpoint.copy_modules(result.folder / "model")
    return result


def _adapt_vectors(
    source: str | Path,
    corpus: Place,
    output: str | Path,
    how: Continuation,
    column: str,
    dialect: Dialect,
    progress: bool,
) -> AdaptedVectors:
    """Go on with a table of vectors, in a folder that no other process works in."""
    if Path(source).is_dir() and Path(source).resolve() == Path(output).resolve():
        raise ConfigError(f"output: {output} is the source itself; name another folder")
    table = replace(StaticVectors(str(source)).table, name=Path(source).name)
    with make_folder(output, "", left=(TABLE, UNFINISHED), way="name another folder") as folder:
        texts = stream_corpus(corpus, column, dialect)
        return continue_vectors(table, texts, folder, how, said=shorten(str(corpus)), progress=progress)


def _choose_model(source: Checkpoint, options: Mapping[str, Any]) -> dict[str, Any]:
    """Choose the objective by the architecture: the sections task, source and strategy."""
    writes = source.config.is_encoder_decoder
    return {
        "task": {"name": "adaptation", "objective": "denoising" if writes else "masked", **options},
        "source": {"kind": "checkpoint", "name": source.name},
        "strategy": {"kind": "full", "head_learning_rate": NEW_HEAD_RATE},
    }


def _describe_data(column: str, dialect: Dialect, held_out: float) -> dict[str, Any]:
    """Describe the texts: the section data, but for where they are."""
    return {
        "columns": {TEXT: column},
        "validation_share": held_out,
        "test_share": held_out,
        "delimiter": dialect.delimiter,
        "quoting": dialect.quoting,
        "header": dialect.header,
        "encoding": dialect.encoding,
    }


def _list_given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _refuse_given(options: Mapping[str, Any], whose: str) -> None:
    """Refuse options of the other kind of source.

    Raises:
        ConfigError: naming the first.
    """
    for name in _list_given(options):
        raise ConfigError(f"{name}: is an option of {whose}, and the source is none; leave it out")
