"""Write and read checkpoints so that each is whole, or not there at all, even if the machine stops in between.

A checkpoint is written to a `.tmp-` folder: first tensors (safetensors) and plain values (JSON), last a manifest with
the sha256 of both. All is flushed to the disk before the folder gets its final name. Only then older ones are removed.
"""

import errno
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from nlp_transfer.errors import CheckpointError
from nlp_transfer.system.disk import flush, hash_file
from nlp_transfer.system.room import MARGIN, WAY, guard_writing

log = logging.getLogger(__name__)
CHECKPOINT_FORMAT = 1
VALUES, TENSORS, MANIFEST = "values.json", "tensors.safetensors", "manifest.json"
TEMPORARY = ".tmp-"


@dataclass(frozen=True)
class TrainingState:
    """Hold what a checkpoint on disk holds: plain values, and tensors by name."""

    path: Path
    values: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


def save_checkpoint(
    folder: Path, step: int, values: Mapping[str, Any], tensors: Mapping[str, Tensor], *, keep_last: int
) -> Path:
    """Write `folder/step-N`, then keep the newest `keep_last` checkpoints up to N and remove all others.

    Checkpoints beyond N are removed too: they come from an attempt that was given up for an earlier checkpoint.

    Raises:
        DiskError: the disk is full or fails; the checkpoints that were there stay as they were.
    """
    needed = sum(tensor.nbytes for tensor in tensors.values()) + MARGIN
    before = next((f"{path.name} is as it was; " for path in _list_checkpoints(folder)), "")
    way = f"{before}{WAY}, or set training.checkpoint.keep_last=1"

    with guard_writing(folder, needed, what=f"a checkpoint in {folder}", way=way):
        folder.mkdir(exist_ok=True)
        for left in folder.glob(f"{TEMPORARY}*"):  # of a save that was killed
            shutil.rmtree(left, ignore_errors=True)
        if shutil.disk_usage(folder).free < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with tempfile.TemporaryDirectory(dir=folder, prefix=TEMPORARY, ignore_cleanup_errors=True) as name:
            fresh = Path(name, "fresh")
            fresh.mkdir()
            _write(fresh, values, tensors)

            final = folder / f"step-{step:08d}"
            if final.exists():  # damaged, given up, or written before this step was validated
                final.rename(Path(name, "replaced"))
            fresh.rename(final)
            flush(folder)

    found = _list_checkpoints(folder)
    kept = found[found.index(final) :][:keep_last]
    for other in found:
        if other not in kept:
            shutil.rmtree(other, ignore_errors=True)
    return final


def _write(folder: Path, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    (folder / VALUES).write_text(json.dumps(values, allow_nan=False), encoding="utf-8")
    save_file(dict(tensors), folder / TENSORS)
    files = {name: hash_file(folder / name) for name in (VALUES, TENSORS)}
    (folder / MANIFEST).write_text(json.dumps({"format": CHECKPOINT_FORMAT, "sha256": files}), encoding="utf-8")
    for path in (*folder.iterdir(), folder):
        flush(path)


def _list_checkpoints(folder: Path) -> list[Path]:
    """List the checkpoints, newest first, whole or not."""
    return sorted(folder.glob("step-*"), reverse=True)


def load_checkpoint(path: Path) -> TrainingState:
    """Read a checkpoint after comparing every file with the manifest.

    Raises:
        CheckpointError: naming the file that is missing, cut short or changed.
    """
    manifest = path / MANIFEST

    try:
        listed = json.loads(manifest.read_bytes())
        files = dict(listed["sha256"])
        known = listed["format"] == CHECKPOINT_FORMAT and files.keys() == {VALUES, TENSORS}
    except FileNotFoundError:
        raise CheckpointError(f"{manifest}: missing") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise CheckpointError(f"{manifest}: damaged") from None

    if not known:
        raise CheckpointError(f"{manifest}: damaged, or of another version of this package")

    for name, digest in files.items():
        file = path / name
        if not file.is_file():
            raise CheckpointError(f"{file}: missing")
        if hash_file(file) != digest:
            raise CheckpointError(f"{file}: damaged or cut short: it is not what was written")
    return TrainingState(path, json.loads((path / VALUES).read_bytes()), load_file(path / TENSORS))


def find_newest(folder: Path) -> TrainingState | None:
    """Find the newest whole checkpoint; say in one warning which were skipped and why."""
    skipped = []
    found = None
    for path in _list_checkpoints(folder):
        try:
            found = load_checkpoint(path)
            break
        except CheckpointError as error:
            skipped.append(str(error))
    if skipped:
        instead = f"resuming from {found.path.name}" if found else "there is none before; starting anew"
        log.warning("skipped damaged checkpoints (%s): %s", "; ".join(skipped), instead)
    return found
