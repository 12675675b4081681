"""Choose the layers of an encoder that a head reads."""

from collections.abc import Sequence
from typing import Any, Literal

from transformers import PreTrainedModel

from nlp_transfer.errors import ConfigError
from nlp_transfer.models.source import Source

Layers = Literal["auto", "last", "last_four", "mix"] | Sequence[int]


def choose_layers(
    source: Source, encoder: PreTrainedModel, layers: Layers, *, frozen: bool, key: str
) -> dict[str, Any]:
    """Choose the layers that a head reads, as settings of a `HeadedConfig`.

    Args:
        source: the pretrained part.
        encoder: of the source.
        layers: `last`; `last_four` for their mean (Devlin et al. 2019, BERT, table 7); `mix` for a learned mean of all
            (Peters et al. 2018, Deep contextualized word representations, equation 1); or indices of hidden states
            (0: embeddings, -1: last), which are concatenated. `auto` is last_four for a frozen checkpoint, else last.
        frozen: whether the encoder stays as it is.
        key: the key of the configuration, for errors.

    Raises:
        ConfigError: the encoder lacks a layer, or is to be trained and the last layer is not among those read.
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
