"""Compare the shapes that a configuration promises with those in the weight files, before memory is allocated."""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch.overrides import TorchFunctionMode
from transformers import PretrainedConfig, PreTrainedModel
from transformers.utils.hub import cached_file

from nlp_transfer.errors import SourceError

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
DEEP = 1000  # layers; more would take long to build even without memory for their weights


def refuse_misshapen(
    files: Iterable[str],
    build: Callable[[PretrainedConfig], PreTrainedModel],
    config: PretrainedConfig,
    what: str,
    *,
    head: bool = False,
    inside: str = "",
) -> None:
    """Refuse weights whose shape differs from the model's.

    Args:
        files: the weight files.
        build: makes the model of a configuration.
        config: the configuration.
        what: the name of what is loaded, for the message.
        head: check the head too; otherwise only the encoder below it.
        inside: the beginning of the stored names, if the model was saved as a part of a larger one.

    Raises:
        SourceError: the message names the first such tensor and both shapes; or there are more layers than weights.
    """
    stored = {name: shape for file in files for name, shape in _read_shapes(file).items()}
    layers = max(_find_layers(config.to_dict()), default=0)
    if layers > max(DEEP, len(stored)):
        raise SourceError(f"{what}: config.json says {layers} layers, its weights are {len(stored)} tensors")

    model = build_empty(build, config)
    prefix = f"{model.base_model_prefix}."

    for name, tensor in (model if head else model.base_model).named_parameters():
        found = stored.get(inside + name, stored.get(prefix + name))
        if found is not None and found != list(tensor.shape):
            raise SourceError(
                f"{what}: weights of another shape than config.json says: {name} is {found}, not {list(tensor.shape)}"
            )


def build_empty(build: Callable[[PretrainedConfig], PreTrainedModel], config: PretrainedConfig) -> PreTrainedModel:
    """Build a model that has shapes but neither memory nor values."""
    with torch.device("meta"), _NoDrawing():
        return build(config)


class _NoDrawing(TorchFunctionMode):
    """Leave out what draws the first values of weights, in this thread: it would take most of the time."""

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        given = kwargs or {}
        if getattr(func, "__module__", "") == torch.nn.init.__name__:
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def find_weight_files(place: str, *, revision: str | None = None, local_files_only: bool = True) -> list[str]:
    """Find the weight files of a folder or Hub id, fetched if needed; empty if that fails: loading will say why."""
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


def _find_layers(values: Mapping[str, Any]) -> Iterator[int]:
    """Yield every number of layers in a configuration and its parts, such as `num_hidden_layers` or `n_layer`."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _find_layers(value)
        elif isinstance(value, int) and key.endswith(("layers", "layer")):
            yield value


def _read_shapes(path: str) -> dict[str, list[int]]:
    with safe_open(path, "pt") as file:  # reads the header only
        return {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 - the file is no mapping
