"""Score each sentence of a document: any encoder, static vectors included, under a small head over sentences.

This is the idea of BertSumExt (Liu & Lapata 2019, Text summarization with pretrained encoders, section 3.2), but with
pooled states in place of a [CLS] before every sentence, so that every encoder can be used. Self-contained on purpose:
a copy of this file travels with published models.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from .headed import Headed, HeadedConfig

HEADS = 4


class SentenceScorerConfig(HeadedConfig):
    """Hold an encoder's configuration, and the shape of the head over sentences."""

    model_type = "sentence_scorer"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        width: int = 128,
        layers: int = 1,
        positions: int = 128,
        dropout: float = 0.1,
        **settings: Any,
    ) -> None:
        """Keep plain values; sentences from number `positions` on share one position."""
        self.width = width
        self.layers = layers
        self.positions = positions
        self.dropout = dropout
        super().__init__(encoder, **settings)


class SentenceHead(nn.Module):
    """Turn sentence features into scores: standardise, project, add positions, attend to the others, score."""

    shift: Tensor
    scale: Tensor

    def __init__(self, config: SentenceScorerConfig, size: int) -> None:
        """Build the head for `size` features of a sentence."""
        super().__init__()
        self.register_buffer("shift", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))

        self.dropout = nn.Dropout(config.dropout)
        self.projection = nn.Linear(size, config.width)
        self.positions = nn.Embedding(config.positions, config.width)

        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                config.width, HEADS, 4 * config.width, config.dropout, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(config.layers)
        )

        self.norm = nn.LayerNorm(config.width)
        self.output = nn.Linear(config.width, 1)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Score sentences: (B, S, F), (B, S) -> (B, S), with minus infinity where there is no sentence."""
        states = self.projection(self.dropout((features - self.shift) * self.scale))
        order = torch.arange(states.shape[1], device=states.device).clamp(max=self.positions.num_embeddings - 1)
        states = states + self.positions(order)
        blocked = torch.zeros_like(mask, dtype=states.dtype).masked_fill(mask == 0, torch.finfo(states.dtype).min)
        for layer in self.layers:
            states = layer(states, src_key_padding_mask=blocked)
        scores: Tensor = self.output(self.dropout(self.norm(states)))[..., 0]
        return scores.masked_fill(mask == 0, -torch.inf)


def pool_sentences(states: Tensor, sentence_ids: Tensor) -> tuple[Tensor, ...]:
    """Pool mean and maximum over the tokens of each sentence: (B, T, H), (B, T) -> for each document (S, 2H).

    Args:
        states: the states of the encoder.
        sentence_ids: the sentence that each token belongs to, counted from 0; -1 for special tokens and padding.
    """
    counts = sentence_ids.amax(1) + 1
    first = counts.cumsum(0) - counts  # where the sentences of each document begin, if all stand in one row

    inside = sentence_ids >= 0
    owner = (sentence_ids + first[:, None])[inside]
    tokens = states[inside].float()  # in fp32, because many terms are added
    empty = tokens.new_zeros(int(counts.sum()), states.shape[-1])
    sizes = torch.bincount(owner, minlength=len(empty)).clamp(min=1)[:, None]

    mean = empty.index_add(0, owner, tokens) / sizes
    highest = empty.scatter_reduce(0, owner[:, None].expand_as(tokens), tokens, "amax", include_self=False)
    pooled: tuple[Tensor, ...] = torch.cat([mean, highest], dim=1).to(states.dtype).split(counts.tolist())
    return pooled


class SentenceScorer(Headed):
    """Put an encoder over a whole document under a `SentenceHead`."""

    config: SentenceScorerConfig
    config_class = SentenceScorerConfig

    def __init__(self, config: SentenceScorerConfig, encoder: PreTrainedModel | None = None) -> None:
        """Build the encoder from the configuration, unless a loaded one is given."""
        super().__init__(config, encoder)
        self.head = SentenceHead(config, 2 * config.depth * self.encoder.config.hidden_size)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Keep the initialisation of PyTorch for each module; positions start near zero."""
        if isinstance(module, SentenceHead):
            nn.init.zeros_(module.shift)
            nn.init.ones_(module.scale)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        elif isinstance(module, nn.MultiheadAttention):
            module._reset_parameters()
        elif isinstance(module, nn.Linear | nn.LayerNorm):
            module.reset_parameters()

    def feature_size(self, unit: Mapping[str, Any]) -> int:
        """Count the numbers in the features of a unit."""
        return (int(max(unit["sentence_ids"])) + 1) * len(self.head.shift)

    def stacked(self, rows: Sequence[Tensor]) -> Tensor:
        """Stack the features (S, F) of several units to (N, F), all sentences below each other."""
        return torch.cat(list(rows))

    def features(
        self, attention_mask: Tensor, sentence_ids: Tensor | None = None, **inputs: Tensor | None
    ) -> tuple[Tensor, ...]:
        """Compute the features (S, F) of each document's sentences; without `sentence_ids` it is one sentence."""
        states = torch.cat(self.states(attention_mask, **inputs), dim=-1)
        return pool_sentences(states, attention_mask - 1 if sentence_ids is None else sentence_ids)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        sentence_ids: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        ngram_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        features: Tensor | None = None,
        return_dict: bool | None = None,  # noqa: ARG002 - part of the interface of models
    ) -> SequenceClassifierOutput:
        """Score sentences (B, S), or `features` (B, S, F) computed before, with `attention_mask` (B, S) over them."""
        if attention_mask is None:
            some = next(one for one in (features, inputs_embeds, input_ids) if one is not None)
            attention_mask = torch.ones(some.shape[:2], dtype=torch.long, device=some.device)

        if features is None:
            rows = self.features(
                attention_mask,
                sentence_ids,
                input_ids=input_ids,
                token_type_ids=token_type_ids,
                ngram_ids=ngram_ids,
                inputs_embeds=inputs_embeds,
            )
            features = nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
            counts = torch.tensor([len(row) for row in rows], device=features.device)
            attention_mask = (torch.arange(features.shape[1], device=features.device) < counts[:, None]).long()

        return SequenceClassifierOutput(logits=self.head(features, attention_mask))


# transformers documents this registration for models outside its own code.
AutoConfig.register(SentenceScorerConfig.model_type, SentenceScorerConfig, exist_ok=True)
AutoModel.register(SentenceScorerConfig, SentenceScorer, exist_ok=True)
