"""Copy files into the tree that is published: only those on a list, and no links."""

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path

from nlp_transfer.errors import PublishError
from nlp_transfer.system.disk import replace_whole
from nlp_transfer.system.layout import EXPORT, EXPORTED, EXPORTS
from nlp_transfer.system.room import guard_writing

PLAIN = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def copy_files(source: Path, patterns: Sequence[str], target: Path) -> None:
    """Copy the files of a folder whose names fit; a folder that is not there has none.

    Raises:
        PublishError: one of them is a link.
        DiskError: the disk has no room for them.
    """
    for path in sorted(source.iterdir()) if source.is_dir() else ():
        if not any(fnmatch(path.name, pattern) for pattern in patterns):
            continue
        refuse_link(path)
        if path.is_file():
            copy = target / path.name
            with path.open("rb") as file, guard_writing(copy, path.stat().st_size):
                target.mkdir(parents=True, exist_ok=True)
                with replace_whole(copy) as fresh, fresh.open("wb") as written:
                    shutil.copyfileobj(file, written)


def refuse_link(path: Path) -> None:
    """Refuse a symbolic link.

    Raises:
        PublishError: it is one.
    """
    if path.is_symlink():  # its target was not checked, or does not exist
        raise PublishError(f"{path}: a symbolic link; put what it leads to there, or take the link away")


def copy_exports(folders: Iterable[Path], weights: Mapping[str, str], target: Path) -> Iterator[str]:
    """Copy exports of a run to folders that are named by their format, and yield those names.

    Args:
        folders: what `export` has written.
        weights: the sha256 of each weights file of the run.
        target: the tree that is published.

    Raises:
        PublishError: a folder holds no export of this run, or another of the same format came before.
        DiskError: the disk has no room for them.
    """
    for folder in folders:
        try:
            known = json.loads((folder / EXPORT).read_text(encoding="utf-8"))
            format, exported = str(known["format"]), known["weights"]  # noqa: A001 - the name of the option
        except (OSError, ValueError, LookupError, TypeError):
            raise PublishError(
                f"{folder}: no export of a run is there; nlp-transfer export RUN OUT makes one"
            ) from None
        if not PLAIN.fullmatch(format):  # it names a folder
            raise PublishError(f"{folder / EXPORT}: {format!r:.60} is no format; export the run again")
        if not weights or exported != weights:
            raise PublishError(f"{folder}: was not exported from the weights of this run; export it again")

        name = f"{EXPORTS}/{format}"
        if (target / name).exists():
            raise PublishError(f"{folder}: another export to {format} goes up already; leave one of them out")
        for part, patterns in EXPORTED.items():
            refuse_link(folder / part)
            copy_files(folder / part, patterns, target / name / part)
        yield name
