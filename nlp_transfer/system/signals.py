"""The signals that end a command, and what is said of them."""

import signal

SAID = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "hung up"}


def heeded() -> list[signal.Signals]:
    """Those that are acted on: a hang-up that whoever started the process has it ignore, as `nohup` does, is not."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [number for number in SAID if not (number == signal.SIGHUP and ignored)]
