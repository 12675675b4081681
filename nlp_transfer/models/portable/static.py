"""Make a table of static word vectors an ordinary `transformers` model and tokenizer.

Self-contained on purpose: a copy of this file travels with published models.
"""

from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.modeling_outputs import BaseModelOutput
from transformers.tokenization_utils_base import BatchEncoding
from transformers.utils.generic import PaddingStrategy

from .words import look_up

KERNELS = (3, 4, 5)  # Kim 2014, section 3.1
HEADS = 4


class StaticConfig(PretrainedConfig):
    """Hold the shape of a `StaticModel`: the table and the contextualizer above it."""

    model_type = "static_vectors"

    def __init__(
        self,
        vocab_size: int = 2,
        vector_size: int = 50,
        contextualizer: str = "bag",
        width: int = 100,
        num_hidden_layers: int = 1,
        dropout: float = 0.1,
        ngram_buckets: int = 0,
        **settings: Any,
    ) -> None:
        """Keep plain values, and derive `hidden_size`, the width of the output, from the contextualizer."""
        self.vocab_size = vocab_size
        self.vector_size = vector_size
        self.contextualizer = contextualizer
        self.width = width
        self.num_hidden_layers = num_hidden_layers
        self.dropout = dropout
        self.ngram_buckets = ngram_buckets
        settings.pop("hidden_size", None)
        self.hidden_size = {"bag": vector_size, "cnn": len(KERNELS) * width}.get(contextualizer, width)
        super().__init__(**{"pad_token_id": 0, "unk_token_id": 1, **settings})


class Convolution(nn.Module):
    """Apply filters of three sizes to the word vectors (Kim 2014), with one output for each position."""

    def __init__(self, config: StaticConfig) -> None:
        """Make one convolution for each kernel size."""
        super().__init__()
        self.filters = nn.ModuleList(
            nn.Conv1d(config.vector_size, config.width, size, padding=size // 2) for size in KERNELS
        )

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Put vectors in context: (B, T, D), (B, T) -> (B, T, 3 * width)."""
        signal = (vectors * mask[..., None]).transpose(1, 2)
        length = signal.shape[2]  # an even kernel yields one position more
        return torch.cat([layer(signal)[..., :length] for layer in self.filters], dim=1).relu().transpose(1, 2)


class Recurrence(nn.Module):
    """Apply a bidirectional LSTM (Hochreiter & Schmidhuber 1997)."""

    def __init__(self, config: StaticConfig) -> None:
        """Give each direction half of the width."""
        super().__init__()
        self.lstm = nn.LSTM(
            config.vector_size, config.width // 2, config.num_hidden_layers, batch_first=True, bidirectional=True
        )

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Put vectors in context: (B, T, D), (B, T) -> (B, T, width); both directions skip the padding."""
        lengths = mask.sum(1).clamp(min=1).long().cpu()
        packed = nn.utils.rnn.pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        states, _ = nn.utils.rnn.pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=vectors.shape[1]
        )
        return states


