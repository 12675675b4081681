"""Classify pooled encoder states: any encoder, static vectors included, under one small head.

Self-contained on purpose: a copy of this file travels with published models.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from .embedding import SentenceEmbedding
from .headed import Headed, HeadedConfig

POOLINGS = ("cls", "mean", "max")
OWN = "own"  # in their place: the one embedding that the source's own modules make


class PooledConfig(HeadedConfig):
    """Hold an encoder's configuration, which of its states are pooled and how, and the layers above them."""

    model_type = "pooled_classifier"

    def __init__(
        self,
        encoder: dict[str, Any] | None = None,
        pooling: list[str] | None = None,
        hidden: list[int] | None = None,
        dropout: float = 0.1,
        pairs: bool = False,
        embedding: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        """Keep plain values; with `pairs` two texts are read, each by itself, told apart by their token types.

        `embedding` are the values of a `SentenceEmbedding`, which pooling `own` reads instead of pooled states.
        """
        self.pairs = pairs
        self.embedding = embedding
        self.pooling = pooling or ["mean"]
        self.hidden = hidden or []
        self.dropout = dropout
        super().__init__(encoder, **settings)

    @property
    def shape(self) -> tuple[Any, ...]:
        """What tells one head from another on the same encoder, apart from the labels."""
        return self.reads, self.combine, self.pooling, self.hidden, self.pairs, self.embedding


class Head(nn.Module):
    """Turn features into logits: standardise, mix layers if asked, apply hidden layers if any, then a linear layer.

    Of pairs it reads both texts, their distance and their product: u, v, |u - v| and u * v (Conneau et al. 2017,
    Supervised learning of universal sentence representations, section 3.1).
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, config: PooledConfig, width: int) -> None:
        """Build the head for states or embeddings of `width` units."""
        super().__init__()
        self.poolings = [0] if config.embedding else [POOLINGS.index(name) for name in config.pooling]
        self.mix = nn.Parameter(torch.zeros(config.depth)) if config.combine == "mix" else None
        self.pairs = config.pairs
        size = width * len(self.poolings) * (1 if config.combine == "mix" else config.depth) * (4 if self.pairs else 1)
        self.register_buffer("shift", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))
        self.dropout = nn.Dropout(config.dropout)
        self.hidden = nn.ModuleList()
        for units in config.hidden:
            self.hidden.append(nn.Linear(size, units))
            size = units
        self.output = nn.Linear(size, config.num_labels or 2)

    def select(self, features: Tensor) -> Tensor:
        """Select the inputs of the linear layers, not yet standardised: (B, L, P, H) pooled states -> (B, F).

        P is 3 poolings, or 1 embedding; twice as many of pairs.
        """
        if self.pairs:
            first, second = (self._choose(half) for half in features.chunk(2, dim=2))
            return torch.cat([first, second, (first - second).abs(), first * second], dim=1)
        return self._choose(features)

    def _choose(self, features: Tensor) -> Tensor:
        """Put the poolings and layers that are read side by side: (B, L, P, H) of one text -> (B, F)."""
        chosen = features[:, :, self.poolings]
        if self.mix is not None:  # Peters et al. 2018, equation 1
            return torch.einsum("l,blph->bph", self.mix.softmax(0), chosen).flatten(1)
        return chosen.flatten(1)

    def forward(self, features: Tensor) -> Tensor:
        """Score classes: (B, L, P, H) -> (B, classes)."""
        states = (self.select(features) - self.shift) * self.scale
        for layer in self.hidden:
            states = layer(self.dropout(states)).relu()
        return self.output(self.dropout(states))  # type: ignore[no-any-return]


def pool(states: Tensor, mask: Tensor) -> Tensor:
    """Pool first state, mean and maximum over tokens: (B, T, H), (B, T) -> (B, 3, H); an empty text gives zeros."""
    words = mask[..., None].to(states.dtype)
    mean = (states * words).sum(1) / words.sum(1).clamp(min=1)
    highest = states.masked_fill(words == 0, torch.finfo(states.dtype).min).amax(1)
    return torch.stack([states[:, 0] * words[:, 0], mean, highest * (words.sum(1) > 0)], dim=1)


def split_pairs(
    mask: Tensor, types: Tensor, inputs: Mapping[str, Tensor | None], pad: int
) -> Iterator[tuple[Tensor, dict[str, Tensor | None]]]:
    """Yield the first texts, then the second: their mask (B, T') and inputs (B, T', ...).

    Tokens of type 0 come first, those of type 1 behind them. Where there are none of type 1, a text is beside itself.

    Args:
        mask: (B, T) ones where there is a token.
        types: (B, T) zeros and ones.
        inputs: (B, T, ...) each.
        pad: the token to fill up with.
    """
    first = (mask * (types == 0)).sum(1)
    second = (mask * (types == 1)).sum(1)
    alone = second == 0
    rows = torch.arange(mask.shape[0], device=mask.device)[:, None]
    halves = (torch.zeros_like(first), first), (first.masked_fill(alone, 0), torch.where(alone, first, second))
    for start, size in halves:
        offsets = torch.arange(size.max(), device=mask.device)[None]  # type: ignore[call-overload]  # followed in a graph
        there = offsets < size[:, None]
        places = (start[:, None] + offsets) * there
        taken = {name: None if one is None else one[rows, places] for name, one in inputs.items()}
        if (ids := taken.get("input_ids")) is not None:
            taken["input_ids"] = ids.masked_fill(~there, pad)
        yield there.to(mask.dtype), taken


class PooledClassifier(Headed):
    """Put an encoder under a `Head`."""

    config: PooledConfig
    config_class = PooledConfig

    def __init__(self, config: PooledConfig, encoder: PreTrainedModel | None = None) -> None:
        """Build the encoder from the configuration, unless a loaded one is given."""
        super().__init__(config, encoder)
        width = self.encoder.config.hidden_size
        self.embedding = SentenceEmbedding(config.embedding, width) if config.embedding else None
        self.head = Head(config, self.embedding.size if self.embedding else width)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, Head):
            nn.init.zeros_(module.shift)
            nn.init.ones_(module.scale)
            if module.mix is not None:
                nn.init.zeros_(module.mix)
        elif isinstance(module, nn.Linear):
            module.reset_parameters()

    def feature_size(self, unit: Mapping[str, Any]) -> int:  # noqa: ARG002 - texts of any length pool to one size
        """Count the numbers in the features of a unit."""
        texts = 2 if self.config.pairs else 1
        if self.embedding is not None:
            return texts * self.embedding.size
        return texts * self.config.depth * len(POOLINGS) * int(self.encoder.config.hidden_size)

    def stacked(self, rows: Sequence[Tensor]) -> Tensor:
        """Stack the features (L, P, H) of several units to the inputs (B, F) of the head."""
        return self.head.select(torch.stack(list(rows)))

    def features(self, attention_mask: Tensor, token_type_ids: Tensor | None = None, **inputs: Tensor | None) -> Tensor:
        """Pool the states of the layers that are read, in every way at once: (B, L, 3, H), of pairs (B, L, 6, H).

        Where the source makes an embedding of its own, that is all: (B, 1, 1, F), of pairs (B, 1, 2, F).
        """
        if self.config.pairs:
            types = torch.zeros_like(attention_mask) if token_type_ids is None else token_type_ids
            parts = split_pairs(attention_mask, types, inputs, self.config.pad_token_id or 0)
            return torch.cat([self._pool_text(mask, given) for mask, given in parts], dim=2)
        return self._pool_text(attention_mask, {**inputs, "token_type_ids": token_type_ids})

    def _pool_text(self, mask: Tensor, inputs: Mapping[str, Tensor | None]) -> Tensor:
        layers = self.states(mask, **inputs)
        if self.embedding is not None:
            embedded: Tensor = self.embedding(layers[-1], mask)[:, None, None]
            return embedded
        return torch.stack([pool(states, mask) for states in layers], dim=1)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        ngram_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        features: Tensor | None = None,
        labels: Tensor | None = None,
        return_dict: bool | None = None,  # noqa: ARG002 - part of the interface of classifiers
    ) -> SequenceClassifierOutput:
        """Classify texts, or `features` that were computed before."""
        if features is None:
            if attention_mask is None:
                some = input_ids if input_ids is not None else inputs_embeds[..., 0]  # type: ignore[index]
                attention_mask = torch.ones_like(some, dtype=torch.long)

            features = self.features(
                attention_mask,
                input_ids=input_ids,
                token_type_ids=token_type_ids,
                ngram_ids=ngram_ids,
                inputs_embeds=inputs_embeds,
            )

        logits = self.head(features)
        loss = None
        if labels is not None and self.config.problem_type == "regression":
            loss = nn.functional.mse_loss(logits.flatten(), labels.flatten().to(logits))
        elif labels is not None and self.config.problem_type == "multi_label_classification":
            loss = nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
        elif labels is not None:
            loss = nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


# transformers documents this registration for models outside its own code.
AutoConfig.register(PooledConfig.model_type, PooledConfig, exist_ok=True)
AutoModelForSequenceClassification.register(PooledConfig, PooledClassifier, exist_ok=True)
