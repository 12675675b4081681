"""The depth order of an encoder's parameters: embeddings, then each layer, then what stands on top."""

from collections.abc import Collection
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel

ON_TOP = ("pooler", "final_norm")


@dataclass(frozen=True)
class Layers:
    """The stack of layers inside an encoder: where it is and how many."""

    path: str
    modules: nn.ModuleList


def find_layers(encoder: nn.Module) -> Layers | None:
    """Find the module list with one entry per hidden layer; None where layers are shared (ALBERT) or absent."""
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
    """The encoder inside a model: the module, and what its parameters' names begin with."""

    module: PreTrainedModel
    prefix: str


def find_encoder(model: PreTrainedModel) -> Encoder:
    """Find the encoder under a head or beside a decoder; the model itself if it is one."""
    module = model.get_encoder() if model.config.is_encoder_decoder else model.base_model
    assert isinstance(module, PreTrainedModel)  # noqa: S101 - of every transformers model
    prefix = "" if module is model else next(f"{name}." for name, one in model.named_modules() if one is module)
    return Encoder(module, prefix)


def find_words(encoder: PreTrainedModel) -> nn.Module | None:
    """Find the table in which an encoder looks up its tokens; None if it has none, as CANINE, which hashes them."""
    try:
        words: nn.Module = encoder.get_input_embeddings()
    except NotImplementedError:
        return None
    return words


def list_outside_encoder(model: PreTrainedModel) -> list[str]:
    """Name the parameters that the encoder does not hold; embeddings that it shares with a decoder are its own."""
    held = {id(parameter) for parameter in find_encoder(model).module.parameters()}
    return [name for name, parameter in model.named_parameters() if id(parameter) not in held]


def blocks(model: PreTrainedModel, unread: Collection[str] = ()) -> list[list[str]]:
    """List parameter names from the bottom up: [embeddings, layer 1, ..., layer n, head or decoder].

    What every layer uses (relative positions), or the decoder too, counts with the embeddings, so it freezes first and
    thaws last. In no block are: the n-gram table of fastText, which has millions of rows, and words that training never
    meets need them as they were learnt together; the pooler beside a decoder, which nothing reads; sinusoidal
    positions, which Marian and Pegasus keep as parameters that no gradient reaches; and what is `unread`.
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
        on_top = name in outside or any(part in inner for part in ON_TOP)
        found[count + 1 if on_top else _measure_depth(inner, layers)].append(name)
    return [names for names in found if names]


def _measure_depth(inner: str, layers: Layers | None) -> int:
    if layers is None:
        return 0 if "embedding" in inner.partition(".")[0] else 1
    if inner.startswith(f"{layers.path}."):
        return int(inner.removeprefix(f"{layers.path}.").split(".")[0]) + 1
    return 0


def count_positions(model: nn.Module) -> int:
    """Count the tokens that an encoder or decoder has learned positions for; RoBERTa and BART skip some."""
    tables = [
        module.num_embeddings
        - (0 if module.padding_idx is None else module.padding_idx + 1)
        - getattr(module, "offset", 0)
        for name, module in model.named_modules()
        if name.endswith(("position_embeddings", "embed_positions", "wpe")) and isinstance(module, nn.Embedding)
    ]
    return min(tables, default=2**31)
