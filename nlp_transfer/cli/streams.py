"""Read and write for commands: texts as they arrive, files that are complete or absent, and ROLE=NAME options."""

import contextlib
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import typer

from nlp_transfer.config.dialect import Dialect, Quoting, read_delimiter, read_encoding
from nlp_transfer.errors import ConfigError, DataError, suggest
from nlp_transfer.system.disk import replace_whole
from nlp_transfer.system.escaping import dump_json, escape_terminal
from nlp_transfer.system.layout import CHECKPOINTS, RECORDS, RUN, TABLE
from nlp_transfer.system.room import guard_writing

STDIN = "standard input: echo TEXT | nlp-transfer predict RUN"


def say(text: str, *, err: bool = False) -> None:
    """Print a text for people; what a terminal would obey in it is shown instead."""
    typer.echo(escape_terminal(text), err=err)


def is_real(stream: IO[str]) -> bool:
    """Tell whether a stream has a file descriptor; the streams of tests and notebooks have none."""
    try:
        return stream.fileno() >= 0
    except OSError:
        return False


def check_output(output: Path | None, file: str | None, run: str, *, force: bool) -> None:
    """Refuse an output that cannot be written, or that the run is made of, before a model is loaded."""
    if output is None:
        return
    if file is not None and output.resolve() == Path(file).resolve():
        raise ConfigError(f"--output {output} is the file to read; choose another")
    if _belongs(output.resolve(), Path(run).resolve()):
        raise ConfigError(f"--output {output} is a file of the run itself; choose another")
    if not output.parent.exists():
        raise ConfigError(f"--output {output} cannot be written: there is no folder {output.parent}; make it first")
    if output.is_dir() or not os.access(output.parent, os.W_OK):
        why = "is a folder" if output.is_dir() else f"cannot be written: {output.parent} is no writable folder"
        raise ConfigError(f"--output {output} {why}")
    if output.exists() and not output.is_file():  # writing would replace a device by a file of its name
        raise ConfigError(f"--output {output} is no file; leave it out to write to standard output")
    if output.exists() and not force:
        raise ConfigError(f"--output {output} exists already; choose another, or replace it with --force")


def _belongs(output: Path, run: Path) -> bool:
    """Tell whether a run would be damaged or lose its record if this file were replaced; both paths are resolved."""
    if run not in output.parents or not output.exists():
        return False
    return output.name in {*RUN, *RECORDS} or output.relative_to(run).parts[0] in {"model", "adapter", CHECKPOINTS}


def check_answers(output: Path | None, file: str | None, *, keep: bool) -> str:
    """Check that the answers to a file can be written as is asked, before a model is loaded; return the ending.

    Raises:
        ConfigError: the ending of `output` is not written, or needs rows that can be read again.
        DataError: there is no such file or folder.
    """
    from nlp_transfer.data.formats.text_lines import find_file, is_read_once, locate  # not for `--help`
    from nlp_transfer.data.formats.writing import LINES, find_ending

    ending = find_ending(output) if output else LINES[0]
    piped = file is None or file == "-"
    if piped and ending not in LINES:
        raise ConfigError(f"--output {output}: texts on standard input are answered in lines; name a FILE, or .jsonl")
    try:
        place = None if piped else locate(str(file)) or find_file(str(file))
    except DataError as error:
        way = f"; a text itself comes from {STDIN}" if " " in str(file) else ""
        raise DataError(f"{error}{way}") from None
    if keep and (place is None or (is_read_once(place) and not place.is_dir())):
        raise ConfigError("--keep reads its FILE again, and what is piped can be read once; save it, and name that")
    return ending


def refuse_many(*, shared: bool, way: str) -> None:
    """Refuse several processes where each would do all of the work."""
    if not shared and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError(f"several processes would each answer every text; {way}")


@contextlib.contextmanager
def open_sink(output: Path | None) -> Iterator[IO[str]]:
    """Open standard output, or a file that appears only when it is complete."""
    if output is None:
        yield sys.stdout
        return
    way = "make room, or choose another file with --output"
    with guard_writing(output, way=way), replace_whole(output) as fresh, fresh.open("w", encoding="utf-8") as file:
        yield file


def write_lines(answers: Iterable[Any], output: Path | None) -> None:
    """Write each answer as a line of JSON as soon as it is there."""
    with open_sink(output) as sink:
        for said in answers:
            sink.write(dump_json(said, default=str) + "\n")
            sink.flush()


def drop_output() -> None:
    """Redirect standard output to nowhere; what it still holds would fail again at the end of the process."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def read_columns(given: list[str] | None, *, default: str | None = None) -> dict[str, str]:
    """Read ROLE=NAME options as role -> column; a plain NAME is the column of the role `default`."""
    found = {}
    for text in given or ():
        role, _, name = text.partition("=") if "=" in text else (default or "", "=", text)
        if not (role and name):
            raise ConfigError(f"--column '{text}' is not ROLE=NAME; for example text=review")
        found[role] = name
    return found


def choose_columns(given: list[str] | None, known: Mapping[str, str], roles: Collection[str]) -> dict[str, str]:
    """Choose the column of each input role: as the options say, else as in training.

    Args:
        given: ROLE=NAME, or a plain NAME where there is one input role.
        known: input role -> column in training.
        roles: all that may be named, also those that are no input.

    Raises:
        ConfigError: a role is unknown.
    """
    named = read_columns(given, default=next(iter(known)) if len(known) == 1 else None)
    if strange := next((role for role in named if role not in roles), None):
        raise ConfigError(f"--column {strange}: unknown role. {suggest(strange, roles)}")
    return {role: named.get(role, name) for role, name in known.items()}


def read_texts(
    file: str | None, columns: Mapping[str, str], dialect: Dialect, *, lists: Collection[str]
) -> tuple[Iterator[Any], Callable[[], bool]]:
    """Open the texts to answer; return also what tells that none is waiting on standard input."""
    from nlp_transfer.data.formats.text_lines import ArrivingLines  # not for `--help`
    from nlp_transfer.data.splits import stream_inputs

    arriving = ArrivingLines(sys.stdin.fileno()) if file in {None, "-"} and is_real(sys.stdin) else None
    inputs = stream_inputs(file, columns, dialect, lists=lists, standard_input=arriving)
    return inputs, arriving.is_idle if arriving else lambda: False


def update_dialect(
    known: Dialect,
    delimiter: str | None,
    quoting: Quoting | None,
    header: bool | None,
    label_separator: str | None = None,
    *,
    encoding: str | None = None,
) -> Dialect:
    """Replace the known dialect of a file where options of the command say otherwise."""
    try:
        mark = None if delimiter is None else read_delimiter(delimiter)
    except ValueError as error:
        raise ConfigError(f"--delimiter: {error}") from None
    try:
        named = None if encoding is None else read_encoding(encoding)
    except ValueError as error:
        raise ConfigError(f"--encoding: {error}") from None
    return replace(
        known,
        delimiter=mark or known.delimiter,
        quoting=quoting or known.quoting,
        header=known.header if header is None else header,
        label_separator=label_separator or known.label_separator,
        encoding=named or known.encoding,
        options=True,
    )


def refuse_table(out: Path, *, force: bool) -> None:
    """Refuse to replace a table without --force; the import itself refuses to replace anything else."""
    if (out / TABLE).is_file() and not force:
        raise ConfigError(f"{out} holds a table already; choose another folder, or replace it with --force")
