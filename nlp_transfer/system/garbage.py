"""Make many objects without the garbage collector, which would look through all of them again and again."""

import contextlib
import gc
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def pause_collector() -> Iterator[None]:
    """Switch the collector off for a body that makes millions of objects and no cycles; it would double the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@contextlib.contextmanager
def keep_imports() -> Iterator[None]:
    """Import for good in a process of our own: the collector rests meanwhile, and never looks at what is there by then.

    torch and transformers make half a million objects that stay. To look through all of them takes a third of a second,
    and it would happen while they are made, soon after, and three times at the end of the process.
    """
    before = len(sys.modules)
    with pause_collector():
        yield
        if len(sys.modules) > before:  # else all of it was there
            gc.freeze()
