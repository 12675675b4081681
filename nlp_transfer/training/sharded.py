"""A model split over the processes (FSDP2): a sharded twin takes the steps of a phase, the whole model stays beside it.

Sharding cannot be undone in place, and what saves, measures or generates wants an ordinary model.
"""

import copy
import os
from collections.abc import Collection, Iterator

import torch
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from nlp_transfer.errors import ConfigError
from nlp_transfer.models.surgery.aside import list_aside

REFUSED = {  # what `accelerate launch` tells its processes -> the way out
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed is not supported; use distributed_type: FSDP with fsdp_version: 2",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM is not supported; use distributed_type: FSDP with fsdp_version: 2",
    "FSDP_OFFLOAD_PARAMS": "fsdp_offload_params is not supported; set it to false",
    "FSDP_ACTIVATION_CHECKPOINTING": "fsdp_activation_checkpointing renames parameters; set it to false here, and "
    "training.gradient_checkpointing=true",
}


def check_launch() -> None:
    """Refuse ways of distributing that the training does not know, before any process waits for another.

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
    """Make a twin of the model, of whose every parameter each process holds a share.

    Accelerate (1.15) finds units by the names of classes and of embeddings, and stops at layers that a replay has taken
    out and at a decoder with layers of another class than its encoder's. All uses of a parameter lie in one unit here.

    Args:
        model: whole; nothing of it is changed or copied but buffers.
        reshard_after_forward: gather a layer again for the backward pass instead of keeping it.
    """
    known: dict[int, object] = {id(one): nn.Parameter(one.detach(), one.requires_grad) for one in model.parameters()}
    twin = copy.deepcopy(model, known | {id(one): one for one in list_aside(model)})
    for layer in list(_list_layers(twin)):
        fully_shard(layer, reshard_after_forward=reshard_after_forward)
    fully_shard(twin)
    return twin


def _list_layers(module: nn.Module) -> Iterator[nn.Module]:
    """List the members of the outermost module lists, those with parameters."""
    for child in module.children():
        if isinstance(child, nn.ModuleList):
            yield from (layer for layer in child if any(True for _ in layer.parameters()))
        else:
            yield from _list_layers(child)


def make_room(twin: nn.Module, model: nn.Module) -> None:
    """Leave the device to the twin, if there is one."""
    if twin is not model:
        model.cpu()


def collect(twin: nn.Module, model: nn.Module, moving: Collection[str]) -> nn.Module:
    """Collect the whole model, with all that training has changed in the twin: the named parameters, every buffer.

    Every process must ask.
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
    """Gather all of a tensor; where it is shared out, every process must ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def place_like(tensor: Tensor, other: Tensor) -> Tensor:
    """Place a tensor that every process has whole as another one is, shared out like it if their shapes agree."""
    tensor = tensor.to(other.device)
    if isinstance(other, DTensor) and tensor.shape == other.shape:
        return distribute_tensor(tensor, other.device_mesh, other.placements, src_data_rank=None)
    return tensor
