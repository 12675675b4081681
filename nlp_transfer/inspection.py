"""The report on the data of a run: counts, drops, duplicates, leaks, lengths and fingerprints."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from nlp_transfer.rows import SHOWN
from nlp_transfer.scripts import compose

MANY_COPIES = 0.1  # share of pairs; names and OK buttons are copies by right


@dataclass(frozen=True)
class Example:
    """A usable row: where it stood, its text (or texts) by role, and its label name (None for tasks without labels).

    Examples of one `group` stay together when splits are cut.
    """

    number: int
    texts: Mapping[str, str | list[str]]
    label: str | None
    group: str | None = None

    @property
    def key(self) -> str:
        """What makes two examples duplicates: the input of the task, but for outer blanks and the form of accents."""
        return compose(whole(next(iter(self.texts.values()))).strip())


def whole(text: str | list[str]) -> str:
    """One text out of a text or its parts."""
    return text if isinstance(text, str) else "\n".join(text)


@dataclass(frozen=True)
class Dropped:
    """Rows that were left out, why, and the line or row numbers of the first few."""

    reason: str
    count: int
    rows: tuple[int, ...]

    def __str__(self) -> str:
        """Say it in words, the first rows by number."""
        return f"{self.count} rows dropped: {self.reason} (first: {', '.join(map(str, self.rows))})"


@dataclass(frozen=True)
class Lengths:
    """Lengths of texts in characters."""

    mean: float
    median: float
    p95: float
    longest: int


@dataclass(frozen=True)
class SplitReport:
    """One split: where it came from and what it holds.

    `origin` says it in words; `place` is that of the rows, for a split that was `cut` from train that of train.
    `duplicates` counts the rows whose text appeared before in the split, `conflicts` those of them with another label,
    `copies` the rows with the same text in both of two roles;
    `fingerprint` is the sha256 of texts and labels in order.
    """

    origin: str
    place: str
    cut: bool
    rows: int
    dropped: tuple[Dropped, ...]
    labels: Mapping[str, int]
    duplicates: int
    conflicts: int
    copies: int
    lengths: Mapping[str, Lengths]
    fingerprint: str


@dataclass(frozen=True)
class DataReport:
    """The three splits, the rows they share (`train/test`: rows of test whose text is in train), and the warnings.

    `contents` holds the fingerprints of what was read, before anything was cut or limited.
    """

    splits: Mapping[str, SplitReport]
    overlap: Mapping[str, int]
    warnings: tuple[str, ...]
    contents: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """A split on its way to the report; `how` it was `cut` from train, or limited."""

    examples: Sequence[Example]
    place: str
    dropped: tuple[Dropped, ...] = ()
    warnings: list[str] = field(default_factory=list)
    how: str = ""
    cut: bool = False

    @property
    def origin(self) -> str:
        """The place and what was taken of it, in words."""
        if self.cut:
            return f"cut from train: {self.how}"
        return f"{self.place}; {self.how}" if self.how else self.place


def dropped_rows(reasons: Mapping[str, list[int]]) -> tuple[Dropped, ...]:
    """Condense row numbers by reason."""
    return tuple(Dropped(reason, len(rows), tuple(rows[:SHOWN])) for reason, rows in reasons.items())


def inspect(parts: Mapping[str, Part], labels: Sequence[str], contents: Mapping[str, str]) -> DataReport:
    """Report on the splits (train, validation, test, in this order) and warn of what would mislead a reader."""
    splits = {name: _inspect_split(part, labels) for name, part in parts.items()}
    texts = {name: {example.key for example in part.examples} for name, part in parts.items()}
    overlap = {
        f"{first}/{second}": sum(example.key in texts[first] for example in parts[second].examples)
        for first, second in combinations(parts, 2)
    }
    warnings = [warning for part in parts.values() for warning in part.warnings]
    for name, report in splits.items():
        warnings += _warn_split(name, report)
    for pair, count in overlap.items():
        if count:
            first, second = pair.split("/")
            rows = splits[second].rows
            warnings.append(f"leak: {count} of {rows} {second} rows have a text that is also in {first}")
    return DataReport(splits, overlap, tuple(warnings), contents)


def _inspect_split(part: Part, labels: Sequence[str]) -> SplitReport:
    first_label: dict[str, str | None] = {}
    conflicts = 0
    for example in part.examples:
        conflicts += first_label.setdefault(example.key, example.label) != example.label
    counts = Counter(example.label for example in part.examples)
    roles = list(part.examples[0].texts)
    return SplitReport(
        origin=part.origin,
        place=part.place,
        cut=part.cut,
        rows=len(part.examples),
        dropped=part.dropped,
        labels={label: counts[label] for label in labels},
        duplicates=len(part.examples) - len(first_label),
        conflicts=conflicts,
        copies=sum(_is_copy(example) for example in part.examples),
        lengths={role: _lengths([len(whole(example.texts[role])) for example in part.examples]) for role in roles},
        fingerprint=fingerprint(part.examples),
    )


def _is_copy(example: Example) -> bool:
    first, *others = (compose(whole(text).strip()) for text in example.texts.values())
    return first in others


def _lengths(lengths: Sequence[int]) -> Lengths:
    return Lengths(
        mean=round(float(np.mean(lengths)), 1),
        median=float(np.median(lengths)),
        p95=float(np.percentile(lengths, 95, method="higher")),
        longest=max(lengths),
    )


def fingerprint(examples: Sequence[Example]) -> str:
    """The sha256 of texts and labels in order."""
    digest = hashlib.sha256()
    for example in examples:
        for cell in (*map(whole, example.texts.values()), example.label or ""):
            content = cell.encode()
            # The length in front keeps ("ab", "c") apart from ("a", "bc").
            digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()


def _warn_split(name: str, report: SplitReport) -> list[str]:
    warnings = [f"{name}: {drop}" for drop in report.dropped]
    missing = [label for label, count in report.labels.items() if not count]
    if missing:
        warnings.append(f"{name}: no row of {', '.join(map(repr, missing))}; their scores cannot be measured")
    if report.copies > MANY_COPIES * report.rows:
        roles = " and ".join(f"'{role}'" for role in report.lengths)
        warnings.append(f"{name}: {report.copies} of {report.rows} rows are copies: {roles} hold the same text")
    if report.conflicts:
        warnings.append(f"{name}: {report.conflicts} rows repeat a text with another label")
    return warnings
