"""Read from the Hub, and find out in a second whether it can be reached, before the client retries for a minute."""

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

from nlp_transfer.errors import CheckpointError, PublishError, suggest_nearest
from nlp_transfer.system.disk import expand_home
from nlp_transfer.system.layout import ALLOWED, EXPORTS, FINISHED
from nlp_transfer.system.received import refuse_no_path

log = logging.getLogger(__name__)
PATIENCE = 1.0  # seconds
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")  # USER/NAME on the Hub


def is_hub_reachable() -> bool:
    """Tell whether the Hub answers; if not, switch the client to offline mode.

    The result of one connection is kept for the life of the process. Behind a proxy no connection is tried.
    """
    from huggingface_hub import constants  # imported here, so that commands without the Hub start faster

    from nlp_transfer.system.hub_calls import bound_waits

    if constants.is_offline_mode():
        return False
    bound_waits()

    address = urlsplit(constants.ENDPOINT)
    if getproxies().get(address.scheme):
        return True

    port = address.port or (443 if address.scheme == "https" else 80)
    if _can_connect(address.hostname or "", port):
        return True
    log.info("the Hub cannot be reached; only what its cache holds can be used")
    constants.HF_HUB_OFFLINE = True  # otherwise the client repeats each request several times
    return False


def describe_hub() -> str:
    """Say in words whether the Hub can be reached; this takes two seconds at most."""
    from huggingface_hub import constants

    if constants.is_offline_mode():
        return "switched off (HF_HUB_OFFLINE)"
    return f"{urlsplit(constants.ENDPOINT).hostname} is {'reachable' if is_hub_reachable() else 'out of reach'}"


def find_hub_cache() -> Path:
    """Find the folder where the Hub's client keeps what it has fetched."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


@functools.cache
def _can_connect(host: str, port: int) -> bool:
    """Tell whether a server accepts a connection. A thread makes it, for looking up a name has no time limit."""
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
    """Refuse to publish if the Hub is out of reach or there is no token.

    Raises:
        PublishError: one of the two.
    """
    if not is_hub_reachable():
        raise PublishError("the Hub is switched off (HF_HUB_OFFLINE) or out of reach; --dry-run needs no network")
    from huggingface_hub import get_token

    if get_token() is None:
        raise PublishError("no token: set HF_TOKEN or run `hf auth login`; it needs the permission to write")


def find_run(place: str | Path, revision: str | None = None) -> Path:
    """Find the folder of a run: on this machine, or fetched from the Hub.

    Raises:
        CheckpointError: there is no such folder or repository.
    """
    refuse_no_path(place, "run", CheckpointError)
    folder = expand_home(place)
    if folder.is_dir():
        if revision is not None:
            raise CheckpointError(f"{place}: is a folder here, and has no revision '{revision}'; leave it out")
        return folder
    if folder.is_file():
        raise CheckpointError(f"{place}: is a file; expected the folder of a run")
    near = suggest_nearest(str(folder), [str(folder.with_name(one.name)) for one in folder.parent.glob("*/")])
    hint = f".{near}" if near else ""
    if not REPOSITORY.fullmatch(str(place)):
        raise CheckpointError(f"{place}: no such run folder{hint}")
    try:
        return download(str(place), revision)
    except CheckpointError as error:
        raise CheckpointError(f"{error}{hint}") from None


def download(repo: str, revision: str | None, cache: Path | None = None) -> Path:
    """Fetch the published files of a repository; the cache serves what has not changed, or all of it offline.

    Raises:
        CheckpointError: no such repository or revision, no permission, or out of reach and not in the cache.
    """
    from huggingface_hub import snapshot_download

    from nlp_transfer.system.hub_calls import call_patiently

    name = f"{repo}{f' at {revision}' if revision else ''}"
    reachable = is_hub_reachable()

    place: dict[str, Any] = {"revision": revision, "allow_patterns": list(ALLOWED), "cache_dir": cache}
    place["ignore_patterns"] = [f"{EXPORTS}/*"]  # which the run does not need
    try:
        with hide_bars():
            found = call_patiently(
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


def fetch_run_files(repo: str) -> Path | None:
    """Fetch what a published run says of itself, without its weights; None if the repository holds no run of ours.

    Its card is asked first, so that an ordinary checkpoint costs no further request.
    """
    from huggingface_hub import hf_hub_download

    if "nlp-transfer" not in (read_card(repo).get("tags") or ()):
        return None
    try:
        offline = not is_hub_reachable()
        found = [Path(hf_hub_download(repo, name, local_files_only=offline)) for name in ("config.yaml", FINISHED)]
    except Exception:  # noqa: BLE001 - as of a card: what it came from is told where it can be had
        return None
    return found[0].parent


@contextlib.contextmanager
def hide_bars() -> Iterator[None]:
    """Hide the progress bars of downloads, unless standard error is a terminal."""
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
    """Read the metadata of a model card, from a folder or the Hub; empty if there is none."""
    from huggingface_hub import ModelCard, hf_hub_download

    path = Path(name) / "README.md"
    try:
        if not Path(name).is_dir():
            path = Path(hf_hub_download(name, "README.md", local_files_only=not is_hub_reachable()))
        data: dict[str, Any] = ModelCard.load(path).data.to_dict()
    except Exception:  # noqa: BLE001 - the licence in a card is optional: no fault of a card may stop a run
        return {}
    return data
