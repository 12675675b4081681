"""Let an encoder give its last output again when it is asked the same: several heads read the states of one pass."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from nlp_transfer.models.encoding.packing import Packing


@contextlib.contextmanager
def remember_last(encoder: nn.Module) -> Iterator[None]:
    """Remember the last output of an encoder while the body runs; no parameter may change meanwhile."""
    plain: Any = encoder.forward
    last: tuple[Any, Any] | None = None

    @functools.wraps(plain)
    def forward(*args: Any, **keywords: Any) -> Any:
        nonlocal last
        asked, known = (*args, keywords), last  # another thread may ask meanwhile
        if known is None or not _is_same(known[0], asked):
            known = last = (asked, plain(*args, **keywords))
        return known[1]

    encoder.forward = forward
    try:
        yield
    finally:
        del encoder.forward


def _is_same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    match one:
        case Tensor():
            return one.shape == other.shape and bool((one == other).all())
        case Packing():
            return _is_same(one.places, other.places) and (one.lengths, one.width) == (other.lengths, other.width)
        case dict():
            return one.keys() == other.keys() and all(_is_same(value, other[key]) for key, value in one.items())
        case tuple():
            return len(one) == len(other) and all(map(_is_same, one, other))
        case _:
            return bool(one == other)
