"""Freeze and unfreeze parameters, copy their state, and check that frozen ones were not changed."""

from collections.abc import Collection, Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from nlp_transfer.errors import TrainingError
from nlp_transfer.models.surgery.aside import TAKEN_OUT
from nlp_transfer.models.surgery.embedding_rows import collect_state


def freeze(model: nn.Module, rates: Mapping[str, float]) -> None:
    """Let exactly the parameters named in `rates` require gradients."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in rates)


def set_train_mode(module: nn.Module) -> None:
    """Put a module into train mode, but its wholly frozen parts into eval mode: their dropout should do nothing."""
    module.train()
    _rest_frozen(module)


def _rest_frozen(module: nn.Module) -> None:
    parameters = list(module.parameters())
    if parameters and not any(parameter.requires_grad for parameter in parameters):
        module.eval()
        return
    for child in module.children():
        _rest_frozen(child)


def list_moving(model: nn.Module, rates: Mapping[str, float]) -> Iterator[tuple[str, nn.Parameter]]:
    """Yield name and parameter of all that train, as they are in the model now."""
    return ((name, parameter) for name, parameter in model.named_parameters() if name in rates)


def copy_trained(model: nn.Module, names: frozenset[str]) -> dict[str, Tensor]:
    """Copy the named parameters and every buffer to the CPU: all that training changes."""
    resting = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    resting = (resting | model.__dict__.get(TAKEN_OUT, {}).keys()) - names
    whole = collect_state(model).items()
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in whole if name not in resting}


def load_state(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Write tensors back into the model in place."""
    own = model.state_dict()
    with torch.no_grad():
        for name, value in state.items():
            own[name].copy_(value)


def count_writes(model: nn.Module, rates: Mapping[str, float]) -> dict[str, int]:
    """Read the write counter of every frozen parameter; PyTorch raises it with every change in place."""
    return {name: parameter._version for name, parameter in model.named_parameters() if name not in rates}


def check_rested(model: nn.Module, before: Mapping[str, int]) -> None:
    """Check that no frozen parameter was written to since `count_writes`.

    Raises:
        TrainingError: naming one that was.
    """
    for name, parameter in model.named_parameters():
        if name in before and parameter._version != before[name]:
            raise TrainingError(f"frozen parameter {name} was changed by training; this is a bug, please report it")


def find_unreached(trained: Mapping[str, nn.Parameter], names: Iterable[str]) -> set[str]:
    """Select the names whose parameter the last backward pass did not reach."""
    return {name for name in names if trained[name].grad is None}


def check_reached(silent: Collection[str]) -> None:
    """Check that gradients have reached every parameter that should train.

    Raises:
        TrainingError: naming one that no gradient has reached in the first steps.
    """
    if silent:
        raise TrainingError(f"{len(silent)} parameters should train but do not move, among them {min(silent)}")
