"""Keep the pairs that were made of docstrings: to parse thousands of files again would take ten seconds."""

import contextlib
import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from nlp_transfer.data import docstrings
from nlp_transfer.data.docstrings import DOCUMENTED, Pair, find_pairs
from nlp_transfer.errors import DiskError
from nlp_transfer.system.caches import find_cache_folder
from nlp_transfer.system.disk import hash_file, write_whole

log = logging.getLogger(__name__)
KEPT = "docstrings.json"  # in our cache folder


def list_pairs(folders: Sequence[Path]) -> list[Pair]:
    """List the pairs of packages, from the cache if their files are those that they were made of.

    Args:
        folders: of packages in `DOCUMENTED`.
    """
    path, mark = find_cache_folder() / KEPT, _mark(folders)
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):  # not there, or damaged
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["mark"] == mark:
            return [Pair(**one) for one in kept["pairs"]]

    seen: set[str] = set()
    pairs = [pair for folder in folders for pair in find_pairs(folder, DOCUMENTED[folder.name], seen)]

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps({"mark": mark, "pairs": [pair._asdict() for pair in pairs]}))
    except (OSError, DiskError) as error:
        log.debug("docstrings are not kept: %s", error)
    return pairs


def _mark(folders: Sequence[Path]) -> str:
    """Compute a digest of what the pairs are made of: the way to make them, and names, sizes and times of the files."""
    digest = hashlib.sha256(hash_file(Path(docstrings.__file__)).encode())
    for folder in folders:
        for file in sorted(folder.rglob("*.py")):
            facts = file.stat()
            digest.update(f"{file} {facts.st_size} {facts.st_mtime_ns}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()
