"""Let the last layer compute the first token only, if the head reads nothing else.

Classifiers like BERT (Devlin et al. 2019, section 3) read only the last state of the first token. Behind the attention
of the last layer the tokens no longer mix. So what this layer would compute for the other tokens, which is most of its
work, can be left out: the logits and all gradients stay the same.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn
from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

from nlp_transfer.models.anatomy import find_layers, unwrap
from nlp_transfer.models.encoding.packing import Packing

AFTER_ATTENTION = {  # model type -> the first module of a layer behind the attention that mixes tokens
    **dict.fromkeys(("bert", "deberta-v2", "electra", "roberta", "xlm-roberta"), "attention.output"),
    "distilbert": "sa_layer_norm",
    "mpnet": "attention.LayerNorm",
}


class _AtHand(threading.local):
    """How the batch is packed that this thread computes: threads may share a model, and a GPU goes back in its own."""

    packing: Packing | None = None


_at_hand = _AtHand()


@contextlib.contextmanager
def use_first_token(model: nn.Module, *, logits_only: bool) -> Iterator[None]:
    """Leave out what a classifier's head does not read, while the body runs; other models stay as they are.

    Calls can be nested. Only the classifiers of an architecture in the table change, and not those with a head of ours.

    Args:
        model: any model.
        logits_only: the task reads only the logits; if it reads more, nothing is left out.
    """
    base = unwrap(model)
    path = AFTER_ATTENTION.get(base.config.model_type)
    own: Any = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING.get(type(base.config), None)
    layers = find_layers(base.base_model)
    chunked = getattr(base.config, "chunk_size_feed_forward", 0)  # it must divide the length, and 1 is too short
    if path is None or layers is None or type(base) is not own or chunked or not logits_only:
        yield
        return

    # In a model entered at a layer the hooks may sit on a layer that was taken out; there the second never runs.
    last = layers.modules[-1]
    with (
        last.register_forward_pre_hook(_note_packing, with_kwargs=True),
        last.get_submodule(path).register_forward_pre_hook(_take_first),
    ):
        yield


def _note_packing(_: nn.Module, __: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    _at_hand.packing = keywords.get("packing")


def _take_first(_: nn.Module, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Copy the first token of each text: (B, T, H) -> (B, 1, H), or packed (1, N, H) -> (1, B, H).

    A view would keep all tokens for the backward pass.
    """
    packing = _at_hand.packing
    return tuple(one[:, :1].contiguous() if packing is None else packing.take_first(one) for one in states)
