"""Name the signals that end a command, and the word for each."""

import signal

SIGNAL_WORDS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "hung up"}


def list_heeded() -> list[signal.Signals]:
    """List the signals to act on. SIGHUP is left out if the parent process ignores it, as `nohup` does."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [number for number in SIGNAL_WORDS if not (number == signal.SIGHUP and ignored)]
