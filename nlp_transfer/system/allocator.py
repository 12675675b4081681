"""Freed memory stays with the process: batches of unequal lengths would hand it back and ask anew at every step."""

import ctypes
import functools
import sys

import torch

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # of <malloc.h>
NEVER = 2**31 - 1


@functools.cache
def keep_freed_memory() -> None:
    """Have glibc serve large tensors from its heap and never shrink that; does nothing elsewhere or beside a GPU.

    The first write to a page that comes fresh from the system costs more than most operations on it.
    """
    if not sys.platform.startswith("linux") or torch.accelerator.is_available():
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(MMAP_MAX, 0)
        mallopt(TRIM_THRESHOLD, NEVER)
