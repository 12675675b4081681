"""Find out by trying whether a model sees the padding beside a text; if it does, its batches hold one length only.

An attention mask does not reach everything. Fourier transforms, convolutions and pooling mix the last tokens of a text
with the padding behind it (FNet, ConvBERT, YOSO, Nystroemformer, MobileBERT, Funnel, CANINE). Some heads read the
last position, whatever is there (XLNet). Texts of one length need no padding.
"""

import logging
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from nlp_transfer.models.anatomy import find_encoder, unwrap
from nlp_transfer.models.encoding.batches import Batch
from nlp_transfer.models.encoding.trying import FAULTS, give, make_two_texts
from nlp_transfer.models.source import run_quietly
from nlp_transfer.system.processes import gather_all

log = logging.getLogger(__name__)
TOLERANCE = 1e-3  # absolute and relative; rounding moves states and logits by 1e-6 to 1e-5, padding by 0.1 or more
NOTED = "_padding_trouble"  # key in the model's __dict__, once it was tried; None means no trouble
CURE = "so a batch holds texts of one length, which takes longer"


def read_padding_trouble(model: nn.Module) -> str | None:
    """Read what `try_padding` has found about a model, or about the model inside the wrappers of peft.

    Returns:
        Words for a warning, if padding changes the answers or could not be tried; None if all is well, or untried.
    """
    found: str | None = unwrap(model).__dict__.get(NOTED)
    return found


def try_padding(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, together: bool = False) -> None:
    """Compare a short text alone with the same text beside a longer one, in eval mode and fp32, and note the outcome.

    This has a second use: BigBird gives up its sparse attention for good at the first text that is too short for it.
    After this try it has, so that it reads all texts in the same way.

    Args:
        model: on any device, without wrappers.
        tokenizer: of its input.
        together: all processes call this and must batch alike, so what one of them finds holds for all.
    """
    if NOTED in model.__dict__:
        return

    training = model.training
    model.eval()
    trouble = run_quietly(lambda: _try(model, tokenizer))
    model.train(training)

    if together:
        trouble = next(filter(None, gather_all({trouble: True})), None)
    model.__dict__[NOTED] = trouble


def _try(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> str | None:
    said = f"the architecture {find_encoder(model).module.config.model_type} reads the padding beside a longer text"
    try:
        units = make_two_texts(tokenizer)
        alone, beside = (_collect_outputs(model, units.make_batch(np.arange(count))) for count in (1, 2))
    except FAULTS as error:
        log.debug("padding could not be tried: %s", error)
        return f"it could not be found out whether {said}, {CURE}"
    return None if all(map(_is_equal, alone, beside)) else f"{said}, {CURE}"


def _is_equal(one: Tensor, other: Tensor) -> bool:
    """Tell whether the numbers of a text alone equal those beside another text, relative to their own size.

    In some models they are in the thousands.
    """
    scale = max(1.0, float(one.std(correction=0)))
    return torch.allclose(one, other[tuple(map(slice, one.shape))], rtol=TOLERANCE, atol=TOLERANCE * scale)


@torch.inference_mode()
def _collect_outputs(model: PreTrainedModel, batch: Batch) -> list[Tensor]:
    """Collect the encoder's states of the first text, and its logits if the model gives any."""
    found: list[Tensor] = []

    def note(_: nn.Module, __: Any, output: Any) -> None:
        states = output if isinstance(output, Tensor) else output[0]
        found.append(states[0])

    with find_encoder(model).module.register_forward_hook(note):
        output = give(model, batch)
    return found if getattr(output, "logits", None) is None else [*found, output.logits[0]]
