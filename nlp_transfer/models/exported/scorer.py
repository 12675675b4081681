"""Score sentences by operations that a graph can hold: the same numbers as those of a `SentenceScorer`."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import SequenceClassifierOutput

from nlp_transfer.models.portable.sentence_scorer import SentenceScorer


class SentenceScores(nn.Module):
    """A scorer whose tensors have sizes that follow from the inputs, where its own forward counts in Python."""

    def __init__(self, scorer: SentenceScorer) -> None:
        """Share the modules of a scorer."""
        super().__init__()
        self.scorer = scorer

    def forward(self, attention_mask: Tensor, sentence_ids: Tensor, **inputs: Tensor) -> SequenceClassifierOutput:
        """Score sentences (B, S), with minus infinity where there is none; inputs as of a `SentenceScorer`."""
        states = torch.cat(self.scorer.states(attention_mask, **inputs), dim=-1)
        order = torch.arange(sentence_ids.max() + 1)  # type: ignore[call-overload]
        there = order <= sentence_ids.amax(1, keepdim=True)
        features = _pool(states, sentence_ids + 1, sentence_ids.max() + 2)
        return SequenceClassifierOutput(logits=self.scorer.head(features, there.long()))


def _pool(states: Tensor, owners: Tensor, count: Tensor) -> Tensor:
    """Pool mean and maximum over the tokens of each sentence: (B, T, H), (B, T) -> (B, count - 1, 2H).

    The tokens that belong to none are owned by number 0, which is left out.
    """
    rows, width = states.shape[0], states.shape[2]
    places = owners[..., None].expand(-1, -1, width)
    empty = torch.zeros(rows, count, width)  # type: ignore[call-overload]
    sizes = torch.zeros(rows, count).scatter_add(1, owners, torch.ones_like(states[..., 0]))  # type: ignore[call-overload]

    mean = empty.scatter_add(1, places, states) / sizes.clamp(min=1)[..., None]
    lowest = torch.full_like(empty, torch.finfo(states.dtype).min)
    highest = _Highest.apply(lowest, places, states)  # type: ignore[no-untyped-call]
    highest = highest.masked_fill(sizes[..., None] == 0, 0.0)
    return torch.cat([mean, highest], dim=-1)[:, 1:]


class _Highest(torch.autograd.Function):
    """Raise numbers (B, S, H) to the largest of the states (B, T, H) that belong there.

    torch's exporter would put this into a branch on the rank of the tensors, behind which shapes are told wrongly:
    onnxruntime warns of that at every text.
    """

    @staticmethod
    def forward(_: Any, lowest: Tensor, places: Tensor, states: Tensor) -> Tensor:
        return lowest.scatter_reduce(1, places, states, "amax")

    @staticmethod
    def symbolic(graph: Any, lowest: Any, places: Any, states: Any) -> Any:
        return graph.op("ScatterElements", lowest, places, states, axis_i=1, reduction_s="max").setType(lowest.type())
