"""Adapt a pretrained source to texts without labels, before any task (Gururangan et al. 2020, Don't stop pretraining).

nlp-transfer adapt minilm reviews.csv runs/adapted
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nlp_transfer.config.dialect import PLAIN, Dialect
from nlp_transfer.data.corpus import TEXT, take_corpus
from nlp_transfer.runs.result import RunResult
from nlp_transfer.runs.run import run
from nlp_transfer.sources import load_source
from nlp_transfer.system.received import HeldRows, refuse_no_path

NEW_HEAD_RATE = 1e-3  # a head that is drawn new begins far from where the encoder stands


def adapt(
    source: str | Path,
    texts: Any,
    output: str | Path,
    overrides: Sequence[str] = (),
    *,
    epochs: int = 3,
    held_out: float = 0.05,
    whole_words: bool = False,
    new_words: int = 0,
    max_length: int = 128,
    seed: int = 0,
    column: str = TEXT,
    dialect: Dialect = PLAIN,
    progress: bool = True,
) -> RunResult:
    """Let a checkpoint go on to learn as it was pretrained, on texts without labels.

    An encoder finds 15 % hidden tokens (Devlin et al. 2019), an encoder-decoder mends spoilt texts (T5 or BART). What
    is left is an ordinary run folder of the task `adaptation`: other runs take it as their source, its card says what
    it was adapted on, and `publish` publishes it. The checkpoint alone is its folder `model`. An adaptation that was
    stopped goes on with the same call.

    Args:
        source: a bundled name, a folder, a run, or an id on the Hub.
        texts: a table with a column of texts, a file with a text a line, a folder, `bundled:NAME`, an id on the Hub;
            several of these in a list; or texts or rows in memory.
        output: the folder to write.
        overrides: dotted KEY=VALUE pairs of the configuration, such as `training.learning_rate=1e-4`.
        epochs: passes over the texts, at most; it stops after two without a better pseudo-perplexity.
        held_out: share of the texts that choose the best state, and again as many that measure it, drawn by a seed of
            their own (`data.split_seed`, 0).
        whole_words: hide all pieces of a word, or none.
        new_words: add so many words that the vocabulary splits.
        max_length: tokens of a unit; longer texts are cut in several.
        seed: of new weights, hidden tokens and the order of the texts.
        column: of the texts in a table.
        dialect: how a .csv or .tsv is written.
        progress: show bars.

    Returns:
        The run: `metrics["baselines"]["unadapted"]` has the pseudo-perplexity before, `metrics["test"]` after.

    Raises:
        StoppedError: a signal ended it; a checkpoint was written.
        TransferError: a subclass says what is wrong, where, and the way out.
    """
    refuse_no_path(source, "source")
    refuse_no_path(output, "output")
    corpus = take_corpus(texts, column, dialect)
    if isinstance(corpus, HeldRows):
        column, dialect = TEXT, PLAIN
    writes = load_source("checkpoint", name=str(source)).config.is_encoder_decoder

    config: dict[str, Any] = {
        "task": {
            "name": "adaptation",
            "objective": "denoising" if writes else "masked",
            "max_length": max_length,
            "whole_words": whole_words,
            "new_words": new_words,
        },
        "source": {"kind": "checkpoint", "name": str(source)},
        "strategy": {"kind": "full", "head_learning_rate": NEW_HEAD_RATE},
        "data": {
            "columns": {TEXT: column},
            "validation_share": held_out,
            "test_share": held_out,
            "delimiter": dialect.delimiter,
            "quoting": dialect.quoting,
            "header": dialect.header,
            "encoding": dialect.encoding,
        },
        "training": {"epochs": epochs, "patience": 2, "seed": seed},
    }
    return run(config, overrides, data={"train": corpus}, output=output, resume="auto", progress=progress)
