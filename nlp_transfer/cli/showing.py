"""Define the verb that serves a page for finished runs until Ctrl-C.

nlp-transfer demo runs/reviews
"""

import signal
import threading
from typing import Annotated

import typer

from nlp_transfer.cli.streams import refuse_many, say
from nlp_transfer.system.signals import list_heeded


def demo(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Folders of finished runs, shown side by side.")],
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Of this machine; by default the first free one from 7860 on.")
    ] = None,
) -> None:
    """Serve a page on this machine: a text in, answers with probabilities out, and test rows that went wrong."""
    import nlp_transfer
    from nlp_transfer.system.network import find_run

    refuse_many(shared=False, way="start one")
    found = nlp_transfer.demo([find_run(run, None) for run in runs], port=port)

    ended = threading.Event()
    for number in list_heeded():
        signal.signal(number, lambda *_: ended.set())
    say(f"{found.address} (Ctrl-C ends it)")
    ended.wait()
    found.close()
    say("ended")
