"""Models that see the padding beside a text: found out by trying, so that their batches can do without.

An attention mask does not reach everything: Fourier transforms, convolutions and pooling mix a text's last tokens with
what follows (FNet, ConvBERT, YOSO, Nystroemformer, MobileBERT, Funnel, CANINE), and some heads read the last place,
whatever stands there (XLNet). Among texts of one length there is no padding.
"""

import logging
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from nlp_transfer.models.anatomy import find_encoder, unwrapped
from nlp_transfer.models.encoding.batches import Batch
from nlp_transfer.models.encoding.trying import FAULTS, give, two_texts
from nlp_transfer.models.source import quietly
from nlp_transfer.system.processes import gather_all

log = logging.getLogger(__name__)
TOLERANCE = 1e-3  # absolute and relative: rounding moves states and logits by 1e-6 to 1e-5, padding by 0.1 or more
NOTED = "_padding_trouble"  # in a model's __dict__, once it was tried: None where there is none
CURE = "so a batch holds texts of one length, which takes longer"


def padding_trouble(model: nn.Module) -> str | None:
    """Say, in words for a warning, what was found of a model, or of the one inside the wrappers of peft.

    Returns:
        That padding changes its answers, or that this could not be tried; None where all is well, or not tried yet.
    """
    found: str | None = unwrapped(model).__dict__.get(NOTED)
    return found


def try_padding(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, together: bool = False) -> None:
    """Ask once for a short text alone and beside a longer one, in eval mode and single precision, and note the outcome.

    It settles one thing more: BigBird leaves its sparse attention for good with the first text that is too short for
    it, so from here on all texts are read in the same way.

    Args:
        model: on any device, without wrappers.
        tokenizer: of its input.
        together: all processes call this, and have to batch alike: what one finds is found for all.
    """
    if NOTED in model.__dict__:
        return
    training = model.training
    model.eval()
    trouble = quietly(lambda: _try(model, tokenizer))
    model.train(training)
    if together:
        trouble = next(filter(None, gather_all({trouble: True})), None)
    model.__dict__[NOTED] = trouble


def _try(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> str | None:
    said = f"the architecture {find_encoder(model).module.config.model_type} reads the padding beside a longer text"
    try:
        units = two_texts(tokenizer)
        alone, beside = (_seen(model, units.batch(np.arange(count))) for count in (1, 2))
    except FAULTS as error:
        log.debug("padding could not be tried: %s", error)
        return f"it could not be found out whether {said}, {CURE}"
    return None if all(map(_equal, alone, beside)) else f"{said}, {CURE}"


def _equal(one: Tensor, other: Tensor) -> bool:
    """Tell whether a text's numbers are the first of those beside another; some models have them in the thousands."""
    scale = max(1.0, float(one.std(correction=0)))
    return torch.allclose(one, other[tuple(map(slice, one.shape))], rtol=TOLERANCE, atol=TOLERANCE * scale)


@torch.inference_mode()
def _seen(model: PreTrainedModel, batch: Batch) -> list[Tensor]:
    """The encoder's states and the logits of the first text, where the model gives them."""
    found: list[Tensor] = []

    def note(_: nn.Module, __: Any, output: Any) -> None:
        states = output if isinstance(output, Tensor) else output[0]
        found.append(states[0])

    with find_encoder(model).module.register_forward_hook(note):
        output = give(model, batch)
    return found if getattr(output, "logits", None) is None else [*found, output.logits[0]]
