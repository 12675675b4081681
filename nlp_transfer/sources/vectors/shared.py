"""Hold vectors by the rows of a matrix that they share, so that a table opens without a copy for each of its words."""

from typing import Any

import numpy as np


class SharedRows:
    """Hold n vectors that share rows of a matrix of floats, and take copies of those only that are asked for."""

    def __init__(self, matrix: np.ndarray, rows: np.ndarray) -> None:
        """Keep the matrix (m, d), and the row of each vector, (n,)."""
        self.matrix, self.rows = matrix, rows
        self.shape = (len(rows), matrix.shape[1])

    def __len__(self) -> int:
        """Count the vectors."""
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        """Copy the vectors of an array of numbers, (k, d) float32; a slice shares the rows still."""
        if isinstance(index, slice):
            return SharedRows(self.matrix, self.rows[index])
        with np.errstate(over="ignore"):  # an overflow becomes infinite, and is refused later with its row
            return np.asarray(self.matrix[self.rows[index]], dtype=np.float32)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Copy all of them, (n, d)."""
        return np.asarray(self[np.arange(len(self))], dtype=dtype)
