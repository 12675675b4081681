"""Define the errors that a user can cause, with their exit codes, and word the names that messages list."""

import contextlib
import difflib
import importlib.util
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{20,}\b")  # what a Hugging Face token looks like


class TransferError(Exception):
    """Base of every error this package raises on purpose; its message is one readable sentence or list."""

    exit_code = 5


class ConfigError(TransferError):
    """A configuration or command line that cannot be run."""

    exit_code = 2


class DataError(TransferError):
    """A data file or a data set that cannot be used."""

    exit_code = 3


class UnusableError(DataError):
    """Rows of which none has a label, or a target."""


class SourceError(TransferError):
    """A checkpoint or vector file that cannot be loaded."""

    exit_code = 4


class CheckpointError(TransferError):
    """A run folder or saved model that cannot be loaded."""

    exit_code = 4


class TrainingError(TransferError):
    """A training that cannot go on: numbers, memory or disk."""

    exit_code = 5


class ExhaustedError(TrainingError):
    """There is no memory, however small the pieces."""


class LostError(TrainingError):
    """Another process of the training is gone; what was saved can be gone on with."""


class DiskError(TrainingError):
    """Something that cannot be written: there is no room, or the system refuses.

    Attributes:
        path: what was to be written; None: standard output.
        needed: its bytes; None: not known.
        free: bytes free there; None: not known.
    """

    def __init__(self, message: str, *, path: Path | None, needed: int | None, free: int | None) -> None:
        """Keep the figures beside the words."""
        super().__init__(message)
        self.path, self.needed, self.free = path, needed, free


class StoppedError(TransferError):
    """A training that a signal ended between two steps."""

    def __init__(self, message: str, number: int) -> None:
        """Exit as a shell reports a process that the signal `number` ended."""
        super().__init__(message)
        self.number = number
        self.exit_code = 128 + number


class PublishError(TransferError):
    """A publication that the Hub, the network or the rules refused."""

    exit_code = 6


NAMES_LISTED = 30  # known names that a message spells out
SHOWN_FIRST = 5  # things of one kind that a message names


def list_first(items: Sequence[object], shown: int = SHOWN_FIRST) -> str:
    """List the first few and count the rest."""
    more = f" and {len(items) - shown} more" if len(items) > shown else ""
    return ", ".join(map(str, items[:shown])) + more


def suggest(name: str, known: Iterable[str]) -> str:
    """Say which names are known, and which of them is nearest to `name`.

    Returns:
        `"Known: a, b. Did you mean 'a'?"`; the question is left out if no name is near.
    """
    names = sorted(known)
    return f"Known: {list_first(names, NAMES_LISTED)}.{suggest_nearest(name, names)}"


def suggest_nearest(name: str, known: Iterable[str]) -> str:
    """Ask for the known name that is nearest, as `" Did you mean 'a'?"`; empty if no name is near."""
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


def explain_missing(package: str, extra: str = "") -> str:
    """Say that a package is needed and how to get it; `extra` is that of ours which brings it."""
    wanted = f"'nlp-transfer[{extra}]'" if extra else package
    return f"needs {package}; pip install {wanted}"


@contextlib.contextmanager
def require_extra(package: str, *, user: str, extra: str) -> Iterator[None]:
    """Explain why a package of one of our extras cannot be imported in the body.

    Args:
        package: to import.
        user: what needs it.
        extra: that brings it.

    Raises:
        ConfigError: it is not installed, or it fails, as where a package that it needs is too old.
    """
    if importlib.util.find_spec(package) is None:
        raise ConfigError(f"{user} {explain_missing(package, extra)}")
    try:
        yield
    except Exception as error:  # what a package raises as it is imported is its own affair
        reason = (str(error).strip().splitlines() or [""])[0]
        raise ConfigError(
            f"{user} needs {package}, which cannot be imported ({type(error).__name__}: {reason:.120}); "
            f"pip install --upgrade 'nlp-transfer[{extra}]'"
        ) from error


def count_things(number: int, one: str, more: str) -> str:
    """Write how many there are, with words that fit the number: `1 row is cut`, `2 rows are cut`."""
    return f"{number:,} {one if number == 1 else more}"
