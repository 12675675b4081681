"""What a configuration promises, held against what the weights files say of themselves, before memory is asked for."""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
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
    files: Iterable[str],
    build: Callable[[PretrainedConfig], PreTrainedModel],
    config: PretrainedConfig,
    what: str,
    *,
    head: bool = False,
    inside: str = "",
) -> None:
    """Refuse weights whose shape is not that of the model.

    Args:
        files: of weights.
        build: makes the model of a configuration.
        config: what is promised.
        what: is loaded, for the message.
        head: whether its weights have to fit too; else only those of the encoder below it.
        inside: what the stored names begin with, where the model is a part of what is stored.

    Raises:
        SourceError: naming the first such tensor and both shapes, or more layers than there are weights.
    """
    stored = {name: shape for file in files for name, shape in _shapes(file).items()}
    layers = max(_layers(config.to_dict()), default=0)
    if layers > max(DEEP, len(stored)):
        raise SourceError(f"{what}: config.json says {layers} layers, its weights are {len(stored)} tensors")
    with torch.device("meta"):
        model = build(config)
    prefix = f"{model.base_model_prefix}."
    for name, tensor in (model if head else model.base_model).named_parameters():
        found = stored.get(inside + name, stored.get(prefix + name))
        if found is not None and found != list(tensor.shape):
            raise SourceError(
                f"{what}: weights of another shape than config.json says: {name} is {found}, not {list(tensor.shape)}"
            )


def weight_files(place: str, *, revision: str | None = None, local_files_only: bool = True) -> list[str]:
    """The weights of a folder or Hub id, fetched where need be; none where that fails, which loading will explain."""
    find = functools.partial(cached_file, place, revision=revision, local_files_only=local_files_only)
    try:
        return [str(find(WEIGHTS))]
    except OSError:
        pass
    try:
        index = json.loads(Path(str(find(INDEX))).read_text(encoding="utf-8"))
        return [str(find(name)) for name in sorted(set(index["weight_map"].values()))]
    except (OSError, ValueError, KeyError):
        return []


def _layers(values: Mapping[str, Any]) -> Iterator[int]:
    """Every number of layers of a configuration and its parts: `num_hidden_layers`, `encoder_layers`, `n_layer` ..."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _layers(value)
        elif isinstance(value, int) and key.endswith(("layers", "layer")):
            yield value


def _shapes(path: str) -> dict[str, list[int]]:
    with safe_open(path, "pt") as file:  # reads the header only
        return {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 - no mapping
