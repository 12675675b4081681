"""Keep activations on disk, and find them again by a hash of the tokens they were computed from."""

import contextlib
import hashlib
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nlp_transfer.errors import DiskError
from nlp_transfer.system.arrays import map_array
from nlp_transfer.system.disk import flush
from nlp_transfer.system.processes import gather_all
from nlp_transfer.system.room import guard_writing

log = logging.getLogger(__name__)
ACTIVATIONS_FORMAT = 1  # of the files; it is part of the folder's name
TEMPORARY = ".tmp-"
DAY = 24 * 60 * 60  # seconds


class Unfinished(Exception):  # noqa: N818 - a signal, not an error
    """A signal came before all was computed; carries what there is: position -> row."""

    def __init__(self, found: Mapping[int, np.ndarray]) -> None:
        """Keep the rows that were computed, by their position among those asked for."""
        self.found = found


class Store:
    """A folder of activations: shards of rows, each with the digests of the units that they belong to.

    A shard is written to a temporary folder and then renamed, so that a reader sees all of it or nothing. Shards are
    never changed, only added.
    """

    def __init__(self, folder: Path) -> None:
        """Keep the name of the folder, which is made when the first shard is written."""
        self.folder = folder

    def fill(
        self, inputs: Iterable[Mapping[str, Any]], compute: Callable[[np.ndarray], list[np.ndarray]]
    ) -> list[np.ndarray]:
        """Read the rows of all units; compute and add those that no shard holds.

        Args:
            inputs: the inputs of each unit, as the model reads them.
            compute: computes the rows of the units at some positions.

        Raises:
            Unfinished: `compute` was cut short by a signal; the rows it carries are added first.
        """
        keys = [_hash_unit(unit) for unit in inputs]
        known = self._read()

        # Processes may have different disks: what any of them lacks, all compute together.
        lacking = gather_all({i: True for i, key in enumerate(keys) if key not in known})
        missing = np.array(sorted(lacking), dtype=np.int64)

        if len(missing):
            try:
                fresh = compute(missing)
            except Unfinished as cut:
                self._write([keys[missing[i]] for i in cut.found], list(cut.found.values()))
                raise
            known |= dict(zip([keys[i] for i in missing], fresh, strict=True))
            self._write([keys[i] for i in missing], fresh)

        if len(missing) < len(keys):
            log.info("features: %d of %d from the cache", len(keys) - len(missing), len(keys))
        return [known[key] for key in keys]

    def _read(self) -> dict[bytes, np.ndarray]:
        known: dict[bytes, np.ndarray] = {}
        for shard in sorted(self.folder.glob("shard-*")):
            try:
                known |= self._read_shard(shard)
            except (FileNotFoundError, ValueError) as error:
                log.warning("%s is damaged and left out: %s", shard, error)
                shutil.rmtree(shard, ignore_errors=True)  # the next shard of the same units has the same name
            except OSError as error:
                log.warning("%s cannot be read and is left out: %s", shard, error)
        return known

    @staticmethod
    def _read_shard(shard: Path) -> dict[bytes, np.ndarray]:
        # The views are still mapped from the disk. But a row of a `memmap` costs 20 us, one of an `ndarray` far less.
        parts = (map_array(shard / f"{name}.npy").view(np.ndarray) for name in ("digests", "offsets", "values"))
        digests, offsets, values = parts
        if len(digests) != len(offsets) - 1 or offsets[-1] != len(values):
            raise ValueError("its files do not belong together")

        pooled = values.ndim > 2
        return {
            digest.tobytes(): values[index] if pooled else values[offsets[index] : offsets[index + 1]]
            for index, digest in enumerate(digests)
        }

    def _write(self, keys: list[bytes], rows: list[np.ndarray]) -> None:
        """Write rows as a new shard; where there is no room for it, only warn."""
        pooled = rows[0].ndim > 2
        values = np.stack(rows) if pooled else np.concatenate(rows)
        offsets = np.arange(len(rows) + 1) if pooled else np.cumsum([0, *(len(row) for row in rows)])
        shard = self.folder / f"shard-{hashlib.sha256(b''.join(keys)).hexdigest()[:16]}"

        way = "make room, or set NLP_TRANSFER_CACHE to a folder on a larger disk"
        try:
            with guard_writing(self.folder, values.nbytes, way=way), self._make_workplace() as name:
                fresh = Path(name) / "shard"
                fresh.mkdir()
                np.save(fresh / "digests.npy", np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(len(keys), -1))
                np.save(fresh / "offsets.npy", offsets)
                np.save(fresh / "values.npy", values)
                for path in (*fresh.iterdir(), fresh):
                    flush(path)  # else a crash may leave files of zeros
                fresh.rename(shard)
        except DiskError as error:  # a full or read-only cache costs time, not the run
            if not shard.is_dir():  # if it is there, another process was first
                log.warning("features are not kept: %s", error)

    @contextlib.contextmanager
    def _make_workplace(self) -> Iterator[str]:
        """Make a temporary folder on the same disk, and remove those of processes that were killed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(f"{TEMPORARY}*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > DAY:
                    shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=TEMPORARY) as name:
            yield name


def _hash_unit(unit: Any) -> bytes:
    """Hash the inputs of a unit, such as its token ids, to 16 bytes."""
    return hashlib.sha256(json.dumps(dict(unit), sort_keys=True).encode()).digest()[:16]
