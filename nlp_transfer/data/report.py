"""Report on the data of a run: counts, dropped rows, duplicates, leaks, lengths and fingerprints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from nlp_transfer.data.repeats import find_repeated, find_rows, list_repeated
from nlp_transfer.data.store import Examples
from nlp_transfer.errors import SHOWN_FIRST, count_things

MANY_COPIES = 0.1  # share of pairs; a few, such as names and OK buttons, are equal in both languages


@dataclass(frozen=True)
class Dropped:
    """Rows that were dropped: the reason, how many, and the line or row numbers of the first few."""

    reason: str
    count: int
    rows: tuple[int, ...]

    def __str__(self) -> str:
        """Describe the dropped rows in one line."""
        first = ", ".join(map(str, self.rows))
        return f"{count_things(self.count, 'row', 'rows')} dropped: {self.reason} (first: {first})"


@dataclass(frozen=True)
class Lengths:
    """Lengths of texts in characters."""

    mean: float
    median: float
    p95: float
    longest: int


@dataclass(frozen=True)
class Spread:
    """Mean, deviation and range of the numbers of a role, in their own units."""

    mean: float
    deviation: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class SplitReport:
    """Where the rows of a split come from, and what they are.

    Attributes:
        origin: where the rows come from, in words.
        place: the file or data set of the rows; for a split that was cut from train, that of train.
        cut: whether the split was cut from train.
        rows: the number of rows.
        dropped: the rows that were left out.
        labels: label -> number of rows.
        duplicates: number of rows whose inputs appeared before in the split.
        conflicts: number of duplicates that have another label than before.
        copies: number of rows with the same text as input and as answer.
        lengths: text role -> the lengths of its texts.
        fingerprint: the XXH3 digest of texts, numbers and labels in order, of 128 bits; see `may_be_same`.
        numbers: role of numbers -> what they are.
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
    """The report on all splits.

    Attributes:
        splits: split -> its report.
        overlap: two splits -> the rows of the second whose text is also in the first, such as `train/test` -> 3.
        warnings: what would mislead a reader of the scores.
        contents: split -> fingerprint of its rows as they were read, before anything was cut or limited.
        unlabelled: the report on texts without labels; None where none are read.
    """

    splits: Mapping[str, SplitReport]
    overlap: Mapping[str, int]
    warnings: tuple[str, ...]
    contents: Mapping[str, str] = field(default_factory=dict)
    unlabelled: SplitReport | None = None


@dataclass(frozen=True)
class Part:
    """A split before the report. `how` says how it was cut from train (if `cut`) or limited, in words."""

    examples: Examples
    place: str
    dropped: tuple[Dropped, ...] = ()
    warnings: list[str] = field(default_factory=list)
    how: str = ""
    cut: bool = False

    @property
    def origin(self) -> str:
        """Where the rows come from, in words."""
        if self.cut:
            return f"cut from train: {self.how}"
        return f"{self.place}; {self.how}" if self.how else self.place


def may_be_same(one: str | None, other: str | None) -> bool:
    """Tell whether two fingerprints may be of the same rows: they are equal, or one is an older sha256 of 64 digits."""
    return one == other or (one is not None and other is not None and len(one) != len(other))


def condense_dropped(reasons: Mapping[str, list[int]]) -> tuple[Dropped, ...]:
    """Turn reason -> row numbers into counts with the first few numbers."""
    return tuple(Dropped(reason, len(rows), tuple(rows[:SHOWN_FIRST])) for reason, rows in reasons.items())


