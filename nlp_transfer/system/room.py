"""Room on a disk: whatever is said of a write that fails becomes one error that names the place and the way out."""

import contextlib
import errno
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nlp_transfer.errors import DiskError, TransferError

FULL = {  # what the system says of a disk that is full, and of limits, of which nobody knows what is left
    errno.ENOSPC: "",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "no file may grow so large (ulimit -f)",
}
SHORT = re.compile(r"\d+ requested and \d+ written")  # all that NumPy says of a write that fell short
MARGIN = 1 << 20  # bytes asked for beside the tensors of a folder
WAY = "make room"


@contextlib.contextmanager
def writing(
    path: Path, needed: int | None = None, *, what: str | None = None, way: str = WAY, full: bool = False
) -> Iterator[None]:
    """Say of a body that cannot write what it was writing, how much room that needs and there is, and the way out.

    Args:
        path: a file or folder to be.
        needed: its bytes, where they are known.
        what: it is called; `path` by default.
        way: out of a full disk.
        full: the body does more than to write: leave alone what does not come of a full disk.

    Raises:
        DiskError: instead of what the system or a library raised.
    """
    try:
        yield
    except (TransferError, BrokenPipeError):
        raise
    except Exception as error:
        if is_full(error):
            raise no_room(error, path, needed, what=what, way=way) from error
        if full or not (isinstance(error, OSError) or "(os error " in str(error)):
            raise
        said = f"{what or path} cannot be written: {getattr(error, 'strerror', None) or error}"
        raise DiskError(said, path=path, needed=needed, free=_free(path)) from error


@contextlib.contextmanager
def temporary(what: str, needed: int | None = None, *, full: bool = False) -> Iterator[None]:
    """Name the folder in which a body finds no room for something that it keeps for a while; see `writing`."""
    with writing(Path(), needed, what=what):
        place = Path(tempfile.gettempdir())  # fails where none of the usual ones can be written
    way = f"{WAY}, or set TMPDIR to a folder on a larger disk"
    with writing(place, needed, what=f"{what} in {place}", way=way, full=full):
        yield


def is_full(error: BaseException) -> bool:
    """Tell whether an error means that a disk, a quota or a limit on the size of files is used up."""
    return _limit(error) is not None


def no_room(
    error: BaseException, path: Path | None, needed: int | None = None, *, what: str | None = None, way: str = WAY
) -> DiskError:
    """Make what is raised for a full disk; see `writing`. Without a path it is the one behind standard output."""
    free, limit = _free(path), FULL[_limit(error) or errno.ENOSPC]
    if limit:
        amounts = [limit, *([] if needed is None else [f"{needed:,} bytes needed"])]
    elif needed is None:
        amounts = ["more needed than there is" if free is None else f"more needed than the {free:,} bytes free"]
    else:
        amounts = [f"{needed:,} bytes needed", *([] if free is None else [f"{free:,} free"])]
    said = f"no room for {what or path or 'standard output'}: {', '.join(amounts)}; {way}"
    return DiskError(said, path=path, needed=needed, free=free)


def _limit(error: BaseException | None) -> int | None:
    """The system's number of what is used up; some libraries say it in words only, others in the cause."""
    while error is not None:
        number, said = getattr(error, "errno", None), str(error)
        for one in FULL:
            if number == one or f"os error {one})" in said or f"[Errno {one}]" in said:  # Rust and Arrow
                return one
        if SHORT.fullmatch(said):
            return errno.ENOSPC
        error = error.__cause__
    return None


def _free(path: Path | None) -> int | None:
    """Bytes free where a path is or would be, or behind standard output; None where nobody knows."""
    try:
        if path is None:
            return _available(sys.stdout.fileno())
        return next(_available(one) for one in (path, *path.absolute().parents) if one.exists())
    except (OSError, ValueError):
        return None


def _available(place: Path | int) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize if found.f_favail or not found.f_files else 0  # no file more is no room
