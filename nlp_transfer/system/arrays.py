"""NumPy files as memory maps, never run and never pickled."""

import warnings
from pathlib import Path

import numpy as np

MOST = 200  # characters of numpy's own words


def map_array(path: Path) -> np.ndarray:
    """Memory-map a .npy without ever opening a pickle in it.

    Raises:
        ValueError: damaged, or an array of Python objects.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # headers that Python 2 wrote
            array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - the header is Python source: a damaged one fails in any way
        raise ValueError(" ".join(str(error).split())[:MOST] or type(error).__name__) from None
    return array
