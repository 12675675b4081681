"""Gather the rows of a place block by block: keep those with something in every role, and note what others lack."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import reduce
from itertools import compress
from typing import Any

import numpy as np
import pyarrow as pa

from nlp_transfer.config.tasks import RoleKind
from nlp_transfer.data.columns import count_characters, make_array
from nlp_transfer.data.formats.cells import (
    read_label_sets,
    read_labels,
    read_lists,
    read_numbers,
    read_texts,
)
from nlp_transfer.data.formats.records import RowStream
from nlp_transfer.data.labels import clean
from nlp_transfer.data.store import Examples, TextStore, join_parts
from nlp_transfer.data.unseen import hash_seen

Roles = Mapping[str, RoleKind]
STORED_TYPES = {"text": pa.string(), "texts": pa.list_(pa.string()), "number": pa.float64()}
ODD = np.uint64(0x9E3779B97F4A7C15)  # tells (a, b) from (b, a) where hashes are joined; the golden ratio, as usual
LENGTH = "length of "  # the names of arrays of lengths begin with this, then comes the role


class Gathered:
    """The rows so far; `missing` maps what rows lack to their numbers: `empty text in column 'text'` -> [3, 8]."""

    def __init__(
        self, stream: RowStream, columns: Mapping[str, str], roles: Roles, inputs: Sequence[str], group: str | None
    ) -> None:
        """Start without rows. `columns` maps roles to columns; `inputs` are roles; `group` is the column of groups."""
        self.stream, self.columns, self.roles, self.group = stream, columns, roles, group
        self.inputs = inputs
        self.rows = 0
        self.missing: defaultdict[str, list[int]] = defaultdict(list)
        self._store = TextStore(
            pa.schema([(role, STORED_TYPES[kind]) for role, kind in roles.items() if kind in STORED_TYPES])
        )
        self._arrays: defaultdict[str, list[np.ndarray]] = defaultdict(list)
        self._spellings: dict[str, int] = {}  # spelling of a label -> its index in names; -1 for a blank one
        self._names: list[str] = []
        self._sets: dict[tuple[int, ...], int] | None = {} if "labels" in roles.values() else None
        self._groups: dict[str, int] = {"": 0}

    def add(self, numbers: Sequence[int], cells: Mapping[str, Sequence[Any]]) -> None:
        """Add the rows of a block that lack nothing. After a fault rows are no longer kept, only read for more faults.

        Args:
            numbers: the line or row numbers of the rows.
            cells: column -> a cell for each row.
        """
        arrays = {"numbers": _make_numbers(numbers)}
        kept = np.ones(len(numbers), dtype=bool)
        stored: dict[str, Sequence[Any] | pa.Array] = {}
        hashes: dict[str, np.ndarray] = {}  # text role -> a hash of the visible part of each text

        for role, column in self.columns.items():
            if self.roles[role] == "label":
                arrays["labels"] = self._index_labels(make_array(read_labels(cells[column], numbers, self.stream)))
                there, reason = arrays["labels"] >= 0, f"missing label in column '{column}'"

            elif self.roles[role] == "labels":
                arrays["labels"] = self._index_sets(read_label_sets(cells[column], numbers, self.stream))
                there, reason = arrays["labels"] >= 0, f"missing labels in column '{column}'"

            elif self.roles[role] == "number":
                stored[role] = found = read_numbers(cells[column], numbers, self.stream)
                there = np.array([number is not None for number in found], bool)
                reason = f"missing number in column '{column}'"

            else:
                stored[role], each = self._read(role, cells[column], numbers)
                arrays[f"{LENGTH}{role}"] = lengths = count_characters(each).astype(np.int32)
                hashes[role], there = hash_seen(each, lengths)
                reason = f"empty text in column '{column}'"

            if not there.all():
                self.missing[reason] += arrays["numbers"][kept & ~there].tolist()
                kept &= there

        if not self.stream.findings.faults:
            arrays |= self._mark_rows(hashes)
            if self.group is not None:
                arrays["groups"] = self._index_groups(read_texts(cells[self.group], numbers, self.stream))
            self._keep(kept, arrays, stored)

    def _read(
        self, role: str, cells: Sequence[Any], numbers: Sequence[int]
    ) -> tuple[Sequence[Any] | pa.Array, pa.Array]:
        """Read the texts of a role; return them as they are stored, and each as one text."""
        if self.roles[role] == "texts":
            lists = read_lists(cells, numbers, self.stream)
            return lists, make_array(list(map(join_parts, lists)))
        texts = make_array(read_texts(cells, numbers, self.stream))
        return texts, texts

    def _mark_rows(self, hashes: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Compute `keys`, equal for rows with equal inputs, and `copied`, true if an input is also an answer."""
        inputs = [hashes[role] for role in self.inputs]
        copied = np.zeros(len(inputs[0]), dtype=bool)
        for role in hashes.keys() - set(self.inputs):
            for one in inputs:
                copied |= one == hashes[role]

        return {"keys": reduce(lambda joined, one: joined * ODD + one, inputs), "copied": copied}

    def _keep(
        self, kept: np.ndarray, arrays: Mapping[str, np.ndarray], stored: Mapping[str, Sequence[Any] | pa.Array]
    ) -> None:
        """Store the texts and arrays of the rows to keep."""
        lengths = [values for name, values in arrays.items() if name.startswith(LENGTH)]
        sizes = np.stack(lengths).sum(axis=0, dtype=np.int64)
        self._store.add([column if kept.all() else _select(column, kept) for column in stored.values()], sizes[kept])
        for name, values in arrays.items():
            self._arrays[name].append(values[kept])
        self.rows += int(kept.sum())

    def _index_labels(self, spellings: pa.Array) -> np.ndarray:
        """Give each spelling of a label a number; -1 if nothing of it is visible."""
        coded = spellings.dictionary_encode()
        places = np.array(list(map(self._index_label, coded.dictionary.to_pylist())), np.int32)
        found: np.ndarray = places[coded.indices.to_numpy()]
        return found

    def _index_label(self, spelling: str) -> int:
        if spelling not in self._spellings:
            seen = bool(clean(spelling))
            self._spellings[spelling] = len(self._names) if seen else -1
            self._names += [spelling] if seen else []
        return self._spellings[spelling]

    def _index_sets(self, rows: Sequence[Sequence[str] | None]) -> np.ndarray:
        """Give each set of spellings a number; -1 if a row has no set at all, which is not the same as an empty one."""
        assert self._sets is not None  # noqa: S101 - there is a role of sets
        found = np.full(len(rows), -1, np.int32)
        for row, spellings in enumerate(rows):
            if spellings is not None:
                places = set(map(self._index_label, spellings)) - {-1}
                found[row] = self._sets.setdefault(tuple(sorted(places)), len(self._sets))
        return found

    def _index_groups(self, cells: Sequence[str]) -> np.ndarray:
        """Give each group a number; 0 if a row belongs to none."""
        names = list(map(str.strip, cells))
        for name in dict.fromkeys(names):
            self._groups.setdefault(name, len(self._groups))
        return np.fromiter(map(self._groups.__getitem__, names), np.int32, len(names))

    def collect(self) -> Examples:
        """Collect all rows that were kept; there is at least one."""
        arrays = {name: np.concatenate(parts) for name, parts in self._arrays.items()}
        return Examples(
            self._store,
            places=np.arange(self.rows, dtype=np.uint32),
            numbers=arrays["numbers"],
            keys=arrays["keys"],
            lengths={name.removeprefix(LENGTH): array for name, array in arrays.items() if name.startswith(LENGTH)},
            copied=arrays["copied"],
            labels=arrays.get("labels"),
            names=tuple(self._names),
            sets=None if self._sets is None else tuple(self._sets),
            groups=arrays.get("groups"),
        )


def _select(column: Sequence[Any] | pa.Array, kept: np.ndarray) -> Sequence[Any] | pa.Array:
    """Select the values of the rows to keep."""
    return column.filter(pa.array(kept)) if isinstance(column, pa.Array) else list(compress(column, kept))


def _make_numbers(numbers: Sequence[int]) -> np.ndarray:
    """Make an array of line or row numbers, without turning those of a range into objects of Python."""
    if isinstance(numbers, range):
        return np.arange(numbers.start, numbers.stop, numbers.step, dtype=np.uint32)
    return np.asarray(numbers, np.uint32)
