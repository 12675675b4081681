"""One training a process: two would share its random numbers, its threads and the state of Accelerate."""

import contextlib
import os
from collections.abc import Iterator

from nlp_transfer.errors import ConfigError

_taken: dict[int, object] = {}  # by process: one that was forked from a training holds nothing


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Keep other trainings, and what draws random numbers like one, out of this process.

    Raises:
        ConfigError: one is at work, in another thread.
    """
    mine, process = object(), os.getpid()
    if _taken.setdefault(process, mine) is not mine:
        raise ConfigError(
            "another run, comparison or check is at work in this process, and would share its random numbers; wait for "
            "it, or start a process for each"
        )
    try:
        yield
    finally:
        del _taken[process]
