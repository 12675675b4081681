"""Fit the models of scikit-learn on one thread, whatever the number of cores.

Their steps are small: a product with a sparse matrix, or of two vectors. Several threads would only wait for each
other, and longer the more cores there are.
"""

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def use_one_thread() -> Iterator[None]:
    """Limit the threads of BLAS and OpenMP to one for a body."""
    # A limit reaches only the libraries that are loaded by then: those that scikit-learn brings come first.
    import sklearn.linear_model  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield
