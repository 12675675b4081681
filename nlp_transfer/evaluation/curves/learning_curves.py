"""Learn from methods that were trained on more and more rows: intervals, and what pretraining is worth in labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from nlp_transfer.evaluation.curves.growth import FARTHEST, FEWEST_FITTED, PowerLaw, find_rows_needed, fit_power_law
from nlp_transfer.evaluation.metrics import Interval

SAMPLES = 1000  # of the bootstrap
FITTED = 200  # of these; a power law is fitted to each
MOST_FAILED = 0.1  # share of these on which no law may be found
INTERVAL = (2.5, 97.5)  # percentiles

Role = Literal["run", "scratch", "simple"]


@dataclass(frozen=True)
class Measured:
    """What a method scored on one test at growing sizes of train.

    Attributes:
        name: of the method.
        label: the same for people.
        role: a run, the scratch control of one, or a simple method.
        control: the name of its scratch control; empty if it has none.
        sizes: rows of train.
        hits: (sizes, seeds, test rows) the score of each row.
        seconds: (sizes, seeds) of training; None where they were not measured.
    """

    name: str
    label: str
    role: Role
    control: str
    sizes: tuple[int, ...]
    hits: np.ndarray = field(repr=False)
    seconds: np.ndarray | None = None

    @property
    def scores(self) -> np.ndarray:
        """The score on test, (sizes, seeds)."""
        return np.asarray(self.hits.mean(axis=2))

    @property
    def means(self) -> np.ndarray:
        """The same as a mean over the seeds, (sizes,)."""
        return np.asarray(self.scores.mean(axis=1))


@dataclass(frozen=True)
class Point:
    """The score of a method at one size.

    Attributes:
        size: rows of train.
        mean: over the seeds, with its 95 % interval over seeds and test rows.
        deviation: between the seeds; None if there is one.
        scores: of each seed.
        seconds: of each training; empty where they were not measured.
    """

    size: int
    mean: Interval
    deviation: float | None
    scores: tuple[float, ...]
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class Worth:
    """What pretraining is worth at one size, in rows of train that the scratch control needs beside (D_T).

    Hernandez et al. 2021, Scaling laws for transfer. None stands for more rows than the control was given.

    Attributes:
        size: rows of train.
        rows: that the control needs to score alike, less `size`.
        low: the lower end of the 95 % interval over seeds and test rows.
        high: the upper end.
        reached: the share of the bootstrap samples in which the control gets there.
        most: the control reaches the score with its fewest rows, so `rows` is only an upper bound.
    """

    size: int
    rows: int | None
    low: int | None
    high: int | None
    reached: float
    most: bool


@dataclass(frozen=True)
class Outlook:
    """What more rows of train would bring, by a power law.

    Attributes:
        law: fitted to the means.
        residual: the largest distance of a mean from the law.
        gains: more rows than the largest size -> the gain, with its 95 % interval over seeds and test rows.
    """

    law: PowerLaw
    residual: float
    gains: Mapping[int, Interval]


@dataclass(frozen=True)
class Resampled:
    """Scores on other test rows and seeds.

    Attributes:
        scores: method -> (samples, sizes). The methods share the rows and seeds of each sample.
    """

    scores: Mapping[str, np.ndarray]

    def compare(self, one: Measured, other: Measured) -> list[Interval]:
        """Compare two methods at each size: mean(one) - mean(other)."""
        low, high = np.percentile(self.scores[one.name] - self.scores[other.name], INTERVAL, axis=0)
        return _make_intervals(one.means - other.means, low, high)


def resample(methods: Sequence[Measured], *, samples: int = SAMPLES, seed: int = 0) -> Resampled:
    """Draw test rows and seeds with replacement, the same for all methods and sizes."""
    hits = np.stack([one.hits for one in methods])
    *_, seeds, rows = hits.shape
    found = np.empty((samples, *hits.shape[:2]))
    flat = hits.reshape(-1, rows)

    generator = np.random.default_rng(seed)
    for sample in range(samples):
        drawn = np.bincount(generator.integers(0, rows, rows), minlength=rows) / rows
        weights = np.bincount(generator.integers(0, seeds, seeds), minlength=seeds) / seeds
        found[sample] = (flat @ drawn).reshape(hits.shape[:3]) @ weights
    return Resampled({one.name: found[:, place] for place, one in enumerate(methods)})


def list_points(method: Measured, resampled: Resampled) -> list[Point]:
    """List the scores of a method, with their intervals."""
    low, high = np.percentile(resampled.scores[method.name], INTERVAL, axis=0)
    means = _make_intervals(method.means, low, high)
    several = method.scores.shape[1] > 1
    return [
        Point(
            size=size,
            mean=mean,
            deviation=float(np.std(scores, ddof=1)) if several else None,
            scores=tuple(scores.tolist()),
            seconds=() if method.seconds is None else tuple(method.seconds[place].tolist()),
        )
        for place, (size, mean, scores) in enumerate(zip(method.sizes, means, method.scores, strict=True))
    ]


def measure_worth(method: Measured, control: Measured, resampled: Resampled) -> list[Worth]:
    """Measure at each size how many more rows the control needs for the same score."""
    sizes = np.array(control.sizes)
    pairs = zip(resampled.scores[control.name], resampled.scores[method.name], strict=True)
    needed = find_rows_needed(sizes, control.means, method.means)
    others = np.stack([find_rows_needed(sizes, means, wanted) for means, wanted in pairs])
    low, high = np.percentile(others, INTERVAL, axis=0, method="nearest")  # between infinities nothing is defined

    def subtract(rows: float, size: int) -> int | None:
        return round(rows) - size if np.isfinite(rows) else None

    return [
        Worth(
            size=size,
            rows=subtract(needed[place], size),
            low=subtract(low[place], size),
            high=subtract(high[place], size),
            reached=float(np.isfinite(others[:, place]).mean()),
            most=bool(needed[place] <= sizes[0]),
        )
        for place, size in enumerate(method.sizes)
    ]


def predict_gains(method: Measured, resampled: Resampled, *, highest: float) -> Outlook | None:
    """Predict what more rows would bring, up to four times the largest size.

    Args:
        method: with its scores.
        resampled: the same on other rows and seeds.
        highest: the score that cannot be exceeded.

    Returns:
        None with fewer than five sizes, or if no law is found.
    """
    sizes = method.sizes
    if len(sizes) < FEWEST_FITTED or (law := fit_power_law(sizes, method.means, highest=highest)) is None:
        return None

    samples = resampled.scores[method.name][:FITTED]
    laws = [one for means in samples if (one := fit_power_law(sizes, means, highest=highest))]
    if len(laws) < (1 - MOST_FAILED) * len(samples):
        return None

    gains = {}
    for more in list_steps(sizes[-1]):
        ahead = [sizes[-1], sizes[-1] + more]
        low, high = np.percentile([np.diff(one.predict(ahead))[0] for one in laws], INTERVAL)
        gains[more] = Interval(float(np.diff(law.predict(ahead))[0]), float(low), float(high))
    residual = float(np.abs(law.predict(sizes) - method.means).max())
    return Outlook(law, residual, gains)


def list_steps(largest: int) -> list[int]:
    """List how many more rows are asked about: about as many as there are, in a round number, and three times these."""
    power = 10 ** (len(str(largest)) - 1)
    about = max(step * power for step in (1, 2, 5) if step * power <= largest)
    return [about, (FARTHEST - 1) * about]


def find_lead(differences: Sequence[Interval], sizes: Sequence[int]) -> int | None:
    """Find the size from which on a method is ahead by more than chance, up to the largest; None: it is not there."""
    lead = None
    for found, size in zip(reversed(differences), reversed(sizes), strict=True):
        if found.low <= 0:
            break
        lead = size
    return lead


def _make_intervals(means: np.ndarray, low: np.ndarray, high: np.ndarray) -> list[Interval]:
    return [Interval(*map(float, values)) for values in zip(means, low, high, strict=True)]
