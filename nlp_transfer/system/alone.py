"""Let one training at a time run in a process: two would share random numbers, threads and Accelerate's state."""

import contextlib
import os
from collections.abc import Iterator

from nlp_transfer.errors import ConfigError

_taken: dict[int, object] = {}  # process id -> its owner; the id matters, because a forked process starts free


@contextlib.contextmanager
def claim_process() -> Iterator[None]:
    """Keep the process for one run, comparison or check, which all draw random numbers.

    Raises:
        ConfigError: another one is at work in this process, in another thread.
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
