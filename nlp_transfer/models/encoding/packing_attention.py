"""Let each of the tokens that stand end to end attend within its text only.

transformers looks the attention of an encoder up by its name, and hands on keyword arguments:
https://huggingface.co/docs/transformers/attention_interface
"""

import importlib.util
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from nlp_transfer.models.dropout import drop
from nlp_transfer.models.encoding.packing import Packing

ATTENTION = "packed"  # the name of `attend` among the attention functions of transformers
LEAST_VARLEN = (8, 0)  # CUDA capability from which on there is FlashAttention


class Tokens(NamedTuple):
    """The queries of packed tokens (N, heads, D); their keys and values, of as many heads or fewer."""

    query: Tensor
    key: Tensor
    value: Tensor

    @property
    def share_keys(self) -> bool:
        """Tell whether several heads of queries have the same keys (Ainslie et al. 2023, GQA)."""
        return self.key.shape[1] < self.query.shape[1]


@dataclass(frozen=True)
class Rule:
    """Say how tokens attend to each other.

    Attributes:
        packing: where each text begins; no token sees beyond its text.
        dropout: of the attention probabilities.
        scale: of the scores; None for one over the root of D.
        window: a token sees those that are less than so many places away; None for all.
    """

    packing: Packing
    dropout: float = 0.0
    scale: float | None = None
    window: int | None = None

    def make_band(self, width: int, device: torch.device) -> Tensor | None:
        """Make a mask (width, width), true where two places see each other; None if all do."""
        if self.window is None or width <= self.window:
            return None
        places = torch.arange(width, device=device)
        return (places[:, None] - places).abs() < self.window


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001 - the packing stands in for it
    *,
    packing: Packing,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend within each text: queries (1, heads, N, D), keys and values of as many or fewer heads -> (1, N, heads, D).

    It has the interface that transformers wants, and ignores what other ways to attend are given.

    Raises:
        ValueError: a token should see only those before it, which no encoder wants.
    """
    if getattr(module, "is_causal", False):
        raise ValueError("packed texts are read in both directions")

    tokens = Tokens(*(one[0].transpose(0, 1) for one in (query, key, value)))
    rule = Rule(packing, dropout, scaling, sliding_window)
    if not dropout and _has_varlen(query, _list_wishes(tokens, rule)):
        return attend_varlen(tokens, rule)[None], None
    return (attend_padded if query.is_cuda else attend_runs)(tokens, rule)[None], None


def _has_varlen(query: Tensor, wishes: Mapping[str, Any]) -> bool:
    """Tell whether FlashAttention for texts of unequal lengths can be had: half precision, a GPU for it, torch 2.10.

    Later versions of torch know more of what may be wished for.
    """
    half = query.dtype in (torch.float16, torch.bfloat16)
    if not (query.is_cuda and half and torch.cuda.get_device_capability(query.device) >= LEAST_VARLEN):
        return False
    if importlib.util.find_spec("torch.nn.attention.varlen") is None:
        return False
    from torch.nn.attention.varlen import varlen_attn

    return wishes.keys() <= inspect.signature(varlen_attn).parameters.keys()


def _list_wishes(tokens: Tokens, rule: Rule) -> dict[str, Any]:
    """List the settings of `varlen_attn` that are not its own."""
    wishes: dict[str, Any] = {}
    if rule.scale is not None:
        wishes["scale"] = rule.scale
    if rule.window is not None:
        wishes["window_size"] = (rule.window - 1, rule.window - 1)
    if tokens.share_keys:
        wishes["enable_gqa"] = True
    return wishes


def attend_varlen(tokens: Tokens, rule: Rule) -> Tensor:
    """Attend by one kernel for a GPU that knows where texts begin, but has no dropout: (N, heads, D)."""
    from torch.nn.attention.varlen import varlen_attn  # torch < 2.10 has none

    ends, longest = rule.packing.ends, max(rule.packing.lengths)
    found: Any = varlen_attn(*tokens, ends, ends, longest, longest, **_list_wishes(tokens, rule))
    return cast("Tensor", found)


def attend_padded(tokens: Tokens, rule: Rule) -> Tensor:
    """Pad for the attention alone, whose kernels on a GPU cost little more for it: (N, heads, D)."""
    packing = rule.packing
    query, key, value = (packing.unpack(one[None]).transpose(1, 2) for one in tokens)
    mask = packing.unpack(torch.ones_like(packing.places)[None])[:, None, None] != 0
    band = rule.make_band(packing.width, mask.device)
    attended = nn.functional.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask if band is None else mask & band,
        dropout_p=rule.dropout,
        scale=rule.scale,
        enable_gqa=tokens.share_keys,
    )
    return packing.pack(attended.transpose(1, 2))[0]


def attend_runs(tokens: Tokens, rule: Rule) -> Tensor:
    """Attend in neighbours of one length together, which needs no mask: (N, heads, D).

    Batches are sorted by length, so there are few such runs.
    """
    runs = rule.packing.runs
    sizes = [length * count for length, count in runs]
    parts = []
    for (length, _), *rows in zip(runs, *(one.split(sizes) for one in tokens), strict=True):
        texts = [one.unflatten(0, (-1, max(1, length))).transpose(1, 2) for one in rows]
        attended = _attend_texts(*texts, rule=rule)
        parts.append(attended.transpose(1, 2).flatten(0, 1))
    return torch.cat(parts)


def _attend_texts(query: Tensor, key: Tensor, value: Tensor, *, rule: Rule) -> Tensor:
    """Attend in texts of one length: (texts, heads, T, D)."""
    band = rule.make_band(query.shape[2], query.device)
    many = query.shape[1] // key.shape[1]
    if not rule.dropout:
        return nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=band, scale=rule.scale, enable_gqa=many > 1
        )

    # What PyTorch would do on a CPU, but with cheaper dropout.
    key, value = (one.repeat_interleave(many, dim=1) if many > 1 else one for one in (key, value))
    scores = (query * (query.shape[-1] ** -0.5 if rule.scale is None else rule.scale)) @ key.transpose(-2, -1)
    if band is not None:
        scores = scores.masked_fill(~band, -torch.inf)
    return drop(scores.softmax(-1), rule.dropout) @ value
