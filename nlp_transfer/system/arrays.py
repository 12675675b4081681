"""Open NumPy files as memory maps, without ever running code from a pickle."""

import warnings
from pathlib import Path

import numpy as np

LONGEST_MESSAGE = 200  # characters kept of NumPy's own message


def map_array(path: Path) -> np.ndarray:
    """Map a .npy file into memory, and refuse pickled objects.

    Raises:
        ValueError: the file is damaged, or holds Python objects.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # NumPy warns about headers that Python 2 wrote
            array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001 - NumPy evaluates the header as Python, so damage raises anything
        raise ValueError(" ".join(str(error).split())[:LONGEST_MESSAGE] or type(error).__name__) from None
    return array
