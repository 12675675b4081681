"""Write files so that each is whole or absent, read their digests, and expand `~`."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from nlp_transfer.system.room import guard_writing


def expand_home(place: str | Path) -> Path:
    """Replace `~` by the home folder, if the system knows it."""
    try:
        return Path(place).expanduser()
    except RuntimeError:
        return Path(place)


def flush(path: Path) -> None:
    """Wait until the system has written a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def hash_file(path: Path) -> str:
    """Compute the sha256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sum_file(path: Path) -> str:
    """Compute the XXH3 digest of a file, of 128 bits: it tells damage as sha256 does, but not a forger's work."""
    import xxhash  # imported here, so that commands that hash nothing start without it

    with path.open("rb") as file:
        digest: str = hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()
    return digest


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file through a temporary one, so that a reader sees all of it or nothing, even after a crash.

    Raises:
        DiskError: it cannot be written; the former content is untouched.
    """
    raw = content.encode() if isinstance(content, str) else content
    with guard_writing(path, len(raw)):
        with replace_whole(path) as fresh:
            fresh.write_bytes(raw)
            flush(fresh)
        flush(path.parent)


@contextlib.contextmanager
def replace_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path, and give what the body makes there the name `path`; if the body fails, remove it."""
    fresh = path.with_name(f".{path.name}.tmp")
    _remove(fresh)  # a process that was killed may have left one

    try:
        yield fresh
        if path.is_dir():
            shutil.rmtree(path)  # `replace` overwrites a file, but not a folder that holds files
        fresh.replace(path)
    finally:
        _remove(fresh)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
