"""Name the labels of splits: those of train by its spellings, those of other rows by the names that are known."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from nlp_transfer.config.data import DataConfig
from nlp_transfer.config.dialect import Dialect
from nlp_transfer.data.formats.records import RowStream
from nlp_transfer.data.labels import LABEL_SEPARATORS, LabelRules, find_labels, map_labels
from nlp_transfer.data.report import Part, condense_dropped
from nlp_transfer.data.store import Examples
from nlp_transfer.errors import DataError, count_things


def make_label_rules(data: DataConfig) -> LabelRules:
    """Make the rules of a configuration for labels."""
    return LabelRules(exact=data.labels == "exact", most=data.max_labels, on_unknown=data.on_unknown_label)


def name_labels(parts: dict[str, Part], streams: Mapping[str, RowStream], rules: LabelRules) -> tuple[str, ...]:
    """Replace the spellings of labels in all `parts` by names, which are found in train; return the names."""
    train = parts["train"]
    # A spelling that was only in rows that were dropped, such as those without a text, counts for nothing.
    counts = zip(train.examples.names, train.examples.count_labels().tolist(), strict=True)
    spellings = {spelling: count for spelling, count in counts if count}
    mapping, labels, warnings = find_labels(spellings, train.place, rules, rows=len(train.examples))

    index = {label: at for at, label in enumerate(labels)}
    examples = train.examples.rename([index.get(mapping.get(one, ""), -1) for one in train.examples.names], labels)
    if examples.sets is not None:
        warnings += _warn_of_separators(labels, train.place, streams["train"].dialect)
    parts["train"] = replace(train, examples=examples, warnings=[*train.warnings, *warnings])

    for split in parts.keys() - {"train"}:
        parts[split] = map_to_known_labels(parts[split], labels, streams[split], rules)
    return labels


def _warn_of_separators(labels: Sequence[str], place: str, dialect: Dialect) -> list[str]:
    """Warn if labels hold a mark that often stands between labels, such as `drama|comedy`."""
    for mark in LABEL_SEPARATORS:
        if mark != dialect.label_separator and (odd := [label for label in labels if mark in label]):
            said = f"{count_things(len(odd), 'label holds', 'labels hold')} '{mark}', such as {odd[0]!r}"
            return [f"{place}: {said}; if it stands between labels, set {dialect.set_label_separator(mark)}"]
    return []


def map_to_known_labels(part: Part, labels: tuple[str, ...], stream: RowStream, rules: LabelRules) -> Part:
    """Map the labels of a split to known ones; drop or refuse rows with others.

    Raises:
        DataError: a label is not known and such rows are not dropped, or no row is left.
    """
    rows = part.examples
    spelled = _list_spellings(rows)
    numbers = np.repeat(rows.numbers, [len(one) for one in rows.list_label_sets()]).tolist()
    found, left_out = map_labels(spelled, numbers, labels, stream, rules, several=rows.sets is not None)

    index = {label: at for at, label in enumerate(labels)}
    named = {spelling: index[name] for spelling, name in zip(spelled, found, strict=True) if name is not None}
    places = [named.get(spelling, -1) for spelling in rows.names]
    known = np.array([all(places[label] >= 0 for label in one) for one in rows.answers], bool)
    kept = np.flatnonzero(known[rows.labels])
    if not len(kept):
        raise DataError(f"{part.place}: no row is left, for each has a label that is not known")

    return replace(
        part, examples=rows.rename(places, labels).take(kept), dropped=(*part.dropped, *condense_dropped(left_out))
    )


def _list_spellings(rows: Examples) -> list[str]:
    """List the spellings of the labels of all rows."""
    return [rows.names[label] for one in rows.list_label_sets() for label in one]
