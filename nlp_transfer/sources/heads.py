"""Match the head that a checkpoint brings with the labels of the data, by name.

`transformers` gives old rows new names. A classifier of positive, negative and neutral, loaded for the same labels in
alphabetical order, would then call a positive text negative.
"""

import copy
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PretrainedConfig, PreTrainedModel

from nlp_transfer.data.labels import make_finder
from nlp_transfer.errors import list_first
from nlp_transfer.sources.shapes import build_empty

PLACEHOLDER = re.compile(r"LABEL_\d+")  # the name that transformers gives to a label without one
ONE_OF_SEVERAL = (None, "single_label_classification")
SEVERAL = "multi_label_classification"


@dataclass(frozen=True)
class HeadRows:
    """Say for each label which row of the checkpoint's head is its own (None: a new row), with a note for the user."""

    chosen: Sequence[int | None]
    note: str


def find_label_rows(
    model: PreTrainedModel, build: Callable[[PretrainedConfig], PreTrainedModel], labels: int
) -> dict[str, torch.Tensor]:
    """Find the parameters that have one row for each label: with one label more they would have one row more."""
    larger = dict(build_empty(build, copy_with_labels(model.config, labels + 1)).named_parameters())
    return {name: one for name, one in model.named_parameters() if one.shape[:1] != larger[name].shape[:1]}


def copy_with_labels(config: PretrainedConfig, count: int) -> PretrainedConfig:
    """Copy a configuration, with another number of labels and without regard to their names."""
    other = copy.deepcopy(config)
    other.num_labels = count
    return other


def follow_names(
    labels: Sequence[str],
    model: PreTrainedModel,
    stored: Mapping[str, int],
    own: PretrainedConfig,
    reload: Callable[[int], PreTrainedModel],
    *,
    several: bool = False,
) -> HeadRows:
    """Put the rows of a head into the order of the labels; a label that the head does not know gets a new row.

    Args:
        labels: the labels in the order of their ids.
        model: the model loaded for so many labels; its rows are the checkpoint's if their number fits, else new.
        stored: for each parameter with a row per label, its rows in the checkpoint; 0 if the checkpoint lacks it.
        own: the checkpoint's configuration.
        reload: loads the checkpoint for a number of labels; if its own number differs, all rows are new.
        several: a text may have several of the labels.
    """
    count = len(labels)
    rows = choose_rows(labels, own, type(model).__name__, set(stored.values()), several=several)
    if list(rows.chosen) == list(range(count)) and {*stored.values()} == {count}:
        return rows

    # Old rows come from a load with the checkpoint's number of labels, new rows from one with another number.
    kept = [row for row in rows.chosen if row is not None]
    theirs = reload(next(iter(stored.values()))) if kept and count not in stored.values() else model
    fresh = reload(max(count, *stored.values()) + 1) if len(kept) < count and count in stored.values() else model

    with torch.no_grad():
        for name in stored:
            old, drawn = theirs.get_parameter(name), fresh.get_parameter(name)
            ordered = [drawn[i] if row is None else old[row] for i, row in enumerate(rows.chosen)]
            model.get_parameter(name).copy_(torch.stack(ordered))
    return rows


def choose_rows(
    labels: Sequence[str], own: PretrainedConfig, architecture: str, counts: set[int], *, several: bool = False
) -> HeadRows:
    """Find the row of each label by name; by id if the checkpoint has as many labels, and none has a name.

    Args:
        labels: the labels of the data.
        own: the checkpoint's configuration.
        architecture: the class that it is loaded as.
        counts: the numbers of rows that the parameters of its head have.
        several: a text may have several of the labels.
    """
    if reason := _explain_misfit(own, architecture, counts, several):
        return HeadRows([None] * len(labels), f"head: new, for the checkpoint's own {reason}")

    names = list_label_names(own, max(counts))
    found = list(map(make_finder(names), labels))
    claims = Counter(found)

    # If two labels are like one name, the row belongs to the label written exactly so.
    chosen = [
        row if row is not None and (claims[row] == 1 or names[row] == label) else None
        for label, row in zip(labels, found, strict=True)
    ]

    nameless = all(map(PLACEHOLDER.fullmatch, names))
    if nameless and len(names) == len(labels) and not any(row is not None for row in chosen):
        return HeadRows(range(len(labels)), _describe_by_id(labels, names))
    return HeadRows(chosen, _describe_by_name(labels, names, chosen))


def list_label_names(config: PretrainedConfig, count: int) -> list[str]:
    """List the names of the labels by id; if there are not so many, the placeholders of `transformers`."""
    given: Any = config.id2label or {}
    return [str(given.get(i, f"LABEL_{i}")) if len(given) == count else f"LABEL_{i}" for i in range(count)]


def _explain_misfit(own: PretrainedConfig, architecture: str, counts: set[int], several: bool) -> str | None:
    """Say why the rows of a head do not each stand for one label of several; None if they do."""
    task = architecture.partition("For")[2]  # SequenceClassification in BertForSequenceClassification
    if own.architectures and task not in [name.partition("For")[2] for name in own.architectures]:
        return f"is of another task ({own.architectures[0]!r})"
    if counts == {1}:
        return "gives one number (a regression), not one of several labels"
    if several and own.problem_type != SEVERAL:
        return f"chooses one of several labels (problem_type: {own.problem_type!r}), where a text may have any number"
    if not several and own.problem_type not in ONE_OF_SEVERAL:
        return f"does not choose one of several labels (problem_type: {own.problem_type!r})"
    return "has parameters for different numbers of labels" if len(counts) > 1 else None


def _describe_by_id(labels: Sequence[str], names: Sequence[str]) -> str:
    pairs = [f"{name} is {label!r}" for name, label in zip(names, labels, strict=True)]
    return (
        f"head: starts as the checkpoint's own, its rows by id, for its labels have no names: {list_first(pairs)}; if "
        "that is wrong, name them in id2label of its config.json"
    )


def _describe_by_name(labels: Sequence[str], names: Sequence[str], chosen: Sequence[int | None]) -> str:
    kept = [repr(label) for label, row in zip(labels, chosen, strict=True) if row is not None]
    new = list_first([repr(label) for label, row in zip(labels, chosen, strict=True) if row is None])
    left = list_first([repr(name) for row, name in enumerate(names) if row not in chosen])
    if not kept:
        return f"head: new, for none of the checkpoint's labels ({left}) is one of the data's ({new})"
    parts = [f"head: starts as the checkpoint's own, with its rows of {list_first(kept)}"]
    parts += [f"new is {new}"] if new else []
    parts += [f"left out is its {left}"] if left else []
    return "; ".join(parts)
