"""A last layer that works on the first token only, where the head reads nothing else.

Classifiers in the manner of BERT (Devlin et al. 2019, section 3) read the last state of the first token alone. Behind
the attention of the last layer no token sees another any more, so what the other tokens would become there, most of
that layer's work, need not be computed: the logits and all gradients stay what they are.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn
from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

from nlp_transfer.models.anatomy import find_layers, unwrapped

AFTER_ATTENTION = {  # model type -> in its layers, the first module behind the attention that mixes the tokens
    **dict.fromkeys(("bert", "deberta-v2", "electra", "roberta", "xlm-roberta"), "attention.output"),
    "distilbert": "sa_layer_norm",
    "mpnet": "attention.LayerNorm",
}


@contextlib.contextmanager
def first_token_only(model: nn.Module, *, logits_only: bool) -> Iterator[None]:
    """While the block lasts, leave out what the head of a classifier does not read; other models stay as they are.

    May be nested. Without effect on classifiers that are not the architecture's own, and on architectures that are not
    in the table.

    Args:
        model: any.
        logits_only: whether the task reads nothing else of it; without that nothing is left out.
    """
    base = unwrapped(model)
    path = AFTER_ATTENTION.get(base.config.model_type)
    own: Any = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING.get(type(base.config), None)
    layers = find_layers(base.base_model)
    chunked = getattr(base.config, "chunk_size_feed_forward", 0)  # cuts a length that it divides
    if path is None or layers is None or type(base) is not own or chunked or not logits_only:
        yield
        return
    # Of a layer that a replay has passed over this is the real one's, which then never runs.
    with layers.modules[-1].get_submodule(path).register_forward_pre_hook(_first):
        yield


def _first(_: nn.Module, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Of each (B, T, H) the first token (B, 1, H), copied: a view would keep all of it for the backward pass."""
    return tuple(one[:, :1].contiguous() for one in states)
