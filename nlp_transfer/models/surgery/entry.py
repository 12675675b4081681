"""A model that is entered at a layer: what lies below is taken out, and stored activations take its place."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from nlp_transfer.models.anatomy import Layers, find_layers
from nlp_transfer.models.encoding.padding import padding_trouble
from nlp_transfer.models.encoding.units import Boundary, ReplayUnits, TokenUnits

log = logging.getLogger(__name__)
OUT = "_taken_out"  # in a model's __dict__, while something is: the state of that
TOLERANCE, MIXED_TOLERANCE = 1e-4, 5e-2  # largest difference of logits between a replay and the model itself


def layers_of(model: PreTrainedModel) -> Layers:
    """The layers of a model that has some."""
    layers = find_layers(model.base_model)
    assert layers is not None  # noqa: S101 - find_boundary saw to it
    return layers


class _Given(nn.Module):
    """Stands in for the embeddings: hands on the states it is given, by name or, as in DistilBERT, by position."""

    def forward(self, *given: Any, inputs_embeds: Tensor | None = None, **_: Any) -> Tensor:
        return inputs_embeds if inputs_embeds is not None else next(one for one in given if one is not None)


class _Passed(nn.Module):
    """Stands in for a frozen layer: hands on its input; attributes are those of the layer."""

    def __init__(self, layer: nn.Module, *, as_tuple: bool) -> None:
        super().__init__()
        self.__dict__["_layer"] = layer  # not a submodule: its parameters are no part of the replayed model
        self._as_tuple = as_tuple

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_layer"], name)

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> Any:
        return (hidden_states, None) if self._as_tuple else hidden_states


def _answers_in_tuples(model: PreTrainedModel, layer: nn.Module) -> bool:
    """Tell whether a layer returns (states, attentions), as in MPNet and DeBERTa, or the states alone: it is asked."""
    answers: list[Any] = []
    training = model.training
    model.eval()
    with torch.inference_mode(), layer.register_forward_hook(lambda _, __, output: answers.append(output)):
        model(input_ids=torch.zeros((1, 2), dtype=torch.long, device=next(model.parameters()).device))
    model.train(training)
    return isinstance(answers[0], tuple)


@contextmanager
def replaying(model: PreTrainedModel, boundary: Boundary) -> Iterator[None]:
    """Take everything below the boundary out of the model, so that it accepts activations as `inputs_embeds`."""
    if boundary.kind != "layer":
        yield
        return
    encoder = model.base_model
    layers = layers_of(model)
    originals = list(layers.modules)
    whole = model.state_dict()
    as_tuple = _answers_in_tuples(model, originals[0])
    swapped = {name: getattr(encoder, name) for name in ("embeddings", "embeddings_project") if hasattr(encoder, name)}
    for name in swapped:
        setattr(encoder, name, _Given() if name == "embeddings" else nn.Identity())
    for index in range(boundary.layer):
        layers.modules[index] = _Passed(originals[index], as_tuple=as_tuple)
    model.__dict__[OUT] = {name: whole[name] for name in whole.keys() - model.state_dict().keys()}
    try:
        yield
    finally:
        del model.__dict__[OUT]
        for name, module in swapped.items():
            setattr(encoder, name, module)
        for index, layer in enumerate(originals):
            layers.modules[index] = layer


def agrees(model: PreTrainedModel, units: TokenUnits, rows: Sequence[np.ndarray], boundary: Boundary) -> bool:
    """Try whether a replay of a few units gives the logits of the model itself; architectures differ."""
    few = np.argsort(-units.encoded.lengths, kind="stable")[:: max(1, len(rows) // 4)][:4]
    groups = [few] if padding_trouble(model) is None else few[:, None]
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    stored = ReplayUnits(units.encoded, rows, boundary)
    tolerance = MIXED_TOLERANCE if torch.is_autocast_enabled(device.type) else TOLERANCE
    try:
        with torch.inference_mode():
            whole = [model(**units.batch(group).to(device).inputs).logits for group in groups]
            with replaying(model, boundary):
                again = [model(**stored.batch(group).to(device).inputs).logits for group in groups]
        return all(
            torch.allclose(one.float(), other.float(), atol=tolerance) for one, other in zip(whole, again, strict=True)
        )
    except (TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
        log.debug("replay failed: %s", error)
        return False
    finally:
        model.train(training)
