"""What is read from the Hub, and whether it can be reached: found out in a second, not after a minute of retries."""

import contextlib
import functools
import logging
import re
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from nlp_transfer.errors import CheckpointError, PublishError
from nlp_transfer.system.disk import at_home
from nlp_transfer.system.layout import ALLOWED
from nlp_transfer.system.received import refuse_no_path

log = logging.getLogger(__name__)
PATIENCE = 1.0  # seconds
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")  # USER/NAME on the Hub


def hub_reachable() -> bool:
    """Try one connection in a process, unless there is a proxy; when it fails, switch the client to offline mode."""
    from huggingface_hub import constants  # only those who ask the Hub pay for it

    from nlp_transfer.system.hub_calls import bound_waits

    if constants.is_offline_mode():
        return False
    bound_waits()
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
    """Find where the Hub's client keeps what it has fetched."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


@functools.cache
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


def require_hub() -> None:
    """Refuse to publish without a network or a token.

    Raises:
        PublishError: there is none.
    """
    if not hub_reachable():
        raise PublishError("the Hub is switched off (HF_HUB_OFFLINE) or out of reach; --dry-run needs no network")
    from huggingface_hub import get_token

    if get_token() is None:
        raise PublishError("no token: set HF_TOKEN or run `hf auth login`; it needs the permission to write")


def find_run(place: str | Path, revision: str | None = None) -> Path:
    """The folder of a run: as named, or fetched from the Hub.

    Raises:
        CheckpointError: there is none.
    """
    refuse_no_path(place, "run", CheckpointError)
    folder = at_home(place)
    if folder.is_dir():
        if revision is not None:
            raise CheckpointError(f"{place}: is a folder here, and has no revision '{revision}'; leave it out")
        return folder
    if not REPOSITORY.fullmatch(str(place)):
        raise CheckpointError(f"{place}: no such run folder")
    return download(str(place), revision)


def download(repo: str, revision: str | None, cache: Path | None = None) -> Path:
    """The published files of a repository, from the cache where nothing has changed or the Hub is out of reach.

    Raises:
        CheckpointError: no such repository or revision, no permission, or neither reachable nor in the cache.
    """
    from huggingface_hub import snapshot_download

    from nlp_transfer.system.hub_calls import patiently

    name = f"{repo}{f' at {revision}' if revision else ''}"
    reachable = hub_reachable()
    place: dict[str, Any] = {"revision": revision, "allow_patterns": list(ALLOWED), "cache_dir": cache}
    try:
        with quiet_bars():
            found = patiently(
                lambda: snapshot_download(repo, local_files_only=not reachable, **place), refusal=CheckpointError
            )
    except CheckpointError as error:
        why = str(error) if reachable else "the Hub is switched off or out of reach, and the cache has no copy"
        raise CheckpointError(f"{name}: no folder here, and {why}") from None
    if not Path(found, "config.yaml").is_file():
        raise CheckpointError(
            f"{name}: no model of nlp-transfer is there; is it on a branch or in a pull request? See --revision"
        )
    return Path(found)


@contextlib.contextmanager
def quiet_bars() -> Iterator[None]:
    """Show the progress of files on a terminal only."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    silent = are_progress_bars_disabled() or sys.stderr.isatty()
    if not silent:
        disable_progress_bars()
    try:
        yield
    finally:
        if not silent:
            enable_progress_bars()


def read_card(name: str) -> dict[str, Any]:
    """The metadata of a model's card, in a folder or on the Hub; empty where there is none to be had."""
    from huggingface_hub import ModelCard, hf_hub_download

    path = Path(name) / "README.md"
    try:
        if not Path(name).is_dir():
            path = Path(hf_hub_download(name, "README.md", local_files_only=not hub_reachable()))
        data: dict[str, Any] = ModelCard.load(path).data.to_dict()
    except Exception:  # noqa: BLE001 - a card is a courtesy: what is not there or cannot be read says nothing
        return {}
    return data
