"""Let the last layer compute the first token only, if the head reads nothing else.

Classifiers like BERT (Devlin et al. 2019, section 3) read only the last state of the first token. Behind the attention
of the last layer the tokens no longer mix. So what this layer would compute for the other tokens, which is most of its
work, can be left out: the logits and all gradients stay the same.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

from nlp_transfer.models.anatomy import find_layers, unwrap
from nlp_transfer.models.encoding.packing import Packing

AFTER_ATTENTION = {  # model type -> the first module of a layer behind the attention that mixes tokens
    **dict.fromkeys(("bert", "deberta-v2", "electra", "roberta", "xlm-roberta"), "attention.output"),
    **dict.fromkeys(("gte", "jina_embeddings_v3", "nomic_bert"), "post_attention_layernorm"),
    "distilbert": "sa_layer_norm",
    "mpnet": "attention.LayerNorm",
}
# Where the norms come first, the states go past all modules of a layer, and only its largest module can be spared.
BESIDE_STATES = dict.fromkeys(("eurobert", "modernbert", "ultrabert"), "mlp")
FIRST = (None, "cls", "bos")  # values of `classifier_pooling` of which the head reads the first token only


class _AtHand(threading.local):
    """How the batch is packed that this thread computes: threads may share a model, and a GPU goes back in its own.

    `shape` is that of the states that the last layer gets.
    """

    packing: Packing | None = None
    shape: tuple[int, ...] = ()


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
    kind, pooling = base.config.model_type, getattr(base.config, "classifier_pooling", None)
    path = AFTER_ATTENTION.get(kind) or BESIDE_STATES.get(kind)
    own: Any = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING.get(type(base.config), None)
    layers = find_layers(base.base_model)
    chunked = getattr(base.config, "chunk_size_feed_forward", 0)  # it must divide the length, and 1 is too short
    reads_first = logits_only and pooling in FIRST
    if path is None or layers is None or type(base) is not own or chunked or not reads_first:
        yield
        return

    # In a model entered at a layer the hooks may sit on a layer that was taken out; there those on a part never run.
    last = layers.modules[-1]
    part = last.get_submodule(path)
    with contextlib.ExitStack() as undo:
        hooks = [
            last.register_forward_pre_hook(_note_states, with_kwargs=True),
            part.register_forward_pre_hook(_take_first),
        ]
        if kind in BESIDE_STATES:
            hooks.append(part.register_forward_hook(_put_first))
        for hook in hooks:
            undo.callback(hook.remove)
        yield


def _note_states(_: nn.Module, args: tuple[Any, ...], keywords: dict[str, Any]) -> None:
    states: Tensor = args[0] if args else keywords["hidden_states"]
    _at_hand.packing, _at_hand.shape = keywords.get("packing"), states.shape


def _take_first(_: nn.Module, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Copy the first token of each text: (B, T, H) -> (B, 1, H), or packed (1, N, H) -> (1, B, H).

    A view would keep all tokens for the backward pass.
    """
    packing = _at_hand.packing
    return tuple(one[:, :1].contiguous() if packing is None else packing.take_first(one) for one in states)


def _put_first(_: nn.Module, __: tuple[Any, ...], first: Tensor) -> Tensor:
    """Put what was computed for the first tokens at their places, zeros elsewhere; the inverse of `_take_first`."""
    packing, whole = _at_hand.packing, first.new_zeros(_at_hand.shape)
    if first.shape == whole.shape:  # put already, by a nested call
        return first
    if packing is None:
        return torch.cat([first, whole[:, 1:]], dim=1)
    return whole.index_copy(1, packing.ends[:-1].long(), first)
