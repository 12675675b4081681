"""Hold the usable rows of a place as columns: short values in memory, texts and numbers to learn on the disk.

The file of the texts is temporary, and is removed when nobody reads it any more. Texts are added and read a block at a
time, or read as a table that is mapped into memory.
"""

import mmap
import tempfile
import weakref
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from xxhash import xxh3_64_intdigest, xxh3_128

from nlp_transfer.data.columns import view_offsets
from nlp_transfer.system.room import guard_temporary

CONTENT = "the texts of the data"  # the name of the content in errors
PART_END = "\n"  # between the parts of a text
FORGET = getattr(mmap, "MADV_DONTNEED", None)  # tells the system that mapped pages are not read soon; not on Windows
BATCH_CHARACTERS = 1 << 26  # the most in a batch: Arrow counts its bytes in 31 bits


def join_parts(text: str | list[str]) -> str:
    """Join the parts of a text; a whole text is returned as it is."""
    return text if isinstance(text, str) else PART_END.join(text)


class TextStore:
    """Rows on disk with a text, a list of texts or a number for each role. A full disk is a `DiskError`."""

    def __init__(self, schema: pa.Schema) -> None:
        """Open a temporary file without rows."""
        self.schema = schema
        self.rows = 0
        self._digests: defaultdict[int, xxh3_128] = defaultdict(xxh3_128)
        with guard_temporary(CONTENT):
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the store
            self._writer = pa.ipc.new_stream(self._file, schema)
        weakref.finalize(self, self._file.close)

    def add(self, columns: Sequence[Sequence[Any] | pa.Array], sizes: np.ndarray) -> None:
        """Add rows: a column for each role, and the number of characters of each row, (rows,)."""
        if len(sizes) > 1 and sizes.sum() > BATCH_CHARACTERS:
            half = len(sizes) // 2
            self.add([column[:half] for column in columns], sizes[:half])
            self.add([column[half:] for column in columns], sizes[half:])
        else:
            typed = zip(columns, self.schema.types, strict=True)
            arrays = [one.cast(kind) if isinstance(one, pa.Array) else pa.array(one, kind) for one, kind in typed]
            self.add_batch(pa.record_batch(arrays, schema=self.schema))

    def add_batch(self, batch: pa.RecordBatch) -> None:
        """Add the rows of a batch."""
        with guard_temporary(CONTENT, batch.nbytes):
            self._writer.write_batch(batch)
        self.rows += len(batch)
        for place, values in enumerate(chain.from_iterable(map(_list_values, batch.columns))):
            self._digests[place].update(values.data)

    @property
    def digest(self) -> bytes:
        """The digest of all rows so far. It is the same in whatever batches they came."""
        return b"".join(self._digests[place].digest() for place in sorted(self._digests))

    def stream_batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows in batches, for any number of readers. After that no rows can be added."""
        mapped = self._map()
        for batch in pa.ipc.open_stream(pa.py_buffer(mapped)):
            yield batch
            if FORGET is not None:  # else all rows that were read would count as memory of the process
                mapped.madvise(FORGET)

    def map_table(self) -> pa.Table:
        """Map all rows into memory. The table can be used longer than the store."""
        return pa.ipc.open_stream(pa.py_buffer(self._map())).read_all()

    def _map(self) -> mmap.mmap:
        with guard_temporary(CONTENT):
            self._writer.close()
            self._file.flush()
        return mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)


@dataclass(frozen=True)
class Examples:
    """The usable rows of a place. Each array is (rows,).

    Attributes:
        store: the texts of these rows, and of others.
        places: the positions of these rows in the store, increasing.
        numbers: the line or row number of each row in its place.
        keys: equal for duplicates: a hash of all inputs, without spaces around them and with composed accents.
        lengths: text role -> number of characters.
        copied: whether an input is also the text of another role.
        labels: indices into `names`, or into `sets`; None for tasks without labels.
        names: the names of the labels; before they are named, the spellings.
        sets: for tasks with several labels, all different sets of indices into `names`; else None.
        groups: equal for rows that stay together when splits are cut, 0 for no group; None if there are no groups.
    """

    store: TextStore
    places: np.ndarray
    numbers: np.ndarray
    keys: np.ndarray
    lengths: Mapping[str, np.ndarray]
    copied: np.ndarray
    labels: np.ndarray | None = None
    names: tuple[str, ...] = ()
    sets: tuple[tuple[int, ...], ...] | None = None
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.places)

    def take(self, chosen: np.ndarray) -> "Examples":
        """Select some of the rows by their indices, which must increase."""
        return replace(
            self,
            places=self.places[chosen],
            numbers=self.numbers[chosen],
            keys=self.keys[chosen],
            lengths={role: values[chosen] for role, values in self.lengths.items()},
            copied=self.copied[chosen],
            labels=None if self.labels is None else self.labels[chosen],
            groups=None if self.groups is None else self.groups[chosen],
        )

    def rename(self, places: Sequence[int], names: tuple[str, ...]) -> "Examples":
        """Give the labels new names. `places` maps each old index to one of the new names; -1 if it has none."""
        if self.labels is None:
            return self
        if self.sets is None:
            return replace(self, labels=np.array(places, np.int32)[self.labels], names=names)

        # Sets that become equal by the new names get one number.
        moved = [tuple(sorted({places[index] for index in one} - {-1})) for one in self.sets]
        numbers = {one: number for number, one in enumerate(dict.fromkeys(moved))}
        labels = np.array([numbers[one] for one in moved], np.int32)[self.labels]
        return replace(self, labels=labels, names=names, sets=tuple(numbers))

    @property
    def answers(self) -> Sequence[tuple[int, ...]]:
        """The sets that `labels` are indices into. If each row has one label, each set holds one."""
        return [(label,) for label in range(len(self.names))] if self.sets is None else self.sets

    def list_label_sets(self) -> Sequence[tuple[int, ...]]:
        """List the labels of each row as indices into `names`."""
        answers = self.answers
        return [] if self.labels is None else [answers[label] for label in self.labels.tolist()]

    def count_labels(self) -> np.ndarray:
        """Count the rows that have each label, (names,)."""
        found = self.labels
        if found is None or self.sets is not None:
            found = np.array(list(chain.from_iterable(self.list_label_sets())), np.int64)
        return np.bincount(found, minlength=len(self.names))

    def stream_batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the texts of these rows in batches, in order."""
        start = 0
        for batch in self.store.stream_batches():
            # The numbers have the type of the places, or numpy would copy all places to compare them.
            first, last = np.searchsorted(self.places, np.array([start, start + len(batch)], self.places.dtype))
            here = self.places[first:last] - start
            start += len(batch)
            if len(here):
                yield batch if len(here) == len(batch) else batch.take(pa.array(here))

    def map_table(self) -> pa.Table:
        """Map the texts of these rows into memory."""
        return self._own_store.map_table()

    @cached_property
    def _own_store(self) -> TextStore:
        """A store of these rows alone, which is a new file if theirs holds others."""
        if len(self) == self.store.rows:
            return self.store
        store = TextStore(self.store.schema)
        for batch in self.stream_batches():
            store.add_batch(batch)
        return store

    def read_numbers_by_role(self) -> dict[str, np.ndarray]:
        """Read the numbers (rows,) of each role that holds numbers."""
        roles = [field.name for field in self.store.schema if pa.types.is_floating(field.type)]
        blocks = [batch.select(roles) for batch in self._own_store.stream_batches()] if roles else []
        return {role: np.concatenate([block.column(role).to_numpy() for block in blocks]) for role in roles}

    @cached_property
    def fingerprint(self) -> str:
        """The XXH3 digest of texts, numbers and labels in order, in 32 hexadecimal digits."""
        digest = xxh3_128(self._own_store.digest)
        if self.labels is not None:
            named = [PART_END.join(map(self.names.__getitem__, places)).encode() for places in self.answers]
            digest.update(np.array(list(map(xxh3_64_intdigest, named)), np.uint64)[self.labels].data)
        return digest.hexdigest()


def _list_values(column: pa.Array) -> list[np.ndarray]:
    """List what tells a column from any other: its numbers, or how long its lists or texts are and what they hold."""
    if pa.types.is_list(column.type):
        return [np.diff(view_offsets(column)), *_list_values(column.flatten())]
    if pa.types.is_string(column.type):
        offsets, content = view_offsets(column), column.buffers()[2]
        return [np.diff(offsets), np.frombuffer(content or b"", np.uint8)[offsets[0] : offsets[-1]]]
    return [column.to_numpy()]
