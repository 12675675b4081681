"""What commands do with several tasks: answer texts by all of their runs at once, and show what sharing bought."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from nlp_transfer.cli.streams import check_output, is_real, open_sink, read_columns, refuse_many, say
from nlp_transfer.config.dialect import Dialect
from nlp_transfer.errors import ConfigError
from nlp_transfer.system.escaping import dump_json
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


def answer_by_several(
    runs: Sequence[str],
    file: str | None,
    output: Path | None,
    *,
    force: bool,
    columns: Sequence[str] | None,
    options: Mapping[str, Any],
) -> None:
    """Write a line of JSON for each text: name of the run -> its answer.

    Args:
        runs: their folders.
        file: the texts; None or -: standard input.
        output: a file of lines; None or -: standard output.
        force: replace the output.
        columns: ROLE=NAME.
        options: those of the command that are for a single run, by name.

    Raises:
        ConfigError: one of these options is given, or the output is no file of lines.
    """
    if given := next((name for name, value in options.items() if value not in (None, False, "fp32")), None):
        raise ConfigError(f"--{given}: is for a single run; answer by one after the other")
    output = None if output == Path("-") else output
    if output is not None and output.suffix != ".jsonl":
        raise ConfigError(f"--output {output}: several runs answer in lines of JSON; name a .jsonl")
    for run in runs:
        check_output(output, file, run, force=force)
    refuse_many(shared=False, way="start one")

    import nlp_transfer
    from nlp_transfer.data.formats.text_lines import ArrivingLines  # not for `--help`
    from nlp_transfer.data.splits import stream_inputs

    predictor = nlp_transfer.load_tasks(runs)
    named = read_columns(list(columns or ()), default=next(iter(predictor.input_columns)))
    wanted = {role: named.get(role, name) for role, name in predictor.input_columns.items()}
    arriving = ArrivingLines(sys.stdin.fileno()) if file in {None, "-"} and is_real(sys.stdin) else None
    inputs = stream_inputs(file, wanted, Dialect(options=True), lists=predictor.list_roles, standard_input=arriving)
    with open_sink(output) as sink:
        for said in predictor.predict_stream(inputs, idle=arriving.is_idle if arriving else lambda: False):
            sink.write(dump_json(said, default=str) + "\n")
            sink.flush()
    for count, what in ((predictor.seen.empty, "are empty"), (predictor.seen.truncated, "are too long and were cut")):
        if count:
            say(f"warning: {count} of {predictor.seen.texts} texts {what}", err=True)


def show_sharing(table: Any, verdicts: Sequence[str], folder: Path) -> None:
    """Print what sharing bought each task: a table, sentences, and where the runs are."""
    from rich.console import Console

    from nlp_transfer.system.processes import is_main_process

    if is_main_process():
        Console(width=None if sys.stdout.isatty() else 160).print(table)
        for sentence in verdicts:
            say(sentence)
        say(f"run folders: {folder}")
