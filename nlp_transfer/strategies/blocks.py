"""The depth order of an encoder's parameters: embeddings, then each layer, then what stands on top."""

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
    """The module list with one entry per hidden layer; None where layers are shared (ALBERT) or absent."""
    count = getattr(encoder.config, "num_hidden_layers", None)
    for path, module in encoder.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == count and "contextualizer" not in path:
            return Layers(path, module)
    return None


def blocks(model: PreTrainedModel) -> list[list[str]]:
    """Parameter names from the bottom up: [embeddings, layer 1, ..., layer n, head].

    What every layer uses (relative positions) counts with the embeddings, so it freezes first and thaws last. The
    n-gram table of fastText is in no block: it has millions of rows, and words that training never meets need them as
    they were learnt together.
    """
    encoder = model.base_model
    prefix = "" if encoder is model else next(f"{n}." for n, m in model.named_modules() if m is encoder)
    layers = find_layers(encoder)
    count = len(layers.modules) if layers else 1
    found: list[list[str]] = [[] for _ in range(count + 2)]
    for name, _ in model.named_parameters():
        if ".ngrams." in f".{name}":
            continue
        found[_depth(name, prefix, layers, count)].append(name)
    return [names for names in found if names]


def _depth(name: str, prefix: str, layers: Layers | None, count: int) -> int:
    inner = name.removeprefix(prefix)
    if not name.startswith(prefix) or any(part in inner for part in ON_TOP):
        return count + 1
    if layers is None:
        return 0 if "embedding" in inner.split(".")[0] else 1
    if inner.startswith(f"{layers.path}."):
        return int(inner.removeprefix(f"{layers.path}.").split(".")[0]) + 1
    return 0
