"""Rank sources by what was measured of each: a table, and sentences that claim no more than that."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from rich.filesize import decimal

from nlp_transfer.evaluation.metrics import Interval, bootstrap_difference
from nlp_transfer.system.escaping import escape_line

if TYPE_CHECKING:
    from rich.table import Table

SCORES = {"h_score": "H-score", "log_me": "LogME"}  # field of a measurement -> for people


@dataclass(frozen=True)
class MeasuredSource:
    """What was measured of a source on rows of train.

    Attributes:
        source: its name.
        kind: `checkpoint` or `vectors`.
        h_score: on the mean of all layers; None where there are no classes.
        log_me: the same; None if no target differs between rows.
        width: the number of features that the probe reads.
        parameters: of the pretrained part.
        size: bytes of these in memory.
        seconds: `open`, `features`, `probe` and `scores`, each on this machine.
        computed: units whose features were computed; those of the others were in the store.
        hits: the score of each row, answered by a probe that has not seen it.
    """

    source: str
    kind: str
    h_score: float | None
    log_me: float | None
    width: int
    parameters: int
    size: int
    seconds: Mapping[str, float]
    computed: int
    hits: Sequence[float] = field(repr=False)

    @property
    def interval(self) -> Interval:
        """The mean score of the probe with its 95 % interval over the rows."""
        return bootstrap_difference(self.hits, [0.0] * len(self.hits))


@dataclass(frozen=True)
class RankedSource:
    """A source in its place.

    Attributes:
        measured: what was measured.
        score: of the cross-validated probe, with its 95 % interval.
        behind: the score of the best source less this one's, row by row.
        level: whether the difference may be chance; the best is level with itself.
    """

    measured: MeasuredSource
    score: Interval
    behind: Interval

    @property
    def name(self) -> str:
        """The name of the source, for people."""
        return escape_line(self.measured.source)

    @property
    def level(self) -> bool:
        """Whether the difference to the best may be chance."""
        return self.behind.low <= 0

    def collect(self) -> dict[str, Any]:
        """Collect what rank.json holds about it: all but the score of each row."""
        values = {name: value for name, value in asdict(self.measured).items() if name != "hits"}
        score, behind = self.score, self.behind
        return {
            **values,
            "probe": {"score": score.difference, "low": score.low, "high": score.high},
            "behind_best": asdict(behind),
            "level_with_best": self.level,
        }


def order_sources(measured: Sequence[MeasuredSource]) -> list[RankedSource]:
    """Order sources by their probes, the best first; of two equal ones the smaller comes first."""
    placed = sorted(measured, key=lambda one: (-one.interval.difference, one.size, one.source))
    return [RankedSource(one, one.interval, bootstrap_difference(placed[0].hits, one.hits)) for one in placed]


def count_agreement(ranked: Sequence[RankedSource]) -> dict[str, Any]:
    """Count the pairs of sources that the probe tells apart, and those that each score orders alike."""
    apart = [
        (better.measured, worse.measured)
        for better, worse in combinations(ranked, 2)
        if bootstrap_difference(better.measured.hits, worse.measured.hits).low > 0
    ]
    known = [key for key in SCORES if all(getattr(one.measured, key) is not None for one in ranked)]
    alike = {key: sum(getattr(one, key) > getattr(other, key) for one, other in apart) for key in known}
    return {"pairs_apart": len(apart), "ordered_alike": alike}


def write_sentences(
    ranked: Sequence[RankedSource], agreement: Mapping[str, Any], *, score: str, points: float, rows: int, folds: int
) -> list[str]:
    """Say which source to take, which are level with it, and whether the scores agree.

    Args:
        ranked: the sources, the best first.
        agreement: of the scores with the probe, see `count_agreement`.
        score: the name of what the probe is judged by.
        points: the factor from score to points.
        rows: the number of rows of train.
        folds: the number of folds.
    """
    best, *others = ranked
    said = [
        f"{best.name} comes first: its probe has {score} {_format_interval(best.score, points)}, "
        f"cross-validated in {folds} folds on {rows:,} rows of train."
    ]

    level = [one for one in others if one.level]
    if level:
        smallest = min([best, *level], key=lambda one: one.measured.size)
        said.append(
            f"Level with it, for the difference may be chance: {_list_behind(level, points)}. The smallest of these is "
            f"{smallest.name} ({decimal(smallest.measured.size)})."
        )
    if worse := [one for one in others if not one.level]:
        said.append(f"Behind it by more than chance: {_list_behind(worse, points)}.")
    return [*said, *_describe_agreement(ranked, agreement)]


def _format_interval(found: Interval, points: float) -> str:
    """Format a score with four digits if it is a share, with two if it goes up to a hundred."""
    score, low, high = (f"{one:.{4 if points == 100 else 2}f}" for one in (found.difference, found.low, found.high))
    return f"{score} ({low} to {high})"


def _list_behind(sources: Sequence[RankedSource], points: float) -> str:
    return ", ".join(
        f"{one.name} ({-points * one.behind.difference:+z.1f} points, "
        f"{-points * one.behind.high:+z.1f} to {-points * one.behind.low:+z.1f})"
        for one in sources
    )


def _describe_agreement(ranked: Sequence[RankedSource], agreement: Mapping[str, Any]) -> list[str]:
    """Say how many of the pairs that the probe tells apart the scores order alike, and which source they prefer."""
    alike, apart = agreement["ordered_alike"], agreement["pairs_apart"]
    if len(ranked) < 2 or not alike:
        return []

    said = []
    if apart:
        counts = " and ".join(f"{SCORES[key]} {count}" for key, count in alike.items())
        pairs = "one pair" if apart == 1 else f"{apart} pairs"
        said.append(f"Of {pairs} of sources that the probe tells apart, {counts} in the same order.")

    for key in alike:
        first = max(ranked, key=lambda one, key=key: getattr(one.measured, key))  # type: ignore[misc]
        if not first.level:
            said.append(f"{SCORES[key]} prefers {first.name}: trust the probe, which has answered rows.")
    return said


def render_ranking(ranked: Sequence[RankedSource], *, score: str, points: float) -> "Table":
    """Make a table of the sources in their order."""
    from rich.table import Table
    from rich.text import Text

    table = Table(caption=f"{score}: of a cross-validated probe, with its 95 % interval; =: level with the best")
    for title in ("", "source", score, *SCORES.values(), "parameters", "size", "seconds"):
        table.add_column(title, justify="left" if title == "source" else "right", overflow="fold")

    several = sum(one.level for one in ranked) > 1
    for place, one in enumerate(ranked, 1):
        measured = one.measured
        values = [getattr(measured, key) for key in SCORES]
        cells = [
            f"{place}=" if one.level and several else f"{place}",
            one.name,
            _format_interval(one.score, points),
            *("-" if value is None else f"{value:.3f}" for value in values),
            f"{measured.parameters:,}",
            decimal(measured.size),
            f"{sum(measured.seconds.values()):.1f}" + ("" if measured.computed else " (cached)"),
        ]
        table.add_row(*map(Text, cells))
    return table
