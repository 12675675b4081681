"""A last layer that works on the first token only, where the head reads nothing else.

Classifiers in the manner of BERT (Devlin et al. 2019, section 3) read the last state of the first token alone. Behind
the attention of the last layer no token sees another any more, so what the other tokens would become there, most of
that layer's work, need not be computed: the logits and all gradients stay what they are.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from torch import nn

from nlp_transfer.strategies.blocks import find_layers, unwrapped

AFTER_ATTENTION = {  # model type -> in its layers, the first module behind the attention that mixes the tokens
    **dict.fromkeys(("bert", "deberta-v2", "electra", "roberta", "xlm-roberta"), "attention.output"),
    "distilbert": "sa_layer_norm",
    "mpnet": "attention.LayerNorm",
}


@contextlib.contextmanager
def first_token_only(model: nn.Module) -> Iterator[None]:
    """While the block lasts, leave out what the head of a classifier does not read; other models stay as they are.

    May be nested. Without effect on architectures whose heads or layers are of another make.
    """
    base = unwrapped(model)
    path = AFTER_ATTENTION.get(base.config.model_type)
    layers = find_layers(base.base_model)
    if path is None or layers is None or not type(base).__name__.endswith("ForSequenceClassification"):
        yield
        return
    with contextlib.ExitStack() as stack:
        behind = layers.modules[-1].get_submodule(path)
        stack.callback(behind.register_forward_pre_hook(_first).remove)
        yield


def _first(_: nn.Module, states: tuple[Any, ...]) -> tuple[Any, ...]:
    """Of each tensor (T, S, H) the first token (T, 1, H)."""
    return tuple(one[:, :1] for one in states)
