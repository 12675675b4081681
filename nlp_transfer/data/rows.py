"""Hold the rows of a split, which tasks read by column.

They offer what the library and its tasks use of a `datasets.Dataset`, whose import costs a second with that of pandas.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import pyarrow as pa


@dataclass(frozen=True, eq=False)
class StoredColumn(Sequence[Any]):
    """A column that Arrow holds. Its cells become objects of Python as they are read: `column[:]` is a list of all."""

    cells: pa.ChunkedArray

    def __len__(self) -> int:
        return len(self.cells)

    @overload
    def __getitem__(self, at: int) -> Any: ...

    @overload
    def __getitem__(self, at: slice) -> list[Any]: ...

    def __getitem__(self, at: int | slice) -> Any:
        """Read a cell, or the list of several."""
        return self.cells[at].to_pylist() if isinstance(at, slice) else self.cells[at].as_py()

    def __iter__(self) -> Iterator[Any]:
        """Read all cells, a chunk at a time."""
        for chunk in self.cells.chunks:
            yield from chunk.to_pylist()


@dataclass(frozen=True, eq=False, repr=False)
class TaskRows:
    """Rows with a column for each role: a list, or a column that Arrow holds."""

    columns: Mapping[str, Sequence[Any]]

    @property
    def column_names(self) -> list[str]:
        """The names of the columns."""
        return list(self.columns)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Read all rows, each as a mapping column -> cell."""
        for cells in zip(*self.columns.values(), strict=True):
            yield dict(zip(self.columns, cells, strict=True))

    def __getitem__(self, name: str) -> Sequence[Any]:
        """Return a column by its name.

        Raises:
            KeyError: there is none of that name; rows are read in a loop or by `select`.
        """
        if name not in self.columns:
            raise KeyError(f"no column {name!r}; there are {', '.join(self.columns)}; `select` reads rows by position")
        return self.columns[name]

    def __repr__(self) -> str:
        return f"TaskRows({', '.join(self.columns)}: {len(self)} rows)"

    def select(self, places: Sequence[int] | np.ndarray) -> "TaskRows":
        """Read some rows by their positions, in that order."""
        # `take` of Arrow would put all texts of a column together first, of which it can hold 2 GiB.
        return TaskRows({name: [column[place] for place in places] for name, column in self.columns.items()})

    def to_dict(self) -> dict[str, list[Any]]:
        """Read all columns as lists."""
        return {name: list(column) for name, column in self.columns.items()}
