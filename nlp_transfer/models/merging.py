"""Merge models of one architecture by their weights: their mean, or a point on the way from their start to it.

The mean is a uniform soup (Wortsman et al. 2022, Model soups: averaging weights of multiple fine-tuned models improves
accuracy without increasing inference time), the way WiSE-FT (Wortsman et al. 2022, Robust fine-tuning of zero-shot
models).
"""

from collections.abc import Collection, Iterator

import torch
from torch import Tensor
from transformers import PreTrainedModel

from nlp_transfer.errors import SourceError


def find_misfit(one: PreTrainedModel, other: PreTrainedModel) -> str | None:
    """Find the first tensor that keeps two models from having a mean, and say why; None if they have one."""
    shapes, others = ({name: tuple(tensor.shape) for name, tensor in _list_tensors(model)} for model in (one, other))
    for name in dict.fromkeys([*shapes, *others]):
        here, there = shapes.get(name, "none"), others.get(name, "none")
        if here != there:
            return f"{name}: {there}, not {here}"
    whole = dict(_list_tensors(other))
    odd = (name for name, own in _list_tensors(one) if not own.is_floating_point() and not own.equal(whole[name]))
    return next((f"{name}: other whole numbers, which have no mean" for name in odd), None)


@torch.no_grad()
def add_to_mean(mean: PreTrainedModel, other: PreTrainedModel, count: int) -> None:
    """Turn the mean of `count - 1` models into that of `count`; tensors that are equal in all stay as they are."""
    added = dict(_list_tensors(other))
    for name, tensor in _list_tensors(mean):
        if tensor.is_floating_point():
            tensor.lerp_(added[name].to(tensor), 1 / count)


@torch.no_grad()
def move_towards_start(mean: PreTrainedModel, start: PreTrainedModel, share: float, new: Collection[str]) -> None:
    """Replace each parameter by start + share x (mean - start); those in `new` have no start, and stay.

    Raises:
        SourceError: the start lacks a parameter, or has it in another shape.
    """
    begun = dict(start.named_parameters())
    for name, parameter in mean.named_parameters():
        if name not in new:
            if name not in begun or begun[name].shape != parameter.shape:
                found = list(begun[name].shape) if name in begun else "missing"
                raise SourceError(
                    f"share: the source has changed since: {name} is {found}, not {list(parameter.shape)}; bring it "
                    "back, or leave the share out"
                )
            parameter.copy_(begun[name].to(parameter).lerp(parameter, share))


def _list_tensors(model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """Yield every parameter and buffer by name; a tensor that several modules share once."""
    yield from model.named_parameters()
    yield from model.named_buffers()
