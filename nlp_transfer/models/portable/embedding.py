"""Make one embedding of a text as a sentence-transformers model does; a copy of this file travels with saved models."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

ACTIVATIONS = {
    "Identity": nn.Identity,
    "Tanh": nn.Tanh,
    "ReLU": nn.ReLU,
    "GELU": nn.GELU,
    "SiLU": nn.SiLU,
    "Sigmoid": nn.Sigmoid,
}
MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")  # as sentence-transformers has them


def pool_tokens(states: Tensor, mask: Tensor, mode: str, skip: int = 0) -> Tensor:
    """Pool token states (B, T, H) under a mask (B, T) to (B, H).

    Args:
        states: of the last layer, padded at the end.
        mask: ones where there is a token.
        mode: one of `MODES`; `weightedmean` counts the n-th token n times (Muennighoff 2022, SGPT, equation 4).
        skip: leave out so many tokens at the start, which are a prompt.
    """
    ends = mask.sum(1) - 1
    places = torch.arange(mask.shape[1], device=mask.device)
    kept = mask * (places >= skip)
    rows = torch.arange(mask.shape[0], device=mask.device)
    words = kept[..., None].to(states.dtype)

    match mode:
        case "cls":
            return states[rows, ends.clamp(min=0, max=skip)]
        case "lasttoken":
            return states[rows, ends.clamp(min=0)]
        case "max":
            return states.masked_fill(words == 0, torch.finfo(states.dtype).min).amax(1)
        case "weightedmean":
            words = words * (places + 1)[:, None]
            return (states * words).sum(1) / words.sum(1).clamp(min=1e-9)
        case "mean_sqrt_len_tokens":
            return (states * words).sum(1) / words.sum(1).clamp(min=1e-9).sqrt()
    return (states * words).sum(1) / words.sum(1).clamp(min=1e-9)


class Dense(nn.Module):
    """A linear layer that is not trained, and an activation."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, inputs: int, outputs: int, activation: str, *, bias: bool) -> None:
        """Draw weights, which the stored ones replace."""
        super().__init__()
        self.register_buffer("weight", torch.randn(outputs, inputs) * inputs**-0.5)
        self.register_buffer("bias", torch.zeros(outputs) if bias else None)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, embeddings: Tensor) -> Tensor:
        """Map embeddings (B, inputs) to (B, outputs)."""
        mapped: Tensor = self.activation(nn.functional.linear(embeddings, self.weight, self.bias))
        return mapped


class Normalize(nn.Module):
    """Bring embeddings to length one."""

    def forward(self, embeddings: Tensor) -> Tensor:
        """Divide embeddings (B, F) by their lengths."""
        return nn.functional.normalize(embeddings, dim=-1)


class SentenceEmbedding(nn.Module):
    """Pool the states of a text, and pass the result through layers that stay as they are."""

    def __init__(self, values: Mapping[str, Any], width: int) -> None:
        """Build the layers.

        Args:
            values: `pooling`, names of `MODES` whose results stand side by side; `skip`, see `pool_tokens`; `steps`, of
                which each has a `name`: `normalize`, or `dense` with `inputs`, `outputs`, `activation` and `bias`.
            width: of the states.
        """
        super().__init__()
        self.pooling = list(values["pooling"])
        self.skip = int(values.get("skip", 0))
        self.size = width * len(self.pooling)
        self.steps = nn.ModuleList()
        for step in values["steps"]:
            if step["name"] == "normalize":
                self.steps.append(Normalize())
                continue
            self.steps.append(Dense(step["inputs"], step["outputs"], step["activation"], bias=step["bias"]))
            self.size = step["outputs"]

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """Make embeddings (B, F) of states (B, T, H) under a mask (B, T)."""
        embeddings = torch.cat([pool_tokens(states, mask, mode, self.skip) for mode in self.pooling], dim=1)
        for step in self.steps:
            embeddings = step(embeddings)
        return embeddings