class Attention(nn.Module):
    """Apply a small pre-norm Transformer encoder with sinusoidal positions (Vaswani et al. 2017)."""

    def __init__(self, config: StaticConfig) -> None:
        """Project the vectors to the width of the layers."""
        super().__init__()
        self.projection = nn.Linear(config.vector_size, config.width)
        layer = nn.TransformerEncoderLayer(
            config.width, HEADS, 4 * config.width, config.dropout, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, config.num_hidden_layers, enable_nested_tensor=False)

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Put vectors in context: (B, T, D), (B, T) -> (B, T, width)."""
        states = self.projection(vectors)
        states = states + _sinusoids(states)
        blocked = torch.zeros_like(mask, dtype=states.dtype).masked_fill(mask == 0, torch.finfo(states.dtype).min)
        return self.layers(states, src_key_padding_mask=blocked)  # type: ignore[no-any-return]


def _sinusoids(states: Tensor) -> Tensor:
    """Compute positions (T, width) each time, because a buffer would be lost when weights are loaded lazily."""
    length, width = states.shape[1], states.shape[2]  # by index: an exporter takes a slice of a shape for a constant
    position = torch.arange(length, device=states.device, dtype=torch.float32)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, device=states.device) * (-9.210340371976184 / width))
    table = torch.stack([torch.sin(position * rate), torch.cos(position * rate)], dim=-1)
    return table.flatten(1)[:, :width].to(states.dtype)


POOLING: dict[str, Literal["mean", "max"]] = {"cnn": "max"}  # over time, Kim 2014; the mean of all others
CONTEXTUALIZERS: dict[str, type[nn.Module]] = {"cnn": Convolution, "bilstm": Recurrence, "transformer": Attention}


class StaticModel(PreTrainedModel):
    """Look word vectors up in a table, and put them in context if asked; used like any encoder."""

    config: StaticConfig
    config_class = StaticConfig
    base_model_prefix = "static"
    main_input_name = "input_ids"
    embeddings: nn.Embedding

    def __init__(self, config: StaticConfig) -> None:
        """Build the table, the table of n-grams for fastText, and the contextualizer."""
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.vector_size, padding_idx=config.pad_token_id)
        self.ngrams = nn.Embedding(config.ngram_buckets, config.vector_size) if config.ngram_buckets else None
        context = CONTEXTUALIZERS.get(config.contextualizer)
        self.contextualizer = context(config) if context else None
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """Keep the initialisation of PyTorch for each module but the tables."""
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.1)
        elif hasattr(module, "reset_parameters"):
            module.reset_parameters()  # type: ignore[operator]

    def get_input_embeddings(self) -> nn.Module:
        """Return the table."""
        return self.embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replace the table."""
        self.embeddings = value  # type: ignore[assignment]

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        ngram_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_hidden_states: bool | None = None,
        output_attentions: bool | None = None,  # noqa: ARG002 - part of the interface of encoders
        return_dict: bool | None = None,
    ) -> BaseModelOutput | tuple[Tensor, ...]:
        """Look up word vectors and put them in context.

        Args:
            input_ids: (B, T) word ids.
            attention_mask: (B, T), 1 for words.
            ngram_ids: (B, T, K) n-gram ids of unknown words, -1 elsewhere; their mean replaces the unknown vector.
            inputs_embeds: (B, T, D) vectors in place of `input_ids`.
            output_hidden_states: return the word vectors and the output as `hidden_states`.
            output_attentions: ignored, because there are none.
            return_dict: `False` returns a tuple.
        """
        if inputs_embeds is None:
            if input_ids is None:
                raise ValueError("StaticModel needs input_ids or inputs_embeds")
            inputs_embeds = self.embeddings(input_ids)
            if ngram_ids is not None and self.ngrams is not None:
                inputs_embeds = self._compose(inputs_embeds, ngram_ids)

        if attention_mask is None:
            attention_mask = inputs_embeds.new_ones(inputs_embeds.shape[:2])

        states = inputs_embeds
        if self.contextualizer is not None:
            states = self.contextualizer(inputs_embeds, attention_mask)

        hidden = (inputs_embeds, states) if output_hidden_states else None
        if return_dict is False:
            return (states,) if hidden is None else (states, hidden)  # type: ignore[return-value]
        return BaseModelOutput(last_hidden_state=states, hidden_states=hidden)

    def _compose(self, vectors: Tensor, ngram_ids: Tensor) -> Tensor:
        """Give unknown words the mean of their n-gram vectors (Bojanowski et al. 2017, section 3.2)."""
        assert self.ngrams is not None  # noqa: S101 - checked by the caller
        present = (ngram_ids >= 0).to(vectors.dtype)
        total = present.sum(-1, keepdim=True)
        mean = (self.ngrams(ngram_ids.clamp(min=0)) * present[..., None]).sum(-2) / total.clamp(min=1)
        return torch.where(total > 0, mean, vectors)


