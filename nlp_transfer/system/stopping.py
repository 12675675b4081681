"""Let training finish its step, or its validation, after SIGINT, SIGTERM or SIGHUP."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

from nlp_transfer.errors import StoppedError
from nlp_transfer.system.processes import is_lost_process
from nlp_transfer.system.signals import SIGNAL_WORDS, list_heeded


@contextlib.contextmanager
def note_signals() -> Iterator[list[int]]:
    """Note the first signal instead of obeying it; a second signal acts as it did before.

    The caller reads the list and stops at a good moment, by raising an error. If the body ends without one, the signal
    came too late for it, and is raised again. If the body ends because another process of the job has died, the signal
    stays noted: this process has yet to report that, and the launcher is already ending it with the same signal.
    Only the main thread can take signals: in another one this does nothing.
    """
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return

    def note(number: int, _: Any) -> None:
        caught.append(number)
        restore()

    before = {number: signal.signal(number, note) for number in list_heeded()}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None means a handler from outside Python

    try:
        yield caught
    except BaseException as error:
        if not is_lost_process(error):
            restore()
        raise

    restore()
    if caught:  # too late for the body to see
        signal.raise_signal(caught[0])


def make_stopped_error(number: int, step: int) -> StoppedError:
    """Build the error that is raised once the step is finished and saved."""
    return StoppedError(f"{SIGNAL_WORDS[signal.Signals(number)]} after step {step}", number)
