"""Work on whole columns of texts, which Arrow holds."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nlp_transfer.data.formats.blocks import Texts
from nlp_transfer.data.formats.cells import strip_unseen


def make_array(texts: Sequence[str]) -> pa.Array:
    """Make an array of texts, (rows,); a large one, whose bytes 31 bits may not count, if they come as strings."""
    return texts.array if isinstance(texts, Texts) else pa.array(texts, pa.large_string())


def count_bytes(texts: pa.Array) -> np.ndarray:
    """Count the bytes of each text, (rows,)."""
    counts: np.ndarray = pc.binary_length(texts).to_numpy()
    return counts


def strip_unseen_each(texts: pa.Array) -> pa.Array:
    """Reduce each text to what a reader sees; see `strip_unseen`, which is asked where the answer is not quick."""
    slow = pa.array(~_find_seen(texts))
    found = pa.array(map(strip_unseen, texts.filter(slow).to_pylist()), texts.type)
    return pc.replace_with_mask(texts, slow, found) if len(found) else texts


def _find_seen(texts: pa.Array) -> np.ndarray:
    """Find the texts of ASCII that begin and end with marks that are seen, (rows,)."""
    if not count_bytes(texts).any():
        return np.zeros(len(texts), bool)

    kind = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    offsets = np.frombuffer(texts.buffers()[1], kind)[texts.offset : texts.offset + len(texts) + 1]
    content = np.frombuffer(texts.buffers()[2], np.uint8)
    seen = (content >= ord("!")) & (content <= ord("~"))
    found: np.ndarray = (
        seen[np.minimum(offsets[:-1], len(content) - 1)] & seen[offsets[1:] - 1] & (np.diff(offsets) > 0)
    )
    found &= pc.string_is_ascii(texts).to_numpy(zero_copy_only=False)
    return found
