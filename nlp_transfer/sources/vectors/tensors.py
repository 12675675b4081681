"""Map the tensors of a safetensors file into memory, without reading their numbers.

The format: https://huggingface.co/docs/safetensors, a header of JSON behind its length (8 bytes), then the numbers.
"""

import json
import math
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from nlp_transfer.errors import SourceError

LENGTH = struct.Struct("<Q")
LARGEST_HEADER = 100_000_000  # bytes, the format's own limit
KINDS = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
}


def starts_tensors(head: bytes) -> bool:
    """Tell by its first bytes whether a file is of safetensors: a length, and a JSON object behind it."""
    return len(head) > LENGTH.size and head[8:9] == b"{" and LENGTH.unpack_from(head)[0] <= LARGEST_HEADER


def list_tensors(path: Path) -> dict[str, Any]:
    """List the tensors of a file: name -> what its header tells of each.

    Raises:
        SourceError: the header is damaged or truncated.
    """
    return _read_header(path)[0]


def map_tensors(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Map some tensors of a file: name -> array, which is read-only. bfloat16 is widened to float32.

    Raises:
        SourceError: the file is damaged or truncated, or a tensor is of a kind that is not read here.
    """
    header, start = _read_header(path)
    try:
        return {name: _map(path, start, header[name]) for name in names if name in header}
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise SourceError(f"{path}: a damaged or truncated safetensors file ({error})") from None


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """Read the header; return it, and where the numbers start."""
    try:
        with path.open("rb") as file:
            (length,) = LENGTH.unpack(file.read(LENGTH.size))
            header = dict(json.loads(file.read(min(length, LARGEST_HEADER))))
    except (ValueError, TypeError, RecursionError, struct.error) as error:
        raise SourceError(f"{path}: a damaged or truncated safetensors file ({error})") from None
    header.pop("__metadata__", None)
    return header, LENGTH.size + length


def _map(path: Path, start: int, described: dict[str, Any]) -> np.ndarray:
    """Map one tensor, or raise ValueError if what is told of it cannot be."""
    kind, shape, (first, last) = described["dtype"], tuple(described["shape"]), described["data_offsets"]
    if kind not in KINDS:
        raise ValueError(f"numbers of kind {kind}")
    dtype = np.dtype(KINDS[kind])
    if not 0 <= first <= last or last - first != dtype.itemsize * math.prod(shape):
        raise ValueError(f"{last - first} bytes for {shape} numbers of kind {kind}")
    if start + last > path.stat().st_size:
        raise ValueError("a tensor ends behind the end of the file")

    if first == last:
        return np.empty(shape, dtype)
    array = np.memmap(path, dtype, "r", offset=start + first, shape=shape)
    return _widen_halves(array) if kind == "BF16" else array


def _widen_halves(halves: np.ndarray) -> np.ndarray:
    """Widen bfloat16, which NumPy lacks and which is held as uint16, to float32."""
    return (halves.astype(np.uint32) << 16).view(np.float32)
