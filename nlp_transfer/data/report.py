"""The report on the data of a run: counts, drops, duplicates, leaks, lengths and fingerprints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from nlp_transfer.data.store import Examples
from nlp_transfer.errors import SHOWN_FIRST

MANY_COPIES = 0.1  # share of pairs; names and OK buttons are copies by right


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
class Spread:
    """The numbers of a role, in their own units."""

    mean: float
    deviation: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class SplitReport:
    """One split: where it came from and what it holds.

    `origin` says it in words; `place` is that of the rows, for a split that was `cut` from train that of train.
    `duplicates` counts the rows whose text appeared before in the split (all texts, where there are several inputs),
    `conflicts` those of them with another label, `copies` the rows with the same text as input and as answer;
    `numbers` says of each role of numbers what they are; `fingerprint` is the sha256 of texts and labels in order.
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
    numbers: Mapping[str, Spread] = field(default_factory=dict)


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

    examples: Examples
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
    return tuple(Dropped(reason, len(rows), tuple(rows[:SHOWN_FIRST])) for reason, rows in reasons.items())


def inspect(parts: Mapping[str, Part], labels: Sequence[str], contents: Mapping[str, str]) -> DataReport:
    """Report on the splits (train, validation, test, in this order) and warn of what would mislead a reader."""
    splits = {name: _inspect_split(part, labels) for name, part in parts.items()}
    overlap = {
        f"{first}/{second}": _shared(parts[first].examples.keys, parts[second].examples.keys)
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


def _shared(first: np.ndarray, second: np.ndarray) -> int:
    """Count how many of the second keys are among the first."""
    known = np.sort(first)
    nearest = known[np.minimum(np.searchsorted(known, second), len(known) - 1)]
    return int((nearest == second).sum())


def _inspect_split(part: Part, labels: Sequence[str]) -> SplitReport:
    rows = part.examples
    _, first, same = np.unique(rows.keys, return_index=True, return_inverse=True)
    conflicts, counts = 0, np.zeros(0, dtype=int)
    if rows.labels is not None:
        conflicts = int((rows.labels != rows.labels[first][same]).sum())
        counts = rows.count_labels()
    return SplitReport(
        origin=part.origin,
        place=part.place,
        cut=part.cut,
        rows=len(rows),
        dropped=part.dropped,
        labels=dict(zip(labels, counts.tolist(), strict=True)),
        duplicates=len(rows) - len(first),
        conflicts=conflicts,
        copies=int(rows.copied.sum()),
        lengths={role: _lengths(lengths) for role, lengths in rows.lengths.items()},
        fingerprint=rows.fingerprint,
        numbers={role: _spread(values) for role, values in rows.read_numbers_by_role().items()},
    )


def _lengths(lengths: np.ndarray) -> Lengths:
    return Lengths(
        mean=round(float(np.mean(lengths)), 1),
        median=float(np.median(lengths)),
        p95=float(np.percentile(lengths, 95, method="higher")),
        longest=int(lengths.max()),
    )


def _spread(numbers: np.ndarray) -> Spread:
    return Spread(float(numbers.mean()), float(numbers.std()), float(numbers.min()), float(numbers.max()))


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
