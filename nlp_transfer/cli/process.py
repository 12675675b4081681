"""Run the command line as a process: its log, its signals, and the line and exit code that a failure ends in."""

import contextlib
import gc
import logging
import os
import signal
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from nlp_transfer.cli import commands
from nlp_transfer.cli.streams import drop_output, say
from nlp_transfer.config.yaml_file import refuse_token
from nlp_transfer.errors import ConfigError, DiskError, ExhaustedError, TransferError
from nlp_transfer.system.caches import leave_out_relative
from nlp_transfer.system.escaping import escape_terminal
from nlp_transfer.system.room import is_full, make_full_error
from nlp_transfer.system.signals import SIGNAL_WORDS, list_heeded

FAILED = 5  # exit code of what nobody foresaw
_stopped: list[int] = []


def run_alone() -> None:
    """Run the command line in a process of its own, also below `accelerate launch -m`.

    If memory ran out, end at once: what libraries do at exit would need some, or crash.
    """
    try:
        main()
    except SystemExit as leaving:
        if isinstance(leaving.__context__, MemoryError | ExhaustedError):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(ExhaustedError.exit_code)
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            from nlp_transfer.system.processes import end_process

            end_process(leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None))
        gc.freeze()  # else the interpreter would look for garbage, several times, in all that it is about to drop
        raise


def main() -> None:
    """Run the command line; every failure ends in one line and an exit code, with a traceback only after --debug."""
    debug = "--debug" in sys.argv[1:]
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    _set_up_log(debug=debug)

    leave_out_relative()
    for number in list_heeded():
        signal.signal(number, _stop)
    sys.unraisablehook = _exit_from_destructor

    try:
        refuse_token(" ".join(arguments), "command line")
        _refuse_empty(arguments)
        commands.app(args=arguments, prog_name="nlp-transfer")
    except SystemExit as leaving:
        if isinstance(leaving.__context__, BrokenPipeError):
            sys.exit(0)  # the reader, such as `head`, has read enough; typer would call that a failure
        raise
    except Exception as error:  # noqa: BLE001 - so that no user sees a traceback unasked
        message, code = _explain(error)
        _fail(message, code, debug=debug)


def _refuse_empty(arguments: Sequence[str]) -> None:
    """Refuse an empty argument, as by a variable of the shell that is not set: as a path it would be this folder."""
    for before, argument in pairwise(["nlp-transfer", *arguments]):
        option, mark, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
        if not value and (mark or not option):
            where = option or f"the argument behind {before}"
            raise ConfigError(f"{where} is empty; name something, or leave it out (is a shell's variable not set?)")


def _explain(error: Exception) -> tuple[str, int]:
    """Say in one line what went wrong, and find its exit code."""
    match error:
        case TransferError():  # what a user can mend, and how
            return str(error), error.exit_code
        case MemoryError():
            return "out of memory; try a smaller training.batch_size or task.max_length", FAILED
        case OSError():
            return _explain_system(error), DiskError.exit_code

    if _stopped:  # an import swallowed the exit of a signal, and then failed because it was only half done
        sys.exit(128 + _stopped[0])
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from nlp_transfer.system.processes import is_lost_process

        if is_lost_process(error):
            return "another process has ended, or cannot be reached; what it said before tells why", FAILED
    first = str(error).strip().splitlines()
    return f"{type(error).__name__}: {first[0] if first else ''} (run again with --debug for details)", FAILED


def _explain_system(error: OSError) -> str:
    """Say what the system refused, and where."""
    place = error.filename2 or error.filename
    if not is_full(error):
        return f"{error.strerror or error}: {place or ''}".rstrip(": ")

    # Files that are written have reported themselves, so without a name it is standard output.
    said = str(make_full_error(error, Path(place) if place else None))
    drop_output()
    return said


def _fail(message: str, code: int, *, debug: bool) -> None:
    with contextlib.suppress(OSError):  # the terminal is gone, or the disk full
        if debug:
            import traceback

            say(traceback.format_exc(), err=True)
        say(f"error: {message}", err=True)
    sys.exit(code)


def _stop(number: int, _: object) -> None:
    _stopped.append(number)
    with contextlib.suppress(OSError):  # the terminal is gone
        # Not print, which the signal may have interrupted.
        os.write(2, f"error: {SIGNAL_WORDS[signal.Signals(number)]}\n".encode())
    sys.exit(128 + number)


def _exit_from_destructor(swallowed: Any) -> None:
    """Exit at once if a signal asked for it inside a destructor, where Python would ignore the exit."""
    if _stopped:
        os._exit(128 + _stopped[0])
    sys.__unraisablehook__(swallowed)


class _Visible(logging.Formatter):
    """Escape the lines of the log as `say` does."""

    def format(self, record: logging.LogRecord) -> str:
        return escape_terminal(super().format(record))


def _set_up_log(*, debug: bool) -> None:
    """Show our own log on stderr, and only the errors of others; of several processes the first tells what happens."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Visible("%(message)s"))
    logging.basicConfig(level=logging.ERROR, handlers=[handler])
    told = logging.INFO if os.environ.get("RANK", "0") == "0" else logging.WARNING
    logging.getLogger("nlp_transfer").setLevel(logging.DEBUG if debug else told)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
