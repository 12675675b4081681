"""Give texts any number of labels, such as topics, tags or emotions. Each label has its own threshold."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

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

Threshold = Annotated[float, Field(ge=0.0, le=1.0)]
DEFAULT_THRESHOLD = 0.5  # until one is chosen on validation


class MultilabelOptions(nt.TaskOptions):
    """Options of texts with any number of labels."""

    max_length: Annotated[int, Field(ge=8, le=8192)] = Field(
        256, description="Of a text or window in tokens, special ones too."
    )
    long_documents: Literal["head", "head_tail", "window"] = Field(
        "head", description="Keep the head; a quarter of head and the tail; or windows with averaged logits."
    )
    max_windows: Annotated[int, Field(ge=1)] = Field(8, description="Of `window`: at most this many a document.")
    thresholds: Literal["auto"] | Threshold | dict[str, Threshold] = Field(
        "auto",
        description="Probability from which on a label is given: one for all, or label: probability. `auto`: for each "
        "label the one with the best F1 on validation.",
    )
    head: HeadOptions = Field(HeadOptions(), description="See `task.head`.")


class Multilabel(nt.Task):
    """Map a text to a set of labels, which may be empty."""

    Options = MultilabelOptions
    roles: ClassVar[dict[str, "RoleKind"]] = {"text": "text", "labels": "labels"}
    selection = "micro_f1"
    selectable = ("micro_f1", "macro_f1", "example_f1", "subset_accuracy")
    shown = ("micro_f1", "macro_f1", "subset_accuracy")
    compared = "example_f1"  # to compare models example by example, which micro-F1 does not allow
    logits_only = True
    solved_as = "sigmoid"
    probabilities = "sigmoid"
    length_option = "max_length"
    calibrated = ("thresholds",)
    auto_class = "AutoModelForSequenceClassification"
    pipeline_tag = "text-classification"
    hub_metrics: ClassVar[dict[str, str]] = {"micro_f1": "f1", "macro_f1": "f1", "subset_accuracy": "accuracy"}
    example = "Write a text of your own here."
    options: MultilabelOptions

    def settle(self, rows: "TaskRows") -> MultilabelOptions:
        """Refuse thresholds of labels that train does not have."""
        given = self.options.thresholds
        if isinstance(given, dict) and (unknown := [label for label in given if label not in self.labels]):
            raise nt.ConfigError(
                f"task.thresholds: no label {unknown[0]!r} in the data; there are {', '.join(map(repr, self.labels))}"
            )
        return self.options

    def build(self, source: "Source", rows: "TaskRows", *, frozen: bool) -> "LoadedModel":
        """Build a classifier whose labels do not exclude each other."""
        return self.options.head.build(source, self.labels, frozen=frozen, several=True)

    def encode(self, rows: "TaskRows", tokenizers: "Tokenizers", *, training: bool = False) -> "Encoded":
        """Tokenize by the policy for long documents; targets are 1 for the labels of a text, else 0."""
        known = "labels" in rows.column_names
        return nt.encode_documents(
            rows["text"][:],
            tokenizers.source,
            max_length=self.options.max_length,
            policy=self.options.long_documents,
            max_windows=self.options.max_windows,
            targets=list(nt.multi_hot(rows["labels"][:], len(self.labels))) if known else None,
        )

    def loss(self, model: "torch.nn.Module", batch: "Batch", *, smoothing: float) -> "torch.Tensor":
        """Sum the weighted binary cross-entropies of a batch, each the mean over the labels."""
        return nt.label_set_loss(model, batch, smoothing=smoothing)

    def infer(self, model: "PreTrainedModel", batch: "Batch", *, quick: bool = False) -> list[Any]:
        """Compute a row of logits for each unit; there is no quicker way."""
        return nt.classification_logits(model, batch)

    def calibrate(self, results: "Sequence[Sequence[Any]]", rows: "TaskRows") -> MultilabelOptions:
        """Choose the threshold of each label with the best F1 on these rows."""
        probabilities = [list(one.values()) for one in nt.mean_probabilities(results, self.labels, several=True)]
        chosen = nt.choose_thresholds(probabilities, rows["labels"][:])
        return self.options.model_copy(update={"thresholds": dict(zip(self.labels, chosen, strict=True))})

    def decode(
        self,
        results: "Sequence[Sequence[Any]]",
        rows: "TaskRows",
        tokenizers: "Tokenizers",
    ) -> list["Prediction"]:
        """Predict the labels that reach their threshold, by the sigmoid of the mean logits of a document's units."""
        thresholds = self._list_thresholds()
        return [
            {
                "labels": [name for name, value in probabilities.items() if value >= thresholds[name]],
                "probabilities": probabilities,
                "thresholds": thresholds,
            }
            for probabilities in nt.mean_probabilities(results, self.labels, several=True)
        ]

    def _list_thresholds(self) -> dict[str, float]:
        """List the threshold of each label."""
        given = self.options.thresholds
        if isinstance(given, dict):
            return {label: given.get(label, DEFAULT_THRESHOLD) for label in self.labels}
        return dict.fromkeys(self.labels, DEFAULT_THRESHOLD if given == "auto" else given)

    def score(self, predictions: "Sequence[Prediction]", rows: "TaskRows") -> "Scores":
        """Compute micro- and macro-F1, the mean F1 of the sets, the share of right sets, and F1 of each label."""
        return nt.label_set_scores(self._find_ids(predictions), rows["labels"][:], self.labels)

    def hits(self, predictions: "Sequence[Prediction]", rows: "TaskRows") -> list[float]:
        """Compute the F1 of each set; 1 if it is rightly empty."""
        return nt.label_set_f1(self._find_ids(predictions), rows["labels"][:])

    def _find_ids(self, predictions: "Sequence[Prediction]") -> list[list[int]]:
        """Find the ids of the predicted labels."""
        index = {label: i for i, label in enumerate(self.labels)}
        return [[index[label] for label in one["labels"]] for one in predictions]

    def baselines(self, splits: "Splits") -> "dict[str, Baseline[Prediction]]":
        """Fit the commonest set, the commonest labels, and TF-IDF with a logistic regression for each label."""
        found = nt.label_set_baselines(splits, selection=self.selection)
        return {name: one.convert(lambda ids: {"labels": [self.labels[i] for i in ids]}) for name, one in found.items()}
