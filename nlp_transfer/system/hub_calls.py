"""Call the Hub: try again where that can help, a bounded number of times, and explain the error where it cannot."""

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
from nlp_transfer.system.room import is_full, make_full_error

T = TypeVar("T")
log = logging.getLogger(__name__)
TRIES = 5
FIRST_WAIT = 1.0  # seconds, doubled after each try
LONGEST_WAIT = 60.0  # seconds, even if the Hub asks for more
READING, SENDING = 20.0, 600.0  # seconds of silence allowed; the Hub may check for long what it was sent
BUSY = {408, 429, 500, 502, 503, 504}
CONFLICT = (
    "somebody else has committed meanwhile; nothing was overwritten. Look at that commit, then publish again, or open "
    "a pull request with --create-pr"
)
NEW_TOKEN = "make a new one, and set HF_TOKEN or run `hf auth login`"  # noqa: S105 - advice
AGAIN = (
    "Run the same command again: what has arrived is not sent twice, and nothing is visible before all of it is there"
)


def call_patiently(call: Callable[[], T], *, tries: int = TRIES, refusal: type[TransferError] = PublishError) -> T:
    """Make a call that is safe to repeat, and repeat it while the Hub is busy or away.

    Raises:
        TransferError: of the class `refusal`; the Hub refuses, or is busy or away at every try.
        DiskError: the disk has no room for what the Hub sends.
    """
    for number in range(1, tries + 1):
        bound_waits()  # again each time: the client opens a new session after a lost connection

        try:
            return call()
        except TransferError:
            raise
        except Exception as error:  # noqa: BLE001 - httpx and the Hub's client raise many kinds; `_is_passing` sorts them
            if is_full(error):
                raise make_fetching_error(error) from None

            causes = list(_walk_causes(error))
            if number == tries or not any(map(_is_passing, causes)):
                raise refusal(_explain(causes)) from None

            wait = min(_read_wait(causes) or FIRST_WAIT * 2 ** (number - 1), LONGEST_WAIT)
            log.warning("%s; trying again in %.0f s (%d of %d)", _describe_busy(causes), wait, number, tries - 1)
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")


def make_fetching_error(error: BaseException) -> DiskError:
    """Build the error for a disk that is full while the Hub's client or `datasets` fetches something."""
    named = getattr(error, "filename2", None) or getattr(error, "filename", None)
    place = Path(named or constants.HF_HOME)
    return make_full_error(error, place, way="make room, or set HF_HOME to a folder on a larger disk")


def bound_waits() -> None:
    """Give every request of the Hub's client a time limit: most have none, and wait forever for a silent server."""
    hooks = get_session().event_hooks
    if _bound_request not in hooks["request"]:
        hooks["request"] = [*hooks["request"], _bound_request]


def _bound_request(request: Any) -> None:
    most = READING if request.method in {"GET", "HEAD"} else SENDING
    waits = request.extensions["timeout"]
    request.extensions["timeout"] = {name: most if wait is None else wait for name, wait in waits.items()}


def _walk_causes(error: BaseException | None) -> Iterator[BaseException]:
    """Walk from an error to its causes: the Hub's client wraps the errors of an upload."""
    while error is not None:
        yield error
        error = error.__cause__


def _is_passing(error: BaseException) -> bool:
    """Tell whether another try may succeed. An answer that is not JSON comes from a proxy, not from the Hub."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in BUSY
    return isinstance(error, httpx2.TransportError | json.JSONDecodeError)


def _read_wait(causes: list[BaseException]) -> float | None:
    """Read how many seconds the Hub asks to wait; None if it does not say."""
    said = [one.response.headers.get("Retry-After", "") for one in causes if isinstance(one, HfHubHTTPError)]
    return float(said[0]) if said and said[0].isdigit() else None


def _describe_busy(causes: list[BaseException]) -> str:
    status = next((one.response.status_code for one in causes if isinstance(one, HfHubHTTPError)), None)
    match status:
        case None:
            return "the connection to the Hub was lost"
        case 429:
            return "the Hub asks for fewer requests (429)"
        case _:
            return f"the Hub is busy ({status})"


def _explain(causes: list[BaseException]) -> str:
    if any(map(_is_passing, causes)):
        return f"{_describe_busy(causes)}, again and again. {AGAIN}"

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
            # The system itself failed, for instance with a read-only disk: there is an errno and no answer of the Hub.
            local = answer is None and any(isinstance(one, OSError) and one.errno for one in causes)
            return f"{'this machine' if local else 'the Hub'} refuses: {words}"
