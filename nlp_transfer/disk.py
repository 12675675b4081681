"""What a file holds, and that the disk holds it."""

import hashlib
import os
from pathlib import Path


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
