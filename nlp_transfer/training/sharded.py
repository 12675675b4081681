"""Split a model over the processes (FSDP2). A sharded twin makes the steps of a phase; the whole model stays beside it.

Sharding cannot be undone in place, and saving, measuring and generating need an ordinary model.
"""

import copy
import os
from collections.abc import Collection, Iterator

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from nlp_transfer.errors import ConfigError
from nlp_transfer.models.sharing import SharedModel
from nlp_transfer.models.surgery.aside import list_aside

REFUSED = {  # what `accelerate launch` tells its processes -> the way out
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed is not supported; use distributed_type: FSDP with fsdp_version: 2",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM is not supported; use distributed_type: FSDP with fsdp_version: 2",
    "FSDP_OFFLOAD_PARAMS": "fsdp_offload_params is not supported; set it to false",
    "FSDP_ACTIVATION_CHECKPOINTING": "fsdp_activation_checkpointing renames parameters; set it to false here, and "
    "training.gradient_checkpointing=true",
}


def check_launch() -> None:
    """Refuse ways of distributing that are not supported, before any process waits for another.

    Raises:
        ConfigError: saying what to use instead.
    """
    asked = {name for name, value in os.environ.items() if value.lower() == "true"}
    for name, way_out in REFUSED.items():
        if name in asked:
            raise ConfigError(f"accelerate: {way_out}")
    if "ACCELERATE_USE_FSDP" in asked and os.environ.get("FSDP_VERSION", "1") != "2":
        raise ConfigError("accelerate: FSDP version 1 is not supported; set fsdp_version: 2")


def shard(model: nn.Module, *, reshard_after_forward: bool) -> nn.Module:
    """Make a twin of the model in which each process holds a share of every parameter.

    Accelerate (1.15) could do it, but finds the units by the names of classes and of embeddings. It fails where layers
    were taken out for a replay, and where decoder and encoder have layers of different classes.

    Args:
        model: stays whole and as it is; only its buffers are copied.
        reshard_after_forward: gather a layer again for the backward pass, to save memory, instead of keeping it.
    """
    known: dict[int, object] = {id(one): nn.Parameter(one.detach(), one.requires_grad) for one in model.parameters()}
    twin = copy.deepcopy(model, known | {id(one): one for one in list_aside(model)})
    wholes = twin.members if isinstance(twin, SharedModel) else [twin]
    for layer in dict.fromkeys(layer for whole in wholes for layer in _list_layers(whole)):  # a shared one once
        fully_shard(layer, reshard_after_forward=reshard_after_forward)
    fully_shard(twin)
    return twin


def _list_layers(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the members with parameters of the outermost module lists."""
    for child in module.children():
        if isinstance(child, nn.ModuleList):
            yield from (layer for layer in child if any(True for _ in layer.parameters()))
        else:
            yield from _list_layers(child)


def make_room(twin: nn.Module, model: nn.Module) -> None:
    """Move the whole model off the device if there is a twin, which needs the memory."""
    if twin is not model:
        model.cpu()


def collect(twin: nn.Module, model: nn.Module, moving: Collection[str]) -> nn.Module:
    """Copy what training has changed in the twin into the whole model: the moving parameters and all buffers.

    Every process must call this. Without a twin there is nothing to copy.
    """
    if twin is not model:
        own = model.state_dict()
        resting = {name for name, _ in model.named_parameters(remove_duplicate=False)} - set(moving)
        with torch.no_grad():
            for name, value in twin.state_dict().items():
                if name not in resting:
                    own[name].copy_(gather(value))
    return model


def gather(tensor: Tensor) -> Tensor:
    """Gather a whole tensor. If it is spread over the processes, every process must call this."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def redistribute(tensor: Tensor, other: Tensor) -> Tensor:
    """Put a whole tensor where another one is; if that is spread over the processes and of one shape, spread it too."""
    tensor = tensor.to(other.device)
    if isinstance(other, DTensor) and tensor.shape == other.shape:
        return distribute_tensor(tensor, other.device_mesh, other.placements, src_data_rank=None)
    return tensor
