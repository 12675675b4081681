"""Classify texts, by sentiment or by anything else: each text has one of two or more labels."""

import logging
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

import nlp_transfer as nt

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from nlp_transfer import (
        Baseline,
        Batch,
        Encoded,
        LoadedModel,
        Prediction,
        RoleKind,
        Scores,
        Source,
        Splits,
        TaskRows,
        Tokenizers,
    )

log = logging.getLogger(__name__)
FEW = 500  # rows of train
Units = Annotated[int, Field(ge=1)]
Pooling = Literal["cls", "mean", "max"]


class HeadOptions(nt.Section):
    """Options of the head on the encoder."""

    kind: Literal["auto", "native", "pooled"] = Field(
        "auto",
        description="`native`: the architecture's own head; `pooled`: pooled states under one as described below. "
        "auto: pooled if frozen, described, or the architecture has none.",
    )
    pooling: Literal["auto", "own", "cls", "mean", "max"] | Annotated[list[Pooling], Field(min_length=1)] = Field(
        "auto",
        description="How token states become one; several stand side by side. `own`: the embedding of a "
        "sentence-transformers folder, by its pooling, dense layers and normalisation. auto: own if frozen, max for a "
        "CNN, else as the configuration of the checkpoint says of classifiers, or mean.",
    )
    layers: Literal["auto", "last", "last_four", "mix"] | Annotated[list[int], Field(min_length=1)] = Field(
        "auto",
        description="Which hidden states: the last, the mean of the last four (or of all, if fewer), a learned mean of "
        "all, or indices (0: embeddings, -1: last) side by side. auto: last_four of a frozen checkpoint, else last.",
    )
    hidden: list[Units] = Field(default_factory=list, description="Units of hidden layers with ReLU; none: linear.")
    dropout: float = Field(0.1, ge=0.0, lt=1.0, description="Before each layer of the head.")

    @property
    def described(self) -> bool:
        """Whether an option is set that only a pooled head has."""
        return bool(self.changed("pooling", "hidden", "dropout")) or self.layers not in ("auto", "last")

    def build(
        self,
        source: "Source",
        labels: Sequence[str],
        *,
        frozen: bool,
        several: bool = False,
        pair: Literal["together", "apart"] | None = None,
        numbers: Sequence[float] | None = None,
    ) -> "LoadedModel":
        """Put the head that these options describe on a source; see `nlp_transfer.build_classifier`."""
        alone = not source.offers("AutoModelForSequenceClassification")  # no head of its own, such as word vectors
        pooled = frozen or alone or self.described or pair == "apart" if self.kind == "auto" else self.kind == "pooled"

        pooling, layers = source.pooling if self.pooling == "auto" else self.pooling, self.layers
        free = frozen and self.pooling == "auto" and layers in ("auto", "last")
        if free and pooled and source.embedding is not None and source.embedding.whole:
            pooling = "own"
        if pooling == "own":
            layers = "last"
        return nt.build_classifier(
            source,
            labels,
            head="pooled" if pooled else "native",
            pooling=[pooling] if isinstance(pooling, str) else pooling,
            layers=layers,
            frozen=frozen,
            hidden=self.hidden,
            dropout=self.dropout,
            several=several,
            pair=pair,
            numbers=numbers,
        )

    @model_validator(mode="after")
    def _agree(self) -> "HeadOptions":
        """Refuse options of a pooled head for a native one."""
        if self.kind == "native" and self.described:
            raise ValueError("kind: native is as its architecture has it; the other keys describe a pooled head")
        if self.pooling == "own" and self.layers not in ("auto", "last"):
            raise ValueError("pooling: own reads the last layer; leave out layers, or take another pooling")
        return self


class SentimentOptions(nt.TaskOptions):
    """Options of the sentiment task."""

    max_length: Annotated[int, Field(ge=8, le=8192)] = Field(
        256, description="Of a text or window in tokens, special ones too."
    )
    long_documents: Literal["head", "head_tail", "window"] = Field(
        "head", description="Keep the head; a quarter of head and the tail; or windows with averaged logits."
    )
    max_windows: Annotated[int, Field(ge=1)] = Field(8, description="Of `window`: at most this many a document.")
    class_weights: Literal["none", "balanced", "auto"] = Field(
        "none",
        description="`balanced`: classes count alike. `auto`, for a head that is solved: none, balanced or half way, "
        "whichever scores best by `training.selection`, such as macro_f1.",
    )
    head: HeadOptions = Field(HeadOptions(), description="See `task.head`.")


