"""Find the parameters that do not affect a model's answers: no gradient reaches them, so they are not trained.

Examples are a pooler under a head that does not use it (BigBird), layers for entities, contacts or single characters
(LUKE, ESM, CANINE), and embeddings of segments if there is only one segment (XLNet).
"""

import numpy as np
from torch.autograd.graph import Node
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from nlp_transfer.models.encoding.trying import FAULTS, give, make_two_texts
from nlp_transfer.models.source import run_quietly


def find_unread(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[str]:
    """Find the parameters that do not affect the logits of two short texts.

    No gradient is computed: the graph that autograd keeps of the logits shows what they depend on. The result is empty
    if the model has no logits or fails on the texts. It is also empty for models that send each token to a few of many
    experts, because two texts would not reach them all.

    Args:
        model: without wrappers, with `requires_grad` set for all parameters.
        tokenizer: of its input.
    """
    if any("expert" in key for key in model.config.to_dict()):
        return frozenset()

    training = model.training
    model.eval()  # dropout would use random numbers, and so change those of the training
    try:
        output = run_quietly(lambda: give(model, make_two_texts(tokenizer).make_batch(np.arange(2))))
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
    """List the ids of the tensors that a computation starts from."""
    seen, left, found = {end}, [end], set[int]()
    while left:
        node = left.pop()
        if (tensor := getattr(node, "variable", None)) is not None:
            found.add(id(tensor))
        fresh = {before for before, _ in node.next_functions if before is not None} - seen
        seen |= fresh
        left += fresh
    return found
