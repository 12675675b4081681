"""The usable rows of a place as columns: what is short in memory, texts (and numbers to learn) on the disk.

The file of the texts is temporary and gone when nobody reads it. They are added, and read, a block at a time, or as a
table that is mapped into memory.
"""

import hashlib
import mmap
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nlp_transfer.system.room import guard_temporary

WHAT = "the texts of the data"
PART_END = "\n"  # between the parts of a text
MOST = 1 << 26  # characters in a batch: Arrow counts the bytes of one in 31 bits


def whole(text: str | list[str]) -> str:
    """Join a text, or its parts, to one text."""
    return text if isinstance(text, str) else PART_END.join(text)


class TextStore:
    """Rows with a text, a list of texts or a number for each role; a `DiskError` says where there is no room."""

    def __init__(self, schema: pa.Schema) -> None:
        """Start without rows."""
        self.schema = schema
        self.rows = 0
        with guard_temporary(WHAT):
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the store
            self._writer = pa.ipc.new_stream(self._file, schema)
        weakref.finalize(self, self._file.close)

    def add(self, columns: Sequence[Sequence[Any]], sizes: np.ndarray) -> None:
        """Add rows: a column for each role, and (rows,) the characters of each row."""
        if len(sizes) > 1 and sizes.sum() > MOST:
            half = len(sizes) // 2
            self.add([column[:half] for column in columns], sizes[:half])
            self.add([column[half:] for column in columns], sizes[half:])
        else:
            self.add_batch(pa.record_batch(list(columns), schema=self.schema))

    def add_batch(self, batch: pa.RecordBatch) -> None:
        """Add rows that are a batch already."""
        with guard_temporary(WHAT, batch.nbytes):
            self._writer.write_batch(batch)
        self.rows += len(batch)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read all rows, once at a time; no more can be added."""
        self._finish()
        self._file.seek(0)
        yield from pa.ipc.open_stream(self._file)

    def table(self) -> pa.Table:
        """Map all rows into memory; the table outlives the store."""
        self._finish()
        mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return pa.ipc.open_stream(pa.py_buffer(mapped)).read_all()

    def _finish(self) -> None:
        with guard_temporary(WHAT):
            self._writer.close()
            self._file.flush()


@dataclass(frozen=True)
class Examples:
    """Usable rows of a place; arrays are of (rows,).

    Attributes:
        store: their texts, and those of other rows.
        places: where they are in the store, increasing.
        numbers: the line or row in the place that each stood on.
        keys: what makes two rows duplicates: a hash of the inputs, all together, but for blanks around them and the
            form of accents.
        lengths: text role -> characters.
        copied: whether a role that is no input holds the same text as an input.
        labels: index into `names`; None for tasks without labels.
        names: of the labels; until they are named, their spellings.
        sets: different sets of indices into `names`, where a row has any number of labels; `labels` then index these.
        groups: equal for rows that stay together when splits are cut; 0 for one of no group; None without groups.
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
        """Take some of the rows, by increasing index."""
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
        """Name the labels anew: the old index gives the place of each among the new names, -1 if it has none."""
        if self.labels is None:
            return self
        if self.sets is None:
            return replace(self, labels=np.array(places, np.int32)[self.labels], names=names)
        moved = [tuple(sorted({places[index] for index in one} - {-1})) for one in self.sets]
        numbers = {one: number for number, one in enumerate(dict.fromkeys(moved))}
        labels = np.array([numbers[one] for one in moved], np.int32)[self.labels]
        return replace(self, labels=labels, names=names, sets=tuple(numbers))

    @property
    def answers(self) -> Sequence[tuple[int, ...]]:
        """What `labels` index: sets of indices into `names`, each of one where a row has one label."""
        return [(label,) for label in range(len(self.names))] if self.sets is None else self.sets

    def label_sets(self) -> Sequence[tuple[int, ...]]:
        """List the labels of each row, one or several, as indices into `names`."""
        answers = self.answers
        return [] if self.labels is None else [answers[label] for label in self.labels.tolist()]

    def count_labels(self) -> np.ndarray:
        """(names,) how many rows have each label."""
        found = self.labels
        if found is None or self.sets is not None:
            found = np.array(list(chain.from_iterable(self.label_sets())), np.int64)
        return np.bincount(found, minlength=len(self.names))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Read the texts of these rows, in order."""
        start = 0
        for batch in self.store.batches():
            # Numbers of another type would have all places copied.
            first, last = np.searchsorted(self.places, np.array([start, start + len(batch)], self.places.dtype))
            here = self.places[first:last] - start
            start += len(batch)
            if len(here):
                yield batch if len(here) == len(batch) else batch.take(pa.array(here))

    def table(self) -> pa.Table:
        """Map the texts of these rows into memory, from a file of their own where the store holds others."""
        store = self.store
        if len(self) < store.rows:
            store = TextStore(self.store.schema)
            for batch in self.batches():
                store.add_batch(batch)
        return store.table()

    def read_numbers_by_role(self) -> dict[str, np.ndarray]:
        """Read the (rows,) numbers of each role that holds some."""
        roles = [field.name for field in self.store.schema if pa.types.is_floating(field.type)]
        blocks = [batch.select(roles) for batch in self.batches()] if roles else []
        return {role: np.concatenate([block.column(role).to_numpy() for block in blocks]) for role in roles}

    @cached_property
    def fingerprint(self) -> str:
        """The sha256 of texts, numbers and labels in order, each behind the number of its bytes."""
        digest = hashlib.sha256()
        named = self.names if self.sets is None else [PART_END.join(map(self.names.__getitem__, s)) for s in self.sets]
        names = pa.array(named or [""])
        labels = np.zeros(len(self), np.int32) if self.labels is None else self.labels
        start = 0
        for batch in self.batches():
            columns = [*batch.columns, names.take(pa.array(labels[start : start + len(batch)]))]
            rows = pc.binary_join_element_wise(*chain.from_iterable(map(_framed, columns)), b"")
            digest.update(b"".join(rows.to_pylist()))
            start += len(batch)
        return digest.hexdigest()


def _framed(column: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Write the number of bytes of each text, which keeps ("ab", "c") apart from ("a", "bc"), and the bytes."""
    texts = pc.binary_join(column, PART_END) if pa.types.is_list(column.type) else column.cast(pa.string())
    content = texts.cast(pa.binary())
    return pc.binary_length(content).cast(pa.int64()).view(pa.binary(8)).cast(pa.binary()), content
