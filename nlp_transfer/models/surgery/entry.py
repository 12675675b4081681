"""Enter a model at a layer: the part below is taken out, and stored activations replace its output."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from nlp_transfer.models.anatomy import Layers, find_layers
from nlp_transfer.models.encoding.padding import read_padding_trouble
from nlp_transfer.models.encoding.units import Boundary, CachedInputs, TokenInputs
from nlp_transfer.models.surgery.aside import LAYER, TAKEN_OUT

log = logging.getLogger(__name__)
EMBEDDINGS = ("embeddings", "embed_tokens")  # what an encoder calls its lowest part
TOLERANCE, MIXED_TOLERANCE = 1e-4, 5e-2  # largest difference between logits of the model entered and the whole model


def require_layers(model: PreTrainedModel) -> Layers:
    """Find the layers of a model that is known to have some."""
    layers = find_layers(model.base_model)
    assert layers is not None  # noqa: S101 - find_boundary has checked it
    return layers


class _Given(nn.Module):
    """Replace the embeddings: return the states that are given by name or, as in DistilBERT, by position."""

    def forward(self, *given: Any, inputs_embeds: Tensor | None = None, **_: Any) -> Tensor:
        return inputs_embeds if inputs_embeds is not None else next(one for one in given if one is not None)


class _Passed(nn.Module):
    """Replace a frozen layer: return its input, and show the layer's attributes."""

    def __init__(self, layer: nn.Module, *, as_tuple: bool) -> None:
        super().__init__()
        self.__dict__[LAYER] = layer  # not as a submodule, because its parameters are taken out
        self._as_tuple = as_tuple

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__[LAYER], name)

    def forward(self, hidden_states: Tensor, *_: Any, **__: Any) -> Any:
        return (hidden_states, None) if self._as_tuple else hidden_states


def _is_tuple_answer(model: PreTrainedModel, layer: nn.Module) -> bool:
    """Ask a layer whether it returns (states, attentions), as in MPNet and DeBERTa, or the states alone."""
    answers: list[Any] = []
    training = model.training
    model.eval()
    with torch.inference_mode(), layer.register_forward_hook(lambda _, __, output: answers.append(output)):
        model(input_ids=torch.zeros((1, 2), dtype=torch.long, device=next(model.parameters()).device))
    model.train(training)
    return isinstance(answers[0], tuple)


@contextmanager
def enter_at_layer(model: PreTrainedModel, boundary: Boundary) -> Iterator[None]:
    """Take everything below the boundary out of the model, which then accepts activations as `inputs_embeds`."""
    if boundary.kind != "layer":
        yield
        return

    encoder = model.base_model
    layers = require_layers(model)
    originals = list(layers.modules)
    whole = model.state_dict()
    as_tuple = _is_tuple_answer(model, originals[0])

    names = (*EMBEDDINGS, "embeddings_project")
    swapped = {name: getattr(encoder, name) for name in names if hasattr(encoder, name)}
    for name in swapped:
        setattr(encoder, name, _Given() if name in EMBEDDINGS else nn.Identity())
    for index in range(boundary.layer):
        layers.modules[index] = _Passed(originals[index], as_tuple=as_tuple)

    model.__dict__[TAKEN_OUT] = {name: whole[name] for name in whole.keys() - model.state_dict().keys()}
    try:
        yield
    finally:
        del model.__dict__[TAKEN_OUT]
        for name, module in swapped.items():
            setattr(encoder, name, module)
        for index, layer in enumerate(originals):
            layers.modules[index] = layer


def check_replay(model: PreTrainedModel, units: TokenInputs, rows: Sequence[np.ndarray], boundary: Boundary) -> bool:
    """Compare the logits of a few units entered at the boundary with those of the whole model; architectures differ."""
    few = np.argsort(-units.encoded.lengths, kind="stable")[:: max(1, len(rows) // 4)][:4]
    groups = [few] if read_padding_trouble(model) is None else few[:, None]

    training = model.training
    model.eval()
    device = next(model.parameters()).device
    stored = CachedInputs(units.encoded, rows, boundary)
    tolerance = MIXED_TOLERANCE if torch.is_autocast_enabled(device.type) else TOLERANCE

    try:
        with torch.inference_mode():
            whole = [model(**units.make_batch(group).to(device).inputs).logits for group in groups]
            with enter_at_layer(model, boundary):
                again = [model(**stored.make_batch(group).to(device).inputs).logits for group in groups]

        return all(
            torch.allclose(one.float(), other.float(), atol=tolerance) for one, other in zip(whole, again, strict=True)
        )
    except (TypeError, ValueError, RuntimeError, AttributeError, IndexError) as error:
        log.debug("replay failed: %s", error)
        return False
    finally:
        model.train(training)