class Sentiment(nt.Task):
    """Map a text to a label."""

    Options = SentimentOptions
    roles: ClassVar[dict[str, "RoleKind"]] = {"text": "text", "label": "label"}
    selection = "accuracy"
    selectable = ("accuracy", "macro_f1", "mcc")
    shown = ("accuracy", "macro_f1")
    logits_only = True
    length_option = "max_length"
    solved_as = "softmax"
    probabilities = "softmax"
    auto_class = "AutoModelForSequenceClassification"
    pipeline_tag = "text-classification"
    hub_metrics: ClassVar[dict[str, str]] = {"macro_f1": "f1", "mcc": "matthews_correlation"}
    example = "It was better than I had hoped."  # of a film, a meal or a telephone
    options: SentimentOptions

    @property
    def chooses_weights(self) -> bool:
        """Whether the solver of a head chooses how far classes count alike."""
        return isinstance(self.options, SentimentOptions) and self.options.class_weights == "auto"

    def build(self, source: "Source", rows: "TaskRows", *, frozen: bool) -> "LoadedModel":
        """Build a classifier with the label names in its configuration."""
        head = self.options.head
        own = head.kind == "auto" and not (frozen or head.described or source.scratch)
        if own and source.embedding is not None and 0 < len(rows) < FEW:  # trained in pooled states alone
            log.info(
                "%d rows hardly teach the architecture's own head what a text says; task.head.kind=pooled with "
                "training.epochs=auto begins at what the source has learned", len(rows),
            )  # fmt: skip
        return head.build(source, self.labels, frozen=frozen)

    def encode(self, rows: "TaskRows", tokenizers: "Tokenizers", *, training: bool = False) -> "Encoded":
        """Tokenize by the policy for long documents."""
        labels = rows["label"][:] if "label" in rows.column_names else None
        balanced = training and labels is not None and self.options.class_weights == "balanced"
        return nt.encode_documents(
            rows["text"][:],
            tokenizers.source,
            max_length=self.options.max_length,
            policy=self.options.long_documents,
            max_windows=self.options.max_windows,
            targets=labels,
            importance=nt.balanced_importance(labels) if balanced and labels is not None else None,
        )

    def loss(self, model: "torch.nn.Module", batch: "Batch", *, smoothing: float) -> "torch.Tensor":
        """Sum the weighted cross-entropies of a batch."""
        return nt.classification_loss(model, batch, smoothing=smoothing)

    def infer(self, model: "PreTrainedModel", batch: "Batch", *, quick: bool = False) -> list[Any]:
        """Compute a row of logits for each unit; there is no quicker way."""
        return nt.classification_logits(model, batch)

    def decode(
        self,
        results: "Sequence[Sequence[Any]]",
        rows: "TaskRows",
        tokenizers: "Tokenizers",
    ) -> list["Prediction"]:
        """Choose the likeliest label, by the softmax of the mean logits of a document's units."""
        return [nt.choose_likeliest(found) for found in nt.mean_probabilities(results, self.labels)]

    def score(self, predictions: "Sequence[Prediction]", rows: "TaskRows") -> "Scores":
        """Compute accuracy, macro-F1, Matthews correlation, and precision, recall and F1 of each class."""
        index = {label: i for i, label in enumerate(self.labels)}
        return nt.classification_scores([index[one["label"]] for one in predictions], rows["label"][:], self.labels)

    def hits(self, predictions: "Sequence[Prediction]", rows: "TaskRows") -> list[float]:
        """Score each example: 1 if its label is right, else 0."""
        return [
            float(one["label"] == self.labels[label]) for one, label in zip(predictions, rows["label"][:], strict=True)
        ]

    def simple(self, rows: "TaskRows") -> "dict[str, list[Prediction]]":
        """Predict the most frequent class of the rows themselves."""
        (label, _), *_ = Counter(rows["label"][:]).most_common(1)
        return {"majority": [{"label": self.labels[label]}] * len(rows)}

    def baselines(self, splits: "Splits") -> "dict[str, Baseline[Prediction]]":
        """Predict the most frequent class, and by TF-IDF with logistic regression under the same class weights."""
        weights = self.options.class_weights
        found = nt.classification_baselines(splits, class_weights=weights, selection=self.selection)
        return {name: one.convert(lambda label: {"label": self.labels[label]}) for name, one in found.items()}