class StaticTokenizer(PreTrainedTokenizerFast):
    """Tokenize into words, and try variants of a word before calling it unknown; or into the tokens of a table's own.

    A word that the vocabulary lacks is tried with its accents composed or decomposed, as the vocabulary has them; then
    in lower case; then with each digit as `#` (the convention of word2vec's news vectors) or as `0`. With
    `ngram_buckets` (fastText) a word that is still unknown gets the ids of its n-grams.

    With `hashing` (floret) every word has such ids, and no variant is tried.

    A table may bring a tokenizer of its own (`own_tokens`), which has no variants; `dropped_id` is a token that it
    leaves out of every text.
    """

    model_input_names = ["input_ids", "attention_mask"]  # noqa: RUF012 - the interface of transformers

    # No __init__: transformers rebuilds a subclass that has one from its vocabulary alone. Settings are in init_kwargs.

    @property
    def ngram_buckets(self) -> int:
        """The rows of the n-gram table; 0 without one."""
        return int(self.init_kwargs.get("ngram_buckets", 0))

    def _encode_plus(
        self, text: Any, text_pair: Any = None, *args: Any, return_tensors: Any = None, **settings: Any
    ) -> BatchEncoding:
        encoded = super()._encode_plus(text, text_pair, *args, **settings)
        batched = isinstance(text, list | tuple)
        if self.init_kwargs.get("own_tokens"):
            padded = settings.get("padding_strategy", PaddingStrategy.DO_NOT_PAD) != PaddingStrategy.DO_NOT_PAD
            self._drop(encoded, batched, padded)
        else:
            self._look_again(encoded, text, text_pair, batched)
        return encoded.convert_to_tensors(return_tensors, prepend_batch_axis=not batched) if return_tensors else encoded

    def _drop(self, encoded: BatchEncoding, batched: bool, padded: bool) -> None:
        """Leave out the token `dropped_id`; where rows were padded to one length, padding takes its place."""
        dropped = self.init_kwargs.get("dropped_id")
        rows = encoded["input_ids"] if batched else [encoded["input_ids"]]
        if dropped is None or not any(dropped in row for row in rows):
            return

        kept = [[at for at, token in enumerate(row) if token != dropped] for row in rows]
        for name, column in list(encoded.items()):
            filler = self.pad_token_id if name == "input_ids" else 0
            whole = column if batched else [column]
            short = [[row[at] for at in places] for row, places in zip(whole, kept)]  # noqa: B905
            if padded:
                short = [new + [filler] * (len(row) - len(new)) for row, new in zip(whole, short)]  # noqa: B905
            encoded[name] = short if batched else short[0]

    def _look_again(self, encoded: BatchEncoding, text: Any, text_pair: Any, batched: bool) -> None:
        """Look up variants of the words that are unknown, and add the n-grams of those that stay so."""
        texts = text if batched else [text]
        others = [""] * len(texts) if text_pair is None else text_pair if batched else [text_pair]

        if encoded.encodings and all(isinstance(one, str) for one in texts) and len(encoded.encodings) == len(texts):
            rows = encoded["input_ids"] if batched else [encoded["input_ids"]]
            pairs = zip(texts, others)  # noqa: B905
            grams = [list(self._rescue(pair, ids, enc)) for pair, ids, enc in zip(pairs, rows, encoded.encodings)]  # noqa: B905
            if self.ngram_buckets and any(grams):
                padded = _pad_ngrams(grams, [len(ids) for ids in rows])
                encoded["ngram_ids"] = padded if batched else padded[0]

    def _rescue(self, texts: tuple[str, str], ids: list[int], encoding: Any) -> Iterator[tuple[int, list[int]]]:
        """Replace unknown ids by those of known variants; yield (position, n-gram ids) for what stays unknown.

        Args:
            texts: one, and the one that is read with it; empty where there is none.
            ids: of the tokens of both.
            encoding: where in which text each stands.
        """
        offsets, of = encoding.offsets, encoding.sequence_ids if texts[1] else [0] * len(ids)
        find, lower = self.backend_tokenizer.token_to_id, self.backend_tokenizer.normalizer is not None
        for position, token in enumerate(ids):
            if token != self.unk_token_id:
                continue

            start, end = offsets[position]
            word = texts[of[position] or 0][start:end]
            found, grams = look_up(word, find, self.init_kwargs, lower=lower)
            if found is not None:
                ids[position] = found
            elif self.ngram_buckets:
                yield position, grams


def _pad_ngrams(grams: list[list[tuple[int, list[int]]]], lengths: list[int]) -> list[list[list[int]]]:
    most = max(1, *(len(ids) for row in grams for _, ids in row))  # at least 1, as a word may be too short for n-grams
    padded = [[[-1] * most for _ in range(length)] for length in lengths]
    for row, found in zip(padded, grams, strict=True):
        for position, ids in found:
            row[position][: len(ids)] = ids
    return padded


# transformers documents this registration for models outside its own code.
AutoConfig.register(StaticConfig.model_type, StaticConfig, exist_ok=True)
AutoModel.register(StaticConfig, StaticModel, exist_ok=True)
AutoTokenizer.register(StaticConfig, fast_tokenizer_class=StaticTokenizer, exist_ok=True)
