"""Adapt a pretrained model to texts without labels: it goes on to learn as it was pretrained, on these texts.

nlp-transfer adapt minilm reviews.csv runs/adapted
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

import nlp_transfer as nt

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from nlp_transfer import (
        Batch,
        Encoded,
        LoadedModel,
        Masking,
        Noise,
        Prediction,
        RoleKind,
        Scores,
        Source,
        TaskRows,
        Tokenizers,
    )


class AdaptationOptions(nt.TaskOptions):
    """Options of the adaptation to texts."""

    objective: Literal["masked", "denoising"] = Field(
        "masked",
        description="`masked`: an encoder finds hidden words; `denoising`: an encoder-decoder mends spoilt texts.",
    )
    max_length: Annotated[int, Field(ge=8, le=8192)] = Field(
        128, description="Tokens of a unit, special ones included; a longer text is cut in several."
    )
    whole_words: bool = Field(False, description="Hide all pieces of a word, or none; of `masked`.")
    new_words: Annotated[int, Field(ge=0, le=100_000)] = Field(
        0, description="Add so many of the most frequent words that the vocabulary splits, each as one token."
    )


class Adaptation(nt.Task):
    """Find hidden words (Devlin et al. 2019; Gururangan et al. 2020, Don't stop pretraining)."""

    Options = AdaptationOptions
    roles: ClassVar[dict[str, "RoleKind"]] = {"text": "text"}
    selection = "log_probability"
    shown: ClassVar[tuple[str, ...]] = ("pseudo_perplexity", "log_probability")
    selectable: ClassVar[tuple[str, ...]] = ("log_probability",)
    points = 1.0
    compared = "log-probability of a hidden token"
    spoils_inputs = True
    untrained = "unadapted"
    length_option = "max_length"
    auto_class = "AutoModelForMaskedLM"
    pipeline_tag: ClassVar[str | None] = "fill-mask"
    example = "A short text."
    options: AdaptationOptions
    masking: "Masking"  # read off the vocabulary when the model is built, for the loss sees ids alone

    @classmethod
    def for_options(cls, options: AdaptationOptions) -> "type[Adaptation]":
        """Choose the class of the objective."""
        return Denoising if options.objective == "denoising" else cls

    def build(self, source: "Source", rows: "TaskRows", *, frozen: bool) -> "LoadedModel":
        """Put a masked-language-model head above the encoder, and new words of the rows into its vocabulary.

        Raises:
            ConfigError: the encoder would rest.
        """
        if frozen:
            raise nt.ConfigError("strategy.kind: frozen would train a new head alone; take full, lora or gradual")
        loaded = nt.build_masked(source)
        nt.add_new_words(loaded.model, source.tokenizer, rows["text"], self.options.new_words)
        self.masking = nt.Masking.of(source.tokenizer, whole_words=self.options.whole_words)
        return loaded

    def encode(self, rows: "TaskRows", tokenizers: "Tokenizers", *, training: bool = False) -> "Encoded":
        """Cut texts into units; what is measured has its hidden words fixed."""
        encoded = nt.encode_chunks(rows["text"][:], tokenizers.source, max_length=self.options.max_length)
        if training:
            return encoded
        return nt.Masking.of(tokenizers.source, whole_words=self.options.whole_words).hide_fixed(encoded)

    def loss(self, model: "torch.nn.Module", batch: "Batch", *, smoothing: float) -> "torch.Tensor":
        """Hide words, others in every epoch, and sum the cross-entropies of these."""
        return nt.masked_loss(model, batch, self.masking)

    def infer(self, model: "PreTrainedModel", batch: "Batch", *, quick: bool = False) -> list[Any]:
        """Sum the log-probabilities of the hidden tokens of each unit, and count them."""
        return nt.measure_hidden(model, batch)

    def decode(
        self, results: "Sequence[Sequence[Any]]", rows: "TaskRows", tokenizers: "Tokenizers"
    ) -> list["Prediction"]:
        """Give the mean log-probability of a hidden token of each text, and their number: 0 if all are unknown."""
        totals = [[sum(column) for column in zip(*units, strict=True)] for units in results]
        return [{"log_probability": total / max(1, count), "tokens": count} for total, count in totals]

    def score(self, predictions: "Sequence[Prediction]", rows: "TaskRows") -> "Scores":
        """Compute the mean log-probability of the hidden tokens, in nats, and the perplexity that follows from it.

        Raises:
            DataError: there are none.
        """
        tokens = sum(one["tokens"] for one in predictions)
        if not tokens:
            raise nt.DataError("the vocabulary of the source knows no word of the texts; take one for their language")
        mean = sum(one["log_probability"] * one["tokens"] for one in predictions) / tokens
        return {"log_probability": mean, "pseudo_perplexity": math.exp(-mean), "tokens": tokens}

    def hits(self, predictions: "Sequence[Prediction]", rows: "TaskRows") -> list[float]:
        """Take the mean log-probability of each text."""
        return [float(one["log_probability"]) for one in predictions]


class Denoising(Adaptation):
    """Mend spoilt texts: spans that are taken out (T5), or filled by a mask (BART)."""

    auto_class = "AutoModelForSeq2SeqLM"
    pipeline_tag = None
    compared = "log-probability of a target token"
    noise: "Noise"  # as `masking`

    def build(self, source: "Source", rows: "TaskRows", *, frozen: bool) -> "LoadedModel":
        """Load an encoder-decoder, and put new words of the rows into its vocabulary."""
        loaded = nt.build_denoising(source)
        nt.add_new_words(loaded.model, source.tokenizer, rows["text"], self.options.new_words)
        self.noise = nt.Noise.of(source.tokenizer)
        return loaded

    def encode(self, rows: "TaskRows", tokenizers: "Tokenizers", *, training: bool = False) -> "Encoded":
        """Cut texts into units; what is measured is spoilt in a fixed way."""
        encoded = nt.encode_chunks(rows["text"][:], tokenizers.source, max_length=self.options.max_length)
        return encoded if training else nt.Noise.of(tokenizers.source).spoil_fixed(encoded)

    def loss(self, model: "torch.nn.Module", batch: "Batch", *, smoothing: float) -> "torch.Tensor":
        """Spoil the texts, otherwise in every epoch, and sum the cross-entropies of what is to be written."""
        return nt.denoising_loss(model, batch, self.noise)

    def infer(self, model: "PreTrainedModel", batch: "Batch", *, quick: bool = False) -> list[Any]:
        """Sum the log-probabilities of the target tokens of each unit, and count them."""
        return nt.measure_mended(model, batch)
