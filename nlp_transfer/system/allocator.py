"""Keep freed memory with the process: batches of unequal lengths would return it and ask for it again at each step."""

import ctypes
import functools
import sys

import torch

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # numbers of the options in glibc's <malloc.h>
NEVER = 2**31 - 1


@functools.cache
def keep_freed_memory() -> None:
    """Make glibc serve large tensors from its heap, and never shrink that heap.

    The first write to a page that comes fresh from the system costs more than most operations on it. With another C
    library (musl, macOS, Windows) or beside a GPU this does nothing.
    """
    if not sys.platform.startswith("linux") or torch.accelerator.is_available():
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has no such function
    if mallopt is not None:
        mallopt(MMAP_MAX, 0)
        mallopt(TRIM_THRESHOLD, NEVER)
