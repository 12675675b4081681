"""Where a place is, what a file holds, and that the disk holds it."""

import hashlib
import os
from pathlib import Path


def at_home(place: str | Path) -> Path:
    """A place as a path, `~` replaced by the home folder where that is known."""
    try:
        return Path(place).expanduser()
    except RuntimeError:
        return Path(place)


def flush(path: Path) -> None:
    """Have the system write a file, or a folder's names, to the disk before this returns."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
