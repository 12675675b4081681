"""Find the parts of a model: its encoder, the layers of that, and their parameters in order of depth."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from transformers import PreTrainedModel

ENDLESS = 2**31  # positions of a model that has none to learn
ABOVE = ("pooler", "final_norm", "norm.")  # how names of an encoder's parts begin that come after its layers


@dataclass(frozen=True)
class Layers:
    """The stack of layers inside an encoder: its path and the layers."""

    path: str
    modules: nn.ModuleList


def find_layers(encoder: nn.Module) -> Layers | None:
    """Find the module list of the hidden layers; None if layers are shared (ALBERT) or there are none."""
    count = getattr(encoder.config, "num_hidden_layers", None)
    for path, module in encoder.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == count and "contextualizer" not in path:
            return Layers(path, module)
    return None


def unwrap(model: nn.Module) -> PreTrainedModel:
    """Find the transformers model inside the wrappers of peft; without wrappers, the model itself."""
    return next(one for one in model.modules() if isinstance(one, PreTrainedModel))


@dataclass(frozen=True)
class Encoder:
    """The encoder inside a model: the module, and the prefix of its parameters' names."""

    module: PreTrainedModel
    prefix: str


def find_encoder(model: PreTrainedModel) -> Encoder:
    """Find the encoder under a head or beside a decoder; return the model itself if it has neither."""
    module = model.get_encoder() if model.config.is_encoder_decoder else model.base_model
    assert isinstance(module, PreTrainedModel)  # noqa: S101 - of every transformers model
    prefix = "" if module is model else next(f"{name}." for name, one in model.named_modules() if one is module)
    return Encoder(module, prefix)


def find_words(encoder: PreTrainedModel) -> nn.Module | None:
    """Find the table of token embeddings of an encoder; None if it has none, such as CANINE."""
    try:
        words: nn.Module = encoder.get_input_embeddings()
    except NotImplementedError:
        return None
    return words


def list_outside_encoder(model: PreTrainedModel) -> list[str]:
    """List the parameters outside the encoder. Embeddings that it shares with a decoder count as inside."""
    held = {id(parameter) for parameter in find_encoder(model).module.parameters()}
    return [name for name, parameter in model.named_parameters() if id(parameter) not in held]


def find_output_layer(model: PreTrainedModel, outputs: int) -> tuple[str, nn.Linear] | None:
    """Find the last linear layer of a head with so many outputs, with its path; None if there is none."""
    outside = set(list_outside_encoder(model))
    found = [
        (path, module)
        for path, module in model.named_modules()
        if isinstance(module, nn.Linear) and module.out_features == outputs and f"{path}.weight" in outside
    ]
    return found[-1] if found else None


@torch.no_grad()
def change_outputs(layer: nn.Linear, divisor: float, shift: Sequence[float] = ()) -> None:
    """Lower the outputs of a linear layer, each by its own `shift`, and divide all by a number, as part of its weights.

    A layer without a bias cannot be shifted, and is not.
    """
    if len(shift) and layer.bias is not None:
        layer.bias.sub_(torch.tensor(shift).to(layer.bias))
    for parameter in layer.parameters():
        parameter.div_(divisor)


def list_blocks(model: PreTrainedModel, unread: Collection[str] = ()) -> list[list[str]]:
    """List parameter names from the bottom up: [embeddings, layer 1, ..., layer n, head or decoder].

    Parameters that every layer or also a decoder uses, such as relative positions, count with the embeddings: they are
    frozen first and unfrozen last.

    Some parameters are in no block, because they should never move:
    - the n-gram table of fastText: words that training never meets need its millions of rows as they are;
    - the pooler of an encoder beside a decoder, which nothing reads;
    - sinusoidal positions, which Marian and Pegasus keep as parameters that no gradient reaches;
    - all parameters in `unread`, see `find_unread`.
    """
    encoder = find_encoder(model)
    layers = find_layers(encoder.module)
    count = len(layers.modules) if layers else 1
    outside = set(list_outside_encoder(model))
    found: list[list[str]] = [[] for _ in range(count + 2)]

    fixed = {f"{path}.weight" for path, module in model.named_modules() if "Sinusoidal" in type(module).__name__}
    for name, _ in model.named_parameters():
        inner = name.removeprefix(encoder.prefix)
        pooler = model.config.is_encoder_decoder and inner.startswith("pooler.") and name not in outside
        if ".ngrams." in f".{name}" or pooler or name in fixed or name in unread:
            continue

        on_top = name in outside or inner.startswith(ABOVE)
        found[count + 1 if on_top else _measure_depth(inner, layers)].append(name)
    return [names for names in found if names]


def _measure_depth(inner: str, layers: Layers | None) -> int:
    """Return the number of the block of a parameter inside the encoder: 0 for embeddings, from 1 for layers."""
    if layers is None:
        return 0 if "embedding" in inner.partition(".")[0] else 1
    if inner.startswith(f"{layers.path}."):
        return int(inner.removeprefix(f"{layers.path}.").split(".")[0]) + 1
    return 0


def count_positions(model: nn.Module) -> int:
    """Count the tokens that a model has learned positions for. RoBERTa and BART skip some rows of their table.

    Rotary positions have no table: there it is the length that the configuration names, for which they were trained.
    """
    tables = [
        module.num_embeddings
        - (0 if module.padding_idx is None else module.padding_idx + 1)
        - getattr(module, "offset", 0)
        for name, module in model.named_modules()
        if name.endswith(("position_embeddings", "embed_positions", "wpe")) and isinstance(module, nn.Embedding)
    ]
    config = getattr(model, "config", None)
    if not tables and getattr(config, "rope_parameters", None):
        return int(getattr(config, "max_position_embeddings", ENDLESS))
    return min(tables, default=ENDLESS)
