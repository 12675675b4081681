"""Turn every failure to write into one error that names the place, the room there is, and the way out."""

import contextlib
import errno
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nlp_transfer.errors import DiskError, TransferError

FULL = {  # errno -> what is used up; of a quota or a limit nobody can say how much is left
    errno.ENOSPC: "",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "no file may grow so large (ulimit -f)",
}
SHORT = re.compile(r"\d+ requested and \d+ written")  # NumPy's only words when the disk fills up
MARGIN = 1 << 20  # bytes for the small files beside the tensors of a folder
WAY = "make room"


@contextlib.contextmanager
def guard_writing(
    path: Path, needed: int | None = None, *, what: str | None = None, way: str = WAY, full: bool = False
) -> Iterator[None]:
    """Explain a failed write of the body: what was written, the room it needs, the room there is, and the way out.

    Args:
        path: the file or folder that the body writes.
        needed: its size in bytes, if known.
        what: its name in the message; `path` by default.
        way: the way out of a full disk.
        full: the body does more than write, so change only the errors of a full disk.

    Raises:
        DiskError: instead of the error of the system or of a library.
    """
    try:
        yield
    except (TransferError, BrokenPipeError):
        raise
    except Exception as error:
        if is_full(error):
            raise make_full_error(error, path, needed, what=what, way=way) from error
        if full or not (isinstance(error, OSError) or "(os error " in str(error)):
            raise
        said = f"{what or path} cannot be written: {getattr(error, 'strerror', None) or error}"
        raise DiskError(said, path=path, needed=needed, free=_measure_free(path)) from error


@contextlib.contextmanager
def guard_temporary(what: str, needed: int | None = None, *, full: bool = False) -> Iterator[None]:
    """Explain a lack of room for a temporary file of the body, with the name of the folder; see `guard_writing`."""
    with guard_writing(Path(), needed, what=what):
        place = Path(tempfile.gettempdir())  # raises if no temporary folder can be written
    way = f"{WAY}, or set TMPDIR to a folder on a larger disk"
    with guard_writing(place, needed, what=f"{what} in {place}", way=way, full=full):
        yield


def is_full(error: BaseException) -> bool:
    """Tell whether an error means that a disk, a quota or the limit on file sizes is used up."""
    return _find_limit(error) is not None


def make_full_error(
    error: BaseException, path: Path | None, needed: int | None = None, *, what: str | None = None, way: str = WAY
) -> DiskError:
    """Build the error for a full disk; see `guard_writing`. Without a path it is the disk behind standard output."""
    free, limit = _measure_free(path), FULL[_find_limit(error) or errno.ENOSPC]

    if limit:
        amounts = [limit, *([] if needed is None else [f"{needed:,} bytes needed"])]
    elif needed is None:
        amounts = ["more needed than there is" if free is None else f"more needed than the {free:,} bytes free"]
    else:
        amounts = [f"{needed:,} bytes needed", *([] if free is None else [f"{free:,} free"])]
    said = f"no room for {what or path or 'standard output'}: {', '.join(amounts)}; {way}"
    return DiskError(said, path=path, needed=needed, free=free)


def _find_limit(error: BaseException | None) -> int | None:
    """Find the errno that says what is used up; some libraries give it only in words, others only in the cause."""
    while error is not None:
        number, said = getattr(error, "errno", None), str(error)
        for one in FULL:
            if number == one or f"os error {one})" in said or f"[Errno {one}]" in said:  # as Rust and Arrow write it
                return one
        if SHORT.fullmatch(said):
            return errno.ENOSPC
        error = error.__cause__
    return None


def _measure_free(path: Path | None) -> int | None:
    """Count the free bytes where a path is or would be, or behind standard output; None if that is unknown."""
    try:
        if path is None:
            return _count_available(sys.stdout.fileno())
        return next(_count_available(one) for one in (path, *path.absolute().parents) if one.exists())
    except (OSError, ValueError):
        return None


def _count_available(place: Path | int) -> int | None:
    # The room of a device such as /dev/full is not that of the disk it is on.
    if stat.S_ISCHR(os.stat(place).st_mode):  # noqa: PTH116 - it may be a descriptor
        return None
    found = os.statvfs(place)
    # A file system without a free inode takes no new file, however many bytes are free.
    return found.f_bavail * found.f_frsize if found.f_favail or not found.f_files else 0
