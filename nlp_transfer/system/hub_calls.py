"""Calls of the Hub: tried again a bounded number of times where that can help, explained where it cannot."""

import json
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx2
from huggingface_hub import constants, get_session
from huggingface_hub.errors import HfHubHTTPError

from nlp_transfer.errors import DiskError, PublishError, TransferError
from nlp_transfer.system.room import is_full, no_room

T = TypeVar("T")
log = logging.getLogger(__name__)
TRIES = 5
FIRST_WAIT = 1.0  # seconds, doubled after each try
LONGEST_WAIT = 60.0  # whatever the Hub asks for
READING, SENDING = 20.0, 600.0  # seconds without a byte of an answer; what is sent may take long to be checked
BUSY = {408, 429, 500, 502, 503, 504}
CONFLICT = (
    "somebody else has committed meanwhile; nothing was overwritten. Look at that commit, then publish again, or open "
    "a pull request with --create-pr"
)
NEW_TOKEN = "make a new one, and set HF_TOKEN or run `hf auth login`"  # noqa: S105 - advice
AGAIN = (
    "Run the same command again: what has arrived is not sent twice, and nothing is visible before all of it is there"
)


def patiently(call: Callable[[], T], *, tries: int = TRIES, refusal: type[TransferError] = PublishError) -> T:
    """Make a call that may be repeated.

    Raises:
        TransferError: a `refusal`; the Hub refuses, or stays busy or away for all tries.
        DiskError: there is no room for what it sends.
    """
    for number in range(1, tries + 1):
        bound_waits()  # a connection that was lost has closed the session that had it
        try:
            return call()
        except TransferError:
            raise
        except Exception as error:  # noqa: BLE001 - errors of an HTTP library and of the Hub's client, told apart here
            if is_full(error):
                raise no_fetching_room(error) from None
            causes = list(_causes(error))
            if number == tries or not any(map(_passing, causes)):
                raise refusal(_explained(causes)) from None
            wait = min(_asked(causes) or FIRST_WAIT * 2 ** (number - 1), LONGEST_WAIT)
            log.warning("%s; trying again in %.0f s (%d of %d)", _said(causes), wait, number, tries - 1)
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def no_fetching_room(error: BaseException) -> DiskError:
    """Make what is raised where there is no room for something that the Hub's client or `datasets` fetches."""
    named = getattr(error, "filename2", None) or getattr(error, "filename", None)
    place = Path(named or constants.HF_HOME)
    return no_room(error, place, way="make room, or set HF_HOME to a folder on a larger disk")


def bound_waits() -> None:
    """Let no request of the Hub's client wait for ever, as most of them do when a server accepts and then is silent."""
    hooks = get_session().event_hooks
    if _bound not in hooks["request"]:
        hooks["request"] = [*hooks["request"], _bound]


def _bound(request: Any) -> None:
    most = READING if request.method in {"GET", "HEAD"} else SENDING
    waits = request.extensions["timeout"]
    request.extensions["timeout"] = {name: most if wait is None else wait for name, wait in waits.items()}


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it was raised from: the client wraps failed uploads."""
    while error is not None:
        yield error
        error = error.__cause__


def _passing(error: BaseException) -> bool:
    """Tell whether it may be better the next time; an answer that is no JSON comes from a proxy, not from the Hub."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in BUSY
    return isinstance(error, httpx2.TransportError | json.JSONDecodeError)


def _asked(causes: list[BaseException]) -> float | None:
    """The seconds that the Hub asks to wait."""
    said = [one.response.headers.get("Retry-After", "") for one in causes if isinstance(one, HfHubHTTPError)]
    return float(said[0]) if said and said[0].isdigit() else None


def _said(causes: list[BaseException]) -> str:
    status = next((one.response.status_code for one in causes if isinstance(one, HfHubHTTPError)), None)
    match status:
        case None:
            return "the connection to the Hub was lost"
        case 429:
            return "the Hub asks for fewer requests (429)"
        case _:
            return f"the Hub is busy ({status})"


def _explained(causes: list[BaseException]) -> str:
    if any(map(_passing, causes)):
        return f"{_said(causes)}, again and again. {AGAIN}"
    answer = next((one for one in causes if isinstance(one, HfHubHTTPError)), None)
    words = " ".join(str(answer or causes[0]).split())[:300] or type(causes[0]).__name__
    match answer.response.status_code if answer else None:
        case 401 if answer and "Invalid credentials" in answer.response.headers.get("X-Error-Message", ""):
            return f"the Hub does not accept the token; {NEW_TOKEN}"
        case 401:
            return f"the token does not open this, or there is no token and no such public repository; {NEW_TOKEN}"
        case 402 | 403:
            return f"the token has no permission for this: {words}"
        case 409 | 412:
            return CONFLICT
        case _:
            # A disk that is read-only, say: an error of the system that no answer brought.
            local = answer is None and any(isinstance(one, OSError) and one.errno for one in causes)
            return f"{'this machine' if local else 'the Hub'} refuses: {words}"
