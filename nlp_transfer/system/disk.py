"""Where a place is, what a file holds, and that it is on the disk: whole, or not at all."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from nlp_transfer.system.room import writing


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


def write_whole(path: Path, content: str | bytes) -> None:
    """Write through a temporary file, so that a reader sees all or nothing, also after a crash.

    Raises:
        DiskError: it cannot be written; what was there before is as it was.
    """
    raw = content.encode() if isinstance(content, str) else content
    with writing(path, len(raw)):
        with replacing(path) as fresh:
            fresh.write_bytes(raw)
            flush(fresh)
        flush(path.parent)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the name `path` to the file or folder that the body makes; where the body fails, nothing of it is left."""
    fresh = path.with_name(f".{path.name}.tmp")
    _remove(fresh)  # of a process that was killed
    try:
        yield fresh
        if path.is_dir():
            shutil.rmtree(path)  # only a file steps in the place of another by itself
        fresh.replace(path)
    finally:
        _remove(fresh)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
