"""Import a library without others that it would load only because they are installed."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any


@contextlib.contextmanager
def hide_packages(*names: str) -> Iterator[None]:
    """Let packages look as if they were not installed, while the body imports another; what is loaded stays visible.

    A library that asks for them remembers that they are not there, so this is for a process of our own.
    """
    modules: dict[str, Any] = sys.modules
    hidden = [name for name in names if name not in modules]
    modules.update(dict.fromkeys(hidden))  # None is Python's own word for a module that cannot be imported
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]
