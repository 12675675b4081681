"""The head that a checkpoint brings: its rows follow the names of the labels.

`transformers` puts new names on old rows: a classifier of positive, negative and neutral, loaded for the same labels in
order of the alphabet, would call a positive text negative.
"""

import copy
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PretrainedConfig, PreTrainedModel

from nlp_transfer.data.labels import finder
from nlp_transfer.errors import first_of

PLACEHOLDER = re.compile(r"LABEL_\d+")  # what transformers calls a label without a name
ONE_OF_SEVERAL = (None, "single_label_classification")


@dataclass(frozen=True)
class Rows:
    """For each label the row of the checkpoint's head that is its own, or None: it is new; and a line that says so."""

    chosen: Sequence[int | None]
    note: str


def rows_per_label(
    model: PreTrainedModel, build: Callable[[PretrainedConfig], PreTrainedModel], labels: int
) -> dict[str, torch.Tensor]:
    """Find the parameters that have one row per label: those that would have one more for one more label."""
    with torch.device("meta"):
        larger = dict(build(with_labels(model.config, labels + 1)).named_parameters())
    return {name: one for name, one in model.named_parameters() if one.shape[:1] != larger[name].shape[:1]}


def with_labels(config: PretrainedConfig, count: int) -> PretrainedConfig:
    """Copy a configuration with so many labels, whatever their names."""
    other = copy.deepcopy(config)
    other.num_labels = count
    return other


def follow_names(
    labels: Sequence[str],
    model: PreTrainedModel,
    stored: Mapping[str, int],
    own: PretrainedConfig,
    reload: Callable[[int], PreTrainedModel],
) -> Rows:
    """Put the rows of a head in the order of the labels; those of labels that it does not know are drawn anew.

    Args:
        labels: in the order of their ids.
        model: as loaded for so many labels: rows of the checkpoint where their number is the same, else new ones.
        stored: how many rows the checkpoint has of each parameter with a row per label; 0 where it has none.
        own: the checkpoint's configuration.
        reload: loads the checkpoint for a number of labels; if it has another, the architecture draws all rows.
    """
    count = len(labels)
    rows = choose_rows(labels, own, type(model).__name__, set(stored.values()))
    if list(rows.chosen) == list(range(count)) and {*stored.values()} == {count}:
        return rows

    kept = [row for row in rows.chosen if row is not None]
    theirs = reload(next(iter(stored.values()))) if kept and count not in stored.values() else model
    fresh = reload(max(count, *stored.values()) + 1) if len(kept) < count and count in stored.values() else model
    with torch.no_grad():
        for name in stored:
            old, drawn = theirs.get_parameter(name), fresh.get_parameter(name)
            ordered = [drawn[i] if row is None else old[row] for i, row in enumerate(rows.chosen)]
            model.get_parameter(name).copy_(torch.stack(ordered))
    return rows


def choose_rows(labels: Sequence[str], own: PretrainedConfig, architecture: str, counts: set[int]) -> Rows:
    """Find the row of each label, by name; by id where the checkpoint's labels are as many and have no names.

    Args:
        labels: of the data.
        own: the checkpoint's configuration.
        architecture: what it is loaded as.
        counts: the numbers of rows that parameters of the head have.
    """
    if reason := _another_kind(own, architecture, counts):
        return Rows([None] * len(labels), f"head: new, for the checkpoint's own {reason}")

    names = label_names(own, max(counts))
    found = list(map(finder(names), labels))
    claims = Counter(found)
    # Of two labels that are like one name it is the row of the one that is written so.
    chosen = [
        row if row is not None and (claims[row] == 1 or names[row] == label) else None
        for label, row in zip(labels, found, strict=True)
    ]
    nameless = all(map(PLACEHOLDER.fullmatch, names))
    if nameless and len(names) == len(labels) and not any(row is not None for row in chosen):
        return Rows(range(len(labels)), _by_id(labels, names))
    return Rows(chosen, _by_name(labels, names, chosen))


def label_names(config: PretrainedConfig, count: int) -> list[str]:
    """List the names of the labels by id; as `transformers` calls them where there are none for so many."""
    given: Any = config.id2label or {}
    return [str(given.get(i, f"LABEL_{i}")) if len(given) == count else f"LABEL_{i}" for i in range(count)]


def _another_kind(own: PretrainedConfig, architecture: str, counts: set[int]) -> str | None:
    """Say why the rows of a head do not mean one label of several each; None where they do."""
    task = architecture.partition("For")[2]  # BertForSequenceClassification
    if own.architectures and task not in [name.partition("For")[2] for name in own.architectures]:
        return f"is of another task ({own.architectures[0]!r})"
    if counts == {1}:
        return "gives one number (a regression), not one of several labels"
    if own.problem_type not in ONE_OF_SEVERAL:
        return f"does not choose one of several labels (problem_type: {own.problem_type!r})"
    return "has parameters for different numbers of labels" if len(counts) > 1 else None


def _by_id(labels: Sequence[str], names: Sequence[str]) -> str:
    pairs = [f"{name} is {label!r}" for name, label in zip(names, labels, strict=True)]
    return (
        f"head: starts as the checkpoint's own, its rows by id, for its labels have no names: {first_of(pairs)}; if "
        "that is wrong, name them in id2label of its config.json"
    )


def _by_name(labels: Sequence[str], names: Sequence[str], chosen: Sequence[int | None]) -> str:
    kept = [repr(label) for label, row in zip(labels, chosen, strict=True) if row is not None]
    new = first_of([repr(label) for label, row in zip(labels, chosen, strict=True) if row is None])
    left = first_of([repr(name) for row, name in enumerate(names) if row not in chosen])
    if not kept:
        return f"head: new, for none of the checkpoint's labels ({left}) is one of the data's ({new})"
    parts = [f"head: starts as the checkpoint's own, with its rows of {first_of(kept)}"]
    parts += [f"new is {new}"] if new else []
    parts += [f"left out is its {left}"] if left else []
    return "; ".join(parts)
