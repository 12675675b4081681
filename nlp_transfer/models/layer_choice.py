"""Which of an encoder's layers the head on it reads."""

from collections.abc import Sequence
from typing import Any, Literal

from transformers import PreTrainedModel

from nlp_transfer.errors import ConfigError
from nlp_transfer.models.source import Source

Layers = Literal["auto", "last", "last_four", "mix"] | Sequence[int]


def reading(source: Source, encoder: PreTrainedModel, layers: Layers, *, frozen: bool, key: str) -> dict[str, Any]:
    """Make the settings of a `HeadedConfig` that say so.

    Args:
        source: any.
        encoder: the source's.
        layers: `last`; `last_four`, their mean (Devlin et al. 2019, BERT, table 7); `mix`, a learned mean of all
            (Peters et al. 2018, Deep contextualized word representations, equation 1); or indices of hidden states
            (0: embeddings, -1: last), side by side. `auto` is last_four of a frozen checkpoint, else last.
        frozen: whether the encoder stays as it is.
        key: of the configuration, for errors.

    Raises:
        ConfigError: a layer that the encoder lacks, or none at the top of one that is to be trained.
    """
    if layers == "auto":
        layers = "last_four" if frozen and source.has_layers else "last"
    if layers == "last":
        return {"reads": [-1]}
    if not source.has_layers:
        raise ConfigError(f"{key}: this source has no layers to choose from; leave it out")
    depth = getattr(encoder.config, "num_hidden_layers", 1)
    if layers == "last_four":
        return {"reads": list(range(-min(4, depth), 0)), "combine": "mean"}

    if layers == "mix":
        return {"reads": list(range(depth + 1)), "combine": "mix"}
    if wrong := [layer for layer in layers if not -depth - 1 <= int(layer) <= depth]:
        raise ConfigError(f"{key}: {wrong[0]} is not one of {source.name}'s hidden states, {-depth - 1} to {depth}")
    if not frozen and not {-1, depth} & set(layers):
        raise ConfigError(
            f"{key}: {list(layers)} leaves the layers above it without a gradient; add -1, or use strategy.kind: frozen"
        )
    return {"reads": list(layers)}
