"""Translate texts, or rewrite them in any other way."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

import nlp_transfer as nt

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from nlp_transfer import Batch, Encoded, LoadedModel, Prediction, RoleKind, Scores, Source, TaskRows, Tokenizers

Length = Annotated[int, Field(ge=4, le=8192)]


class TranslationOptions(nt.WritingOptions):
    """Options of the translation task."""

    max_length: Length = Field(128, description="Tokens of a source text, special ones included; the rest is cut off.")
    max_target_length: Length = Field(128, description="Tokens of a target text, special ones included.")
    ter: bool = Field(False, description="Report TER too; it is slow.")


class Translation(nt.Task):
    """Map a source text to a target text."""

    Options = TranslationOptions
    roles: ClassVar[dict[str, "RoleKind"]] = {"source": "text", "target": "text"}
    selection = "chrf"
    length_option = "max_length"
    selectable = ("chrf", "bleu")
    shown = ("bleu", "chrf", "ter")
    points = 1.0
    compared = "sentence chrF"
    sample = 200
    pipeline_tag = "translation"
    example = "Save the notebook"
    auto_class = "AutoModelForSeq2SeqLM"
    options: TranslationOptions

    def build(self, source: "Source", rows: "TaskRows", *, frozen: bool) -> "LoadedModel":
        """Build an encoder with a decoder."""
        return nt.build_seq2seq(
            source,
            rows["target"][:],
            decoder=self.options.decoder,
            generation=self.options.generation,
            max_target_length=self.options.max_target_length,
            languages=(self.options.source_language, self.options.target_language),
        )

    def encode(self, rows: "TaskRows", tokenizers: "Tokenizers", *, training: bool = False) -> "Encoded":
        """Tokenize both sides."""
        options = self.options
        nt.set_languages(tokenizers, options.source_language, options.target_language)
        return nt.encode_pairs(
            rows["source"][:],
            rows["target"][:] if training else None,
            tokenizers,
            max_length=options.max_length,
            max_target_length=options.max_target_length,
            prefix=options.prefix,
        )

    def loss(self, model: "torch.nn.Module", batch: "Batch", *, smoothing: float) -> "torch.Tensor":
        """Compute the cross-entropy of the target tokens."""
        return nt.seq2seq_loss(model, batch, smoothing=smoothing)

    def infer(self, model: "PreTrainedModel", batch: "Batch", *, quick: bool = False) -> list[Any]:
        """Generate token ids; greedily to judge an epoch."""
        return nt.generate(model, batch, quick=quick)

    def decode(
        self, results: "Sequence[Sequence[Any]]", rows: "TaskRows", tokenizers: "Tokenizers"
    ) -> list["Prediction"]:
        """Decode token ids to text."""
        return [{"translation": text} for text in nt.decode_texts(results, tokenizers)]

    def score(self, predictions: "Sequence[Prediction]", rows: "TaskRows") -> "Scores":
        """Compute corpus BLEU and chrF, and TER on request, with their signatures."""
        return nt.translation_scores(_list_texts(predictions), rows["target"][:], ter=self.options.ter)

    def hits(self, predictions: "Sequence[Prediction]", rows: "TaskRows") -> list[float]:
        """Compute the chrF of each example."""
        return nt.sentence_chrf(_list_texts(predictions), rows["target"][:])

    def references(self, rows: "TaskRows") -> list["Prediction"]:
        """Return the target texts."""
        return [{"translation": text} for text in rows["target"][:]]

    def simple(self, rows: "TaskRows") -> "dict[str, list[Prediction]]":
        """Copy the source text as its own translation."""
        return {"copy_source": [{"translation": text} for text in rows["source"][:]]}


def _list_texts(predictions: "Sequence[Prediction]") -> list[str]:
    return [str(one["translation"]) for one in predictions]
