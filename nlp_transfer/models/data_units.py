"""Let a head learn a number in standardised units, and answer in the units of the data."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from nlp_transfer.errors import ConfigError
from nlp_transfer.models.anatomy import find_output_layer


class Rescaled(nn.Linear):
    """A linear layer that learns a standardised target, and answers in the units of the data.

    Standardised targets let one learning rate serve prices in thousands as well as shares below 1. After training,
    `write_in_data_units` makes a plain layer of it.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, layer: nn.Linear, mean: float, deviation: float) -> None:
        """Take over the parameters of a layer as they are."""
        super().__init__(layer.in_features, layer.out_features)
        self.weight, self.bias = layer.weight, layer.bias
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("deviation", torch.tensor(deviation))

    def forward(self, states: Tensor) -> Tensor:
        """Compute outputs in the units of the data and in single precision: (..., F) -> (..., outputs)."""
        return super().forward(states).float() * self.deviation + self.mean

    @torch.no_grad()
    def take_data_units(self) -> None:
        """Standardise parameters that were learned in the units of the data, so that the layer answers as before."""
        self.weight.div_(self.deviation)
        self.bias.sub_(self.mean).div_(self.deviation)


def standardise_target(model: PreTrainedModel, numbers: Sequence[float]) -> tuple[str, Rescaled]:
    """Replace the output layer of a head by one that learns standardised numbers; return its path and the layer.

    Args:
        model: a model with one output.
        numbers: the numbers to learn; empty if a trained head will be loaded, which knows its units.

    Raises:
        ConfigError: the head ends in no linear layer.
    """
    found = find_output_layer(model, 1)
    if found is None or found[1].bias is None:
        raise ConfigError(
            f"task.head.kind: the head of {type(model).__name__} ends in no linear layer that could be given the units "
            "of the data; use pooled"
        )

    path, layer = found
    values = np.asarray(numbers if len(numbers) else [-1.0, 1.0], dtype=np.float64)
    rescaled = Rescaled(layer, float(values.mean()), float(values.std()))
    _put(model, path, rescaled)
    return path, rescaled


def find_deviation(model: nn.Module) -> Tensor:
    """Find the deviation () of the numbers that a model learns."""
    return next(module for module in model.modules() if isinstance(module, Rescaled)).deviation


@torch.no_grad()
def write_in_data_units(model: PreTrainedModel) -> PreTrainedModel:
    """Replace each `Rescaled` layer by a plain linear layer with the same answers, and return the model."""
    for path, module in list(model.named_modules()):
        if isinstance(module, Rescaled):
            layer = nn.Linear(module.in_features, module.out_features, device=module.weight.device)
            layer.weight.copy_(module.weight * module.deviation)
            layer.bias.copy_(module.bias * module.deviation + module.mean)
            layer.requires_grad_(module.weight.requires_grad)
            _put(model, path, layer.train(module.training))
    return model


def _put(model: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, module)
