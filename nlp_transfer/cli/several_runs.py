"""Serve commands with several tasks: answer texts by all of their runs at once, and show what sharing bought."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from nlp_transfer.cli.streams import (
    say,
)
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


def show_sharing(table: Any, verdicts: Sequence[str], folder: Path) -> None:
    """Print what sharing bought each task: a table, sentences, and where the runs are."""
    from rich.console import Console

    from nlp_transfer.system.processes import is_main_process

    if is_main_process():
        Console(width=None if sys.stdout.isatty() else 160).print(table)
        for sentence in verdicts:
            say(sentence)
        say(f"run folders: {folder}")
