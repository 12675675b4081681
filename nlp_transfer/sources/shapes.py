"""What a configuration promises, held against what the weights files say of themselves, before memory is asked for."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from transformers import PretrainedConfig, PreTrainedModel
from transformers.utils.hub import cached_file

from nlp_transfer.errors import SourceError

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
DEEP = 1000  # layers: with more even a model without memory takes long to build


def refuse_misshapen(
    place: str, build: Callable[[PretrainedConfig], PreTrainedModel], config: PretrainedConfig, what: str, **hub: Any
) -> None:
    """Refuse weights, but those of a head, whose shape is not that of the model.

    Args:
        place: folder or Hub id.
        build: makes the model of a configuration.
        config: what is promised.
        what: is loaded, for the message.
        hub: the revision, and whether the cache must do.

    Raises:
        SourceError: naming the first such tensor and both shapes, or more layers than there are weights.
    """
    stored = {name: shape for path in _files(place, **hub) for name, shape in _shapes(path).items()}
    layers = max(map(int, re.findall(r'layers": (\d+)', config.to_json_string())), default=0)  # also of its parts
    if layers > max(DEEP, len(stored)):
        raise SourceError(f"{what}: config.json says {layers} layers, its weights are {len(stored)} tensors")
    with torch.device("meta"):
        model = build(config)
    prefix = f"{model.base_model_prefix}."
    for name, tensor in model.base_model.named_parameters():
        found = stored.get(name, stored.get(prefix + name))
        if found is not None and found != list(tensor.shape):
            raise SourceError(
                f"{what}: weights of another shape than config.json says: {name} is {found}, not {list(tensor.shape)}"
            )


def _files(place: str, **hub: Any) -> list[str]:
    """The weights files, fetched where need be; none where that fails, which loading will explain."""
    try:
        return [str(cached_file(place, WEIGHTS, **hub))]
    except OSError:
        pass
    try:
        index = json.loads(Path(str(cached_file(place, INDEX, **hub))).read_text(encoding="utf-8"))
        return [str(cached_file(place, name, **hub)) for name in sorted(set(index["weight_map"].values()))]
    except (OSError, ValueError, KeyError):
        return []


def _shapes(path: str) -> dict[str, list[int]]:
    with safe_open(path, "pt") as file:  # reads the header only
        return {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 - no mapping