def inspect(
    parts: Mapping[str, Part], labels: Sequence[str], contents: Mapping[str, str], texts: Part | None = None
) -> DataReport:
    """Make the report on the splits, which come in the order train, validation, test, and on texts without labels."""
    # Nearly all texts are unique, so all but the few others are left out before anything is compared.
    several = list_repeated(np.concatenate([part.examples.keys for part in parts.values()]))
    repeated = {name: find_rows(part.examples.keys, several) for name, part in parts.items()}
    shared = {name: part.examples.keys[repeated[name]] for name, part in parts.items()}
    splits = {name: _inspect_split(part, labels, repeated[name]) for name, part in parts.items()}
    overlap = {
        f"{first}/{second}": int(np.isin(shared[second], shared[first]).sum())
        for first, second in combinations(parts, 2)
    }

    warnings = [warning for part in parts.values() for warning in part.warnings]
    for name, report in splits.items():
        warnings += _warn_split(name, report)
    for pair, count in overlap.items():
        if count:
            first, second = pair.split("/")
            rows = splits[second].rows
            have = "has" if count == 1 else "have"
            warnings.append(f"leak: {count} of {rows} {second} rows {have} a text that is also in {first}")
    unlabelled = None
    if texts is not None:
        unlabelled = _inspect_split(texts, (), find_repeated(texts.examples.keys))
        warnings += [*texts.warnings, *_warn_split("unlabelled", unlabelled), *_warn_of_shared(texts, parts)]
    return DataReport(splits, overlap, tuple(warnings), contents, unlabelled)


def _warn_of_shared(texts: Part, parts: Mapping[str, Part]) -> list[str]:
    """Say how many rows of test are among the texts without labels."""
    test = parts["test"].examples.keys if "test" in parts else np.zeros(0, np.int64)
    shared = int(np.isin(test, texts.examples.keys).sum())
    told = f"unlabelled: {shared} of {len(test)} test rows have a text that is among them"
    return [f"{told}; their labels are not used, but test is no longer unseen"] if shared else []


def _inspect_split(part: Part, labels: Sequence[str], repeated: np.ndarray) -> SplitReport:
    """Count the duplicates, conflicts and labels of a split; all rows with the key of another are among `repeated`."""
    rows = part.examples
    _, first, same = np.unique(rows.keys[repeated], return_index=True, return_inverse=True)
    conflicts, counts = 0, np.zeros(0, dtype=int)
    if rows.labels is not None:
        labelled = rows.labels[repeated]
        conflicts = int((labelled != labelled[first][same]).sum())
        counts = rows.count_labels()

    return SplitReport(
        origin=part.origin,
        place=part.place,
        cut=part.cut,
        rows=len(rows),
        dropped=part.dropped,
        labels=dict(zip(labels, counts.tolist(), strict=True)),
        duplicates=len(repeated) - len(first),
        conflicts=conflicts,
        copies=int(rows.copied.sum()),
        lengths={role: _measure_lengths(lengths) for role, lengths in rows.lengths.items()},
        fingerprint=rows.fingerprint,
        numbers={role: _measure_spread(values) for role, values in rows.read_numbers_by_role().items()},
    )


def _measure_lengths(lengths: np.ndarray) -> Lengths:
    return Lengths(
        mean=round(float(np.mean(lengths)), 1),
        median=float(np.median(lengths)),
        p95=float(np.percentile(lengths, 95, method="higher")),
        longest=int(lengths.max()),
    )


def _measure_spread(numbers: np.ndarray) -> Spread:
    return Spread(float(numbers.mean()), float(numbers.std()), float(numbers.min()), float(numbers.max()))


def _warn_split(name: str, report: SplitReport) -> list[str]:
    """Warn of dropped rows, labels without rows, copies and conflicts."""
    warnings = [f"{name}: {drop}" for drop in report.dropped]
    missing = [label for label, count in report.labels.items() if not count]
    if missing:
        warnings.append(f"{name}: no row of {', '.join(map(repr, missing))}; their scores cannot be measured")

    if report.copies > MANY_COPIES * report.rows:
        roles = " and ".join(f"'{role}'" for role in report.lengths)
        warnings.append(f"{name}: {report.copies} of {report.rows} rows are copies: {roles} hold the same text")
    if report.conflicts:
        warnings.append(
            f"{name}: {count_things(report.conflicts, 'row repeats', 'rows repeat')} a text with another label"
        )
    return warnings
