"""Work on whole columns of texts, which Arrow holds."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nlp_transfer.data.formats.blocks import Texts


def make_array(texts: Sequence[str]) -> pa.Array:
    """Make an array of texts, (rows,); a large one, whose bytes 31 bits may not count, if they come as strings."""
    return texts.array if isinstance(texts, Texts) else pa.array(texts, pa.large_string())


def count_characters(texts: pa.Array) -> np.ndarray:
    """Count the characters of each text, (rows,)."""
    counts: np.ndarray = pc.utf8_length(texts).to_numpy()
    return counts


def count_bytes(texts: pa.Array) -> np.ndarray:
    """Count the bytes of each text, (rows,)."""
    return np.diff(view_offsets(texts))


def view_offsets(texts: pa.Array) -> np.ndarray:
    """View where each text begins in the bytes of all, and last where they end, (rows + 1,)."""
    if not len(texts):
        return np.zeros(1, np.int32)
    large = pa.types.is_large_string(texts.type) or pa.types.is_large_binary(texts.type)
    offsets = np.frombuffer(texts.buffers()[1], np.int64 if large else np.int32)
    return offsets[texts.offset : texts.offset + len(texts) + 1]
