"""Fit the models of scikit-learn on one thread, whatever the number of cores.

Their steps are small: a product with a sparse matrix, or of two vectors. Several threads would only wait for each
other, and longer the more cores there are.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


@contextlib.contextmanager
def use_one_thread() -> Iterator[None]:
    """Limit the threads of BLAS and OpenMP to one for a body."""
    with _find_libraries().limit(limits=1):
        yield


@functools.cache  # it looks through all libraries of the process, which takes longer than a small fit
def _find_libraries() -> "ThreadpoolController":
    # A limit reaches only the libraries that are loaded by then: those that scikit-learn brings come first.
    import sklearn.linear_model  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
