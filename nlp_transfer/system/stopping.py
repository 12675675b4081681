"""SIGINT, SIGTERM and SIGHUP during training: the step, or the validation, is finished first."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

from nlp_transfer.errors import StoppedError
from nlp_transfer.system.processes import lost_process
from nlp_transfer.system.signals import SAID, heeded


@contextlib.contextmanager
def noted_signals() -> Iterator[list[int]]:
    """Note the first signal instead of obeying it; a second one does what it did before.

    A body that ends as if there had been none leaves the signal to what it did before. One that ends because another
    process did is still to say so, while the launcher ends it too: there the first signal stays noted. Only the main
    thread can be asked to; in another, signals keep their meaning.
    """
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return

    def note(number: int, _: Any) -> None:
        caught.append(number)
        restore()

    before = {number: signal.signal(number, note) for number in heeded()}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None: set outside of Python

    try:
        yield caught
    except BaseException as error:
        if not lost_process(error):
            restore()
        raise
    restore()
    if caught:  # too late for the training to see it
        signal.raise_signal(caught[0])


def stop(number: int, step: int) -> StoppedError:
    """Make what is raised once the step is finished and saved."""
    return StoppedError(f"{SAID[signal.Signals(number)]} after step {step}", number)
