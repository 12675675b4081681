"""Let attention be traced as few operators that ONNX has, which leave the sizes of a batch free."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_attend_as_torch = functional.scaled_dot_product_attention


@contextmanager
def trace_plainly(model: nn.Module) -> Iterator[None]:
    """Let torch's attention, and its module of attention, compute by plain operators."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    attentions = [one for one in model.modules() if isinstance(one, nn.MultiheadAttention)]
    hooks = [one.register_forward_pre_hook(_part, with_kwargs=True) for one in attentions]
    functional.scaled_dot_product_attention = _attend
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = _attend_as_torch
        torch.backends.mha.set_fastpath_enabled(fast)
        for hook in hooks:
            hook.remove()


def _part(_: nn.Module, given: tuple[Any, ...], settings: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Part queries, keys and values: if they are one tensor, the exporter fixes the number of tokens in a reshape."""
    query, key, value, *rest = given
    return (query, key.view_as(key), value.view_as(value), *rest), settings


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Attend as torch does, (B, heads, T, D).

    What the mask hides gets the least number there is, where torch's exporter writes minus infinity: a token that sees
    nothing would get NaN by that, so that every layer compares and replaces all its scores, a twentieth of the time of
    a graph in int8. What such a token gets here is a mean, and nobody reads it.
    """
    if is_causal or enable_gqa:
        return _attend_as_torch(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)
    scores = query @ key.transpose(-1, -2) * (scale or int(query.shape[-1]) ** -0.5)
    if attn_mask is not None:
        scores = scores + _weigh(attn_mask, torch.finfo(scores.dtype).min)
    return scores.softmax(-1) @ value


def _weigh(mask: Tensor, least: float) -> Tensor:
    """Make a mask that is added: 0 where one of truth values holds, else the least number."""
    return torch.where(mask, torch.zeros(()), torch.full((), least)) if mask.dtype == torch.bool else mask
