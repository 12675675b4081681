"""Parameters that a model holds and its answers do not depend on: they could not learn, so they stay as they are.

Such are a pooler under a head that does without (BigBird), layers for entities, contacts or single characters (LUKE,
ESM, CANINE), and what tells segments apart where there is one (XLNet).
"""

import numpy as np
from torch.autograd.graph import Node
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from nlp_transfer.models.encoding.trying import FAULTS, give, make_two_texts
from nlp_transfer.models.source import quietly


def find_unread(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[str]:
    """Name the parameters that the logits of two short texts do not depend on.

    No gradient is computed: how the logits came about tells it. Nothing is named where a model gives none or cannot be
    tried, nor where it sends each token to a few of many experts, of which two texts would miss some.

    Args:
        model: without wrappers, all of it free to move.
        tokenizer: of its input.
    """
    if any("expert" in key for key in model.config.to_dict()):
        return frozenset()
    training = model.training

    model.eval()  # dropout would draw numbers that the training is to draw
    try:
        output = quietly(lambda: give(model, make_two_texts(tokenizer).make_batch(np.arange(2))))
    except FAULTS:
        return frozenset()
    finally:
        model.train(training)

    logits = getattr(output, "logits", None)
    if logits is None or logits.grad_fn is None:
        return frozenset()
    read = _list_starts(logits.grad_fn)
    return frozenset(name for name, one in model.named_parameters() if one.requires_grad and id(one) not in read)


def _list_starts(end: Node) -> set[int]:
    """Find the ids of the tensors that a computation starts from."""
    seen, left, found = {end}, [end], set[int]()
    while left:
        node = left.pop()
        if (tensor := getattr(node, "variable", None)) is not None:
            found.add(id(tensor))
        fresh = {before for before, _ in node.next_functions if before is not None} - seen
        seen |= fresh
        left += fresh
    return found
