"""Whether the Hub can be reached, found out in a second instead of after a minute of retries."""

import functools
import logging
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

log = logging.getLogger(__name__)
PATIENCE = 1.5  # seconds


@functools.cache
def hub_reachable() -> bool:
    """Try one connection, unless a proxy is set; when it fails, switch the Hub's client to offline mode."""
    from huggingface_hub import constants  # only those who ask the Hub pay for it

    if constants.is_offline_mode():
        return False
    address = urlsplit(constants.ENDPOINT)
    if getproxies().get(address.scheme):
        return True
    port = address.port or (443 if address.scheme == "https" else 80)
    if _answers(address.hostname or "", port):
        return True
    log.info("the Hub cannot be reached; only what its cache holds can be used")
    constants.HF_HUB_OFFLINE = True  # or each request is tried again and again
    return False


def hub_state() -> str:
    """Say whether the Hub can be reached, in words; takes two seconds at most."""
    from huggingface_hub import constants

    if constants.is_offline_mode():
        return "switched off (HF_HUB_OFFLINE)"
    return f"{urlsplit(constants.ENDPOINT).hostname} is {'reachable' if hub_reachable() else 'out of reach'}"


def hub_cache() -> Path:
    """Where the Hub's client keeps what it has fetched."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _answers(host: str, port: int) -> bool:
    """Connect in a thread of its own: looking up a name has no time limit."""
    answered = threading.Event()

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=PATIENCE).close()
        except OSError:
            return
        answered.set()

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return answered.is_set()
