"""Map two texts to a label, such as whether one follows from the other, or to a number, such as their similarity."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

import nlp_transfer as nt
from nlp_transfer_tasks.sentiment import HeadOptions

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


class PairsOptions(nt.TaskOptions):
    """Options of the task of two texts."""

    target: Literal["label", "number"] = Field(
        "label", description="What two texts have: a label, or a number such as how alike they are."
    )
    max_length: Annotated[int, Field(ge=16, le=8192)] = Field(
        256, description="Of both texts in tokens, special ones too; the longer one is cut first."
    )
    texts: Literal["auto", "together", "apart"] = Field(
        "auto",
        description="`together`: in one unit, so that the encoder compares them; `apart`: each by itself, and a pooled "
        "head compares them. auto: apart on word vectors and on a frozen encoder, which cannot learn to compare.",
    )
    class_weights: Literal["none", "balanced", "auto"] = Field(
        "none",
        description="`balanced`: classes count alike. `auto`, for a head that is solved: none, balanced or half way, "
        "whichever scores best by `training.selection`, such as macro_f1.",
    )
    head: HeadOptions = Field(HeadOptions(), description="See `task.head`.")

    @model_validator(mode="after")
    def _agree(self) -> "PairsOptions":
        if self.texts == "apart" and self.head.kind == "native":
            raise ValueError("texts: apart needs head.kind: pooled, which compares them")
        if self.target == "number" and self.class_weights != "none":
            raise ValueError("class_weights: numbers have no classes; leave it out")
        return self


class Pairs(nt.Task):
    """Map two texts to a label."""

    Options = PairsOptions
    roles: ClassVar[dict[str, "RoleKind"]] = {"first": "text", "second": "text", "label": "label"}
    inputs = ("first", "second")
    length_option = "max_length"
    selection = "accuracy"
    selectable: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1", "mcc")
    shown: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1")
    logits_only = True
    solved_as: ClassVar[Literal["softmax", "identity"]] = "softmax"
    probabilities = "softmax"
    auto_class = "AutoModelForSequenceClassification"
    pipeline_tag = "text-classification"
    hub_metrics: ClassVar[dict[str, str]] = {"macro_f1": "f1", "mcc": "matthews_correlation"}
    example: ClassVar[dict[str, str]] = {"first": "A man plays a guitar.", "second": "Somebody makes music."}
    options: PairsOptions

    @classmethod
    def for_options(cls, options: PairsOptions) -> "type[Pairs]":
        """Choose the class: numbers have other roles, scores and loss than labels."""
        return NumberPairs if options.target == "number" else cls

    @property
    def chooses_weights(self) -> bool:
        """Whether the solver of a head chooses how far classes count alike."""
        return isinstance(self.options, PairsOptions) and self.options.class_weights == "auto"

    def build(self, source: "Source", rows: "TaskRows", *, frozen: bool) -> "LoadedModel":
        """Build a classifier with the label names in its configuration."""
        return self.options.head.build(
            source, self.labels, frozen=frozen, pair=self._choose_reading(source, frozen=frozen)
        )

    def _choose_reading(self, source: "Source", *, frozen: bool) -> Literal["together", "apart"]:
        """Choose how the texts are read: apart if the encoder cannot learn to compare them."""
        if self.options.texts != "auto":
            return self.options.texts
        alone = frozen or not source.has_layers
        return "apart" if alone and self.options.head.kind != "native" else "together"

    def encode(self, rows: "TaskRows", tokenizers: "Tokenizers", *, training: bool = False) -> "Encoded":
        """Tokenize both texts into one unit."""
        labels = rows["label"][:] if "label" in rows.column_names else None
        balanced = training and self.options.class_weights == "balanced"
        return nt.encode_text_pairs(
            rows["first"][:],
            rows["second"][:],
            tokenizers.source,
            max_length=self.options.max_length,
            targets=labels,
            importance=nt.balanced_importance(labels) if balanced and labels is not None else None,
        )

    def loss(self, model: "torch.nn.Module", batch: "Batch", *, smoothing: float) -> "torch.Tensor":
        """Sum the weighted cross-entropies of a batch."""
        return nt.classification_loss(model, batch, smoothing=smoothing)

    def infer(self, model: "PreTrainedModel", batch: "Batch", *, quick: bool = False) -> list[Any]:
        """Compute a row of logits for each pair; there is no quicker way."""
        return nt.classification_logits(model, batch)

    def decode(
        self, results: "Sequence[Sequence[Any]]", rows: "TaskRows", tokenizers: "Tokenizers"
    ) -> list["Prediction"]:
        """Choose the likeliest label, by the softmax of the logits."""
        return [nt.choose_likeliest(found) for found in nt.mean_probabilities(results, self.labels)]

    def score(self, predictions: "Sequence[Prediction]", rows: "TaskRows") -> "Scores":
        """Compute accuracy, macro-F1, Matthews correlation, and precision, recall and F1 of each class."""
        index = {label: i for i, label in enumerate(self.labels)}
        return nt.classification_scores([index[one["label"]] for one in predictions], rows["label"][:], self.labels)

    def hits(self, predictions: "Sequence[Prediction]", rows: "TaskRows") -> list[float]:
        """Score each pair: 1 if its label is right, else 0."""
        return [
            float(one["label"] == self.labels[label]) for one, label in zip(predictions, rows["label"][:], strict=True)
        ]

    def simple(self, rows: "TaskRows") -> "dict[str, list[Prediction]]":
        """Answer with the most frequent class of the rows themselves."""
        (label, _), *_ = Counter(rows["label"][:]).most_common(1)
        return {"majority": [{"label": self.labels[label]}] * len(rows)}

    def baselines(self, splits: "Splits") -> "dict[str, Baseline[Prediction]]":
        """Fit the most frequent class, and logistic regression on TF-IDF of both texts under the same class weights."""
        weights = self.options.class_weights
        found = nt.classification_baselines(
            splits, class_weights=weights, selection=self.selection, texts=self.input_roles()
        )
        return {name: one.convert(lambda label: {"label": self.labels[label]}) for name, one in found.items()}


class NumberPairs(Pairs):
    """Map two texts to a number."""

    roles: ClassVar[dict[str, "RoleKind"]] = {"first": "text", "second": "text", "number": "number"}
    selection = "spearman"
    selectable = ("spearman", "pearson")
    shown = ("spearman", "pearson")
    solved_as = "identity"
    hub_metrics: ClassVar[dict[str, str]] = {"spearman": "spearmanr", "pearson": "pearsonr"}

    def build(self, source: "Source", rows: "TaskRows", *, frozen: bool) -> "LoadedModel":
        """Build a model with one output, which learns standardised numbers and answers in the units of the data."""
        pair, numbers = self._choose_reading(source, frozen=frozen), rows["number"][:]
        return self.options.head.build(source, (), frozen=frozen, pair=pair, numbers=numbers)

    def encode(self, rows: "TaskRows", tokenizers: "Tokenizers", *, training: bool = False) -> "Encoded":
        """Tokenize both texts into one unit."""
        return nt.encode_text_pairs(
            rows["first"][:],
            rows["second"][:],
            tokenizers.source,
            max_length=self.options.max_length,
            targets=rows["number"][:] if "number" in rows.column_names else None,
        )

    def loss(self, model: "torch.nn.Module", batch: "Batch", *, smoothing: float) -> "torch.Tensor":
        """Sum the weighted squared errors of a batch, of standardised numbers."""
        return nt.number_loss(model, batch)

    def decode(
        self, results: "Sequence[Sequence[Any]]", rows: "TaskRows", tokenizers: "Tokenizers"
    ) -> list["Prediction"]:
        """Take the one output of each pair."""
        return [{"number": float(output)} for ((output,),) in results]

    def score(self, predictions: "Sequence[Prediction]", rows: "TaskRows") -> "Scores":
        """Compute Spearman and Pearson correlation, and the mean absolute error."""
        return nt.number_scores(_list_numbers(predictions), rows["number"][:])

    def hits(self, predictions: "Sequence[Prediction]", rows: "TaskRows") -> list[float]:
        """Compute the share of each pair in the Spearman correlation."""
        return nt.correlation_each(_list_numbers(predictions), rows["number"][:], ranked=True)

    def simple(self, rows: "TaskRows") -> "dict[str, list[Prediction]]":
        """Answer with the mean of the rows themselves."""
        numbers = rows["number"][:]
        return {"mean": [{"number": sum(numbers) / len(numbers)}] * len(rows)}

    def baselines(self, splits: "Splits") -> "dict[str, Baseline[Prediction]]":
        """Fit the mean, and ridge regression on TF-IDF of both texts."""
        found = nt.number_baselines(splits, selection=self.selection, texts=self.input_roles())
        return {name: one.convert(lambda number: {"number": number}) for name, one in found.items()}


def _list_numbers(predictions: "Sequence[Prediction]") -> list[float]:
    return [float(one["number"]) for one in predictions]
