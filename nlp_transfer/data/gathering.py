"""Gather the rows of a place block by block: keep those with something in every role, and note what others lack."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import compress
from operator import eq
from typing import Any

import numpy as np
import pyarrow as pa

from nlp_transfer.config.tasks import RoleKind
from nlp_transfer.data.formats.cells import (
    read_label_sets,
    read_labels,
    read_lists,
    read_numbers,
    read_texts,
    strip_unseen,
)
from nlp_transfer.data.formats.records import RowStream
from nlp_transfer.data.labels import clean
from nlp_transfer.data.store import Examples, TextStore, join_parts

Roles = Mapping[str, RoleKind]
STORED_TYPES = {"text": pa.string(), "texts": pa.list_(pa.string()), "number": pa.float64()}
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
        arrays = {"numbers": np.asarray(numbers, np.uint32)}
        kept = np.ones(len(numbers), dtype=bool)
        stored: dict[str, Sequence[Any]] = {}
        seen: dict[str, list[str]] = {}  # text role -> the visible part of each text

        for role, column in self.columns.items():
            if self.roles[role] == "label":
                arrays["labels"] = self._index_labels(read_labels(cells[column], numbers, self.stream))
                there, reason = arrays["labels"] >= 0, f"missing label in column '{column}'"

            elif self.roles[role] == "labels":
                arrays["labels"] = self._index_sets(read_label_sets(cells[column], numbers, self.stream))
                there, reason = arrays["labels"] >= 0, f"missing labels in column '{column}'"

            elif self.roles[role] == "number":
                stored[role] = read_numbers(cells[column], numbers, self.stream)
                there = np.array([number is not None for number in stored[role]], bool)
                reason = f"missing number in column '{column}'"

            else:
                stored[role], each = self._read(role, cells[column], numbers)
                arrays[f"{LENGTH}{role}"] = np.fromiter(map(len, each), np.int32, len(each))
                seen[role] = list(map(strip_unseen, each))
                there = np.fromiter(map(bool, seen[role]), bool, len(each))
                reason = f"empty text in column '{column}'"

            if not there.all():
                self.missing[reason] += arrays["numbers"][kept & ~there].tolist()
                kept &= there

        if not self.stream.findings.faults:
            arrays |= self._mark_rows(seen)
            if self.group is not None:
                arrays["groups"] = self._index_groups(read_texts(cells[self.group], numbers, self.stream))
            self._keep(kept, arrays, stored)

    def _read(self, role: str, cells: Sequence[Any], numbers: Sequence[int]) -> tuple[Sequence[Any], list[str]]:
        """Read the texts of a role; return them as they are stored, and each as one text."""
        if self.roles[role] == "texts":
            lists = read_lists(cells, numbers, self.stream)
            return lists, list(map(join_parts, lists))
        texts = read_texts(cells, numbers, self.stream)
        return texts, texts

    def _mark_rows(self, seen: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
        """Compute `keys`, equal for rows with equal inputs, and `copied`, true if an input is also an answer."""
        inputs = [seen[role] for role in self.inputs]
        rows = len(inputs[0])
        copied = np.zeros(rows, dtype=bool)
        for role in seen.keys() - set(self.inputs):
            for texts in inputs:
                copied |= np.fromiter(map(eq, texts, seen[role]), bool, rows)

        whole = inputs[0] if len(inputs) == 1 else zip(*inputs, strict=True)
        return {"keys": np.fromiter(map(hash, whole), np.int64, rows), "copied": copied}

    def _keep(self, kept: np.ndarray, arrays: Mapping[str, np.ndarray], stored: Mapping[str, Sequence[Any]]) -> None:
        """Store the texts and arrays of the rows to keep."""
        lengths = [values for name, values in arrays.items() if name.startswith(LENGTH)]
        sizes = np.stack(lengths).sum(axis=0, dtype=np.int64)
        columns = list(stored.values()) if kept.all() else [list(compress(column, kept)) for column in stored.values()]
        self._store.add(columns, sizes[kept])
        for name, values in arrays.items():
            self._arrays[name].append(values[kept])
        self.rows += int(kept.sum())

    def _index_labels(self, spellings: Sequence[str]) -> np.ndarray:
        """Give each spelling of a label a number; -1 if nothing of it is visible."""
        for spelling in dict.fromkeys(spellings):
            if spelling not in self._spellings:
                seen = bool(clean(spelling))
                self._spellings[spelling] = len(self._names) if seen else -1
                self._names += [spelling] if seen else []
        return np.fromiter(map(self._spellings.__getitem__, spellings), np.int32, len(spellings))

    def _index_sets(self, rows: Sequence[Sequence[str] | None]) -> np.ndarray:
        """Give each set of spellings a number; -1 if a row has no set at all, which is not the same as an empty one."""
        assert self._sets is not None  # noqa: S101 - there is a role of sets
        found = np.full(len(rows), -1, np.int32)
        for row, spellings in enumerate(rows):
            if spellings is not None:
                places = {place for place in self._index_labels(spellings).tolist() if place >= 0}
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
