"""Mark rows by what a reader sees of their texts: whether it is anything, and whether it is the same as in others."""

import unicodedata

import numpy as np
import pyarrow as pa

from nlp_transfer.data.columns import count_bytes, view_offsets
from nlp_transfer.data.formats.cells import strip_unseen


def hash_seen(texts: pa.Array, characters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hash what a reader sees of each text; see `strip_unseen`, which is asked where the answer is not quick.

    Args:
        texts: (rows,) the texts.
        characters: (rows,) the number of characters of each.

    Returns:
        (rows,) SipHash of 64 bits; (rows,) whether anything is seen.
    """
    from pandas.util import hash_array  # slow to import, and answers to texts need no hashes

    slow = ~_have_seen_ends(texts)
    decomposable = ~slow & (characters < count_bytes(texts))  # what is not ASCII
    if not unicodedata.is_normalized("NFC", "\n".join(texts.filter(pa.array(decomposable)).to_pylist())):
        slow |= decomposable

    binary = pa.large_binary() if pa.types.is_large_string(texts.type) else pa.binary()
    contents = texts.view(binary).to_numpy(zero_copy_only=False)
    chosen = np.flatnonzero(slow)
    contents[chosen] = seen = [strip_unseen(content.decode()).encode() for content in contents[chosen]]
    there = np.ones(len(texts), bool)
    there[chosen] = list(map(bool, seen))
    return hash_array(contents, categorize=False), there


def _have_seen_ends(texts: pa.Array) -> np.ndarray:
    """Tell which texts begin and end with marks of ASCII that are seen, (rows,)."""
    offsets = view_offsets(texts)
    if offsets[0] == offsets[-1]:
        return np.zeros(len(texts), bool)

    content = np.frombuffer(texts.buffers()[2], np.uint8)
    ends = content[np.minimum(offsets[:-1], len(content) - 1)], content[offsets[1:] - 1]
    seen = [(marks >= ord("!")) & (marks <= ord("~")) for marks in ends]
    found: np.ndarray = seen[0] & seen[1] & (np.diff(offsets) > 0)
    return found
