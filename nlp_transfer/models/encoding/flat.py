"""Hold the ids of many units in flat arrays: 4 bytes a token, and 8 bytes a unit for the place where it starts.

A list of Python integers takes 8 to 36 bytes a token. Ids beyond `LARGEST` lie in a temporary file that is mapped into
memory, so that a corpus may be larger than the memory.
"""

import mmap
import tempfile
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Any

import numpy as np

from nlp_transfer.system.room import guard_temporary

CONTENT = "the tokens of the data"  # the name of the content in errors
LARGEST = 1 << 26  # ids of a column that are kept in memory, 256 MiB; more go to a file, piece by piece


@dataclass(frozen=True)
class Ragged:
    """Hold rows of different lengths one behind another. As a sequence, it gives views of the rows.

    Attributes:
        values: (values,) int32.
        offsets: (rows + 1,) int64; row `i` is `values[offsets[i]:offsets[i + 1]]`.
    """

    values: np.ndarray
    offsets: np.ndarray

    @classmethod
    def flatten(cls, rows: Iterable[Any]) -> "Ragged":
        """Flatten rows (T,) of integers."""
        column = _Column()
        for row in rows:
            column.add(row)
        return column.collect()

    @cached_property
    def lengths(self) -> np.ndarray:
        """(rows,) the number of values in each row."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        if not -len(self) <= row < len(self):
            raise IndexError(f"row {row} of {len(self)}")
        row %= len(self)
        found: np.ndarray = self.values[self.offsets[row] : self.offsets[row + 1]]
        return found

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[row] for row in range(len(self)))

    def take(self, rows: np.ndarray) -> "Ragged":
        """Copy some rows, in the order in which they are named."""
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        places = np.repeat(self.offsets[:-1][rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Ragged(self.values[places], offsets)


@dataclass(frozen=True)
class FlatUnits:
    """Hold the model inputs of units. As a sequence, it gives each unit as name of an input -> list of ids.

    Attributes:
        columns: name of an input -> a row for each unit, empty if the unit lacks this input.
        wide: the inputs that hold several numbers for each token, such as the ids of its n-grams.
    """

    columns: Mapping[str, Ragged]
    wide: frozenset[str] = frozenset()

    @property
    def ids(self) -> np.ndarray:
        """(tokens,) the ids of all units, one unit behind another."""
        return self.columns["input_ids"].values

    @property
    def offsets(self) -> np.ndarray:
        """(units + 1,) where each unit starts in `ids`, and the end."""
        return self.columns["input_ids"].offsets

    @property
    def lengths(self) -> np.ndarray:
        """(units,) the number of tokens in each unit."""
        return self.columns["input_ids"].lengths

    def __len__(self) -> int:
        return len(self.columns["input_ids"])

    def __getitem__(self, unit: int) -> dict[str, Any]:
        return {name: self.read(name, unit).tolist() for name, rows in self.columns.items() if len(rows[unit])}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[unit] for unit in range(len(self)))

    def read(self, name: str, unit: int) -> np.ndarray:
        """Read an input of a unit: (T,), or (T, K) if it is wide; (0,) or (T, 0) if the unit lacks it."""
        row = self.columns[name][unit]
        return row.reshape(self.lengths[unit], -1 if len(row) else 0) if name in self.wide else row


class UnitWriter:
    """Collect units one by one."""

    def __init__(self) -> None:
        """Start without units."""
        self.units = 0
        self._columns = {"input_ids": _Column()}
        self._wide: set[str] = set()

    def add(self, unit: Mapping[str, Any]) -> None:
        """Add a unit: name of an input -> (T,) integers, or (T, K) of which K may differ from unit to unit."""
        for name in unit.keys() - self._columns.keys():
            self._columns[name] = _Column(self.units)
            self._wide |= {name} if np.ndim(unit[name]) > 1 else set()
        for name, column in self._columns.items():
            column.add(unit.get(name, ()))
        self.units += 1

    def collect(self) -> FlatUnits:
        """Collect all units that were added."""
        return FlatUnits({name: column.collect() for name, column in self._columns.items()}, frozenset(self._wide))


def flatten_units(units: FlatUnits | Sequence[Mapping[str, Any]]) -> FlatUnits:
    """Flatten units that are a mapping each; flat ones are returned as they are."""
    if isinstance(units, FlatUnits):
        return units
    writer = UnitWriter()
    for unit in units:
        writer.add(unit)
    return writer.collect()


class _Column:
    """Collect the rows of one input."""

    def __init__(self, empty: int = 0) -> None:
        """Start with so many empty rows."""
        self._held = array("i")  # the ids that are in memory
        self._ends = array("q", [0] * (empty + 1))
        self._file: IO[bytes] | None = None

    def add(self, row: Any) -> None:
        values = np.asarray(row, np.int32)
        self._held.frombytes(values.tobytes())
        self._ends.append(self._ends[-1] + values.size)
        if len(self._held) >= LARGEST:
            self._spill()

    def _spill(self) -> None:
        """Move the ids that are in memory to the file."""
        with guard_temporary(CONTENT, self._held.itemsize * len(self._held)):
            self._file = self._file or tempfile.TemporaryFile()  # noqa: SIM115 - until all is collected
            self._held.tofile(self._file)
            self._file.flush()
        self._held = array("i")

    def collect(self) -> Ragged:
        values = np.asarray(self._held)
        if self._file is not None:
            self._spill()
            with self._file:  # what is mapped stays when the file is closed
                values = np.frombuffer(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ), np.int32)
        return Ragged(values, np.asarray(self._ends))
