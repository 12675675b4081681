"""Serve commands with several tasks: answer texts by all of their runs at once, and show what sharing bought."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from nlp_transfer.cli.streams import (
    check_output,
    choose_columns,
    read_texts,
    refuse_many,
    say,
    warn_of_texts,
    write_lines,
)
from nlp_transfer.config.dialect import Dialect
from nlp_transfer.errors import ConfigError
from nlp_transfer.system.layout import list_parts

Answering = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN... [FILE|-]",
        help="Folder of a finished run, or USER/NAME on the Hub; several, or the folder of several tasks, answer "
        "together. Then texts, CSV or JSONL, or lines on stdin.",
    ),
]


def split_words(words: Sequence[str]) -> tuple[list[str], str | None]:
    """Split the words of the command into runs and the file to read; None: standard input."""
    *before, last = words
    if before and not (Path(last) / "config.yaml").is_file():
        words, file = before, last
    else:
        file = None
    return [str(part) for word in words for part in list_parts(Path(word))], file


def refuse_options(single: Mapping[str, Any]) -> None:
    """Refuse options that are for a single run, by their names.

    Raises:
        ConfigError: naming the first that was given.
    """
    if given := next((name for name, value in single.items() if value not in (None, False, "fp32")), None):
        raise ConfigError(f"--{given}: is for a single run; answer by one after the other")


def answer_by_several(
    runs: Sequence[str],
    file: str | None,
    output: Path | None,
    *,
    force: bool,
    columns: list[str] | None,
    retell: Callable[[Dialect], Dialect],
) -> None:
    """Write a line of JSON for each text: name of the run -> its answer.

    Args:
        runs: their folders.
        file: the texts; None or -: standard input.
        output: a file of lines; None: standard output.
        force: replace the output.
        columns: ROLE=NAME.
        retell: replaces what the options of the command say of the file.

    Raises:
        ConfigError: the output is no file of lines, or a column has an unknown role.
    """
    if output is not None and output.suffix != ".jsonl":
        raise ConfigError(f"--output {output}: several runs answer in lines of JSON; name a .jsonl")
    for run in runs:
        check_output(output, file, run, force=force)
    refuse_many(shared=False, way="start one")

    import nlp_transfer

    predictor = nlp_transfer.load_tasks(runs)
    wanted = choose_columns(columns, predictor.input_columns, predictor.roles)
    inputs, idle = read_texts(file, wanted, retell(predictor.dialect), lists=predictor.list_roles)
    write_lines(predictor.predict_stream(inputs, idle=idle), output)
    seen = predictor.seen
    warn_of_texts(seen.texts, seen.empty, seen.truncated)


def show_sharing(table: Any, verdicts: Sequence[str], folder: Path) -> None:
    """Print what sharing bought each task: a table, sentences, and where the runs are."""
    from rich.console import Console

    from nlp_transfer.system.processes import is_main_process

    if is_main_process():
        Console(width=None if sys.stdout.isatty() else 160).print(table)
        for sentence in verdicts:
            say(sentence)
        say(f"run folders: {folder}")
