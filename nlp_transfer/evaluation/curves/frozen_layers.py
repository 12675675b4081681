"""Say what freezing the lowest layers of an encoder costs in score, and saves in time and memory."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rich.filesize import decimal

from nlp_transfer.evaluation.curves.findings import MethodCurve
from nlp_transfer.evaluation.curves.sentences import format_point, format_points
from nlp_transfer.evaluation.metrics import Interval

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class FrozenLayers:
    """A source of which the embeddings and the lowest layers stay as they are.

    Attributes:
        source: its name.
        layers: how many stay; 0: all of the model moves, its embeddings too.
        curve: its score at the largest size.
        behind: its score less that with the fewest frozen layers.
        memory: bytes that the training needs with all activations at hand, counted.
        trainable: the number of parameters that move.
    """

    source: str
    layers: int
    curve: MethodCurve
    behind: Interval
    memory: int
    trainable: int

    @property
    def seconds(self) -> float:
        """The time of a training, as a mean over the seeds."""
        return statistics.fmean(self.curve.points[0].seconds)

    def collect(self) -> dict[str, Any]:
        """Collect what curve.json holds about it."""
        (point,) = self.curve.collect()["points"]
        return {
            "source": self.source,
            "layers": self.layers,
            "trainable": self.trainable,
            "memory": self.memory,
            **point,
            "behind": asdict(self.behind),
        }


def describe_frozen(found: Sequence[FrozenLayers], points: float) -> list[str]:
    """Say for each source and number of layers how the score differs from that with the fewest."""
    first = {one.source: one for one in reversed(found)}
    return [
        f"With {one.layers} frozen layers instead of {first[one.source].layers}, {one.source} scores "
        f"{format_points(one.behind, points)}, and needs {one.memory / first[one.source].memory:.0%} of the memory."
        for one in found
        if one is not first[one.source]
    ]


def render_frozen(found: Sequence[FrozenLayers], *, score: str, points: float) -> "Table":
    """Make a table of score, time and memory by the number of frozen layers."""
    from rich.table import Table
    from rich.text import Text

    size = found[0].curve.sizes[0]
    table = Table(caption=f"on {size:,} rows; memory is counted, with all activations at hand")
    for title in ("source", "frozen layers", f"test {score}", "trainable", "seconds", "memory"):
        table.add_column(title, justify="left" if title == "source" else "right", overflow="fold")
    for one in found:
        cells = [
            one.source,
            str(one.layers),
            format_point(one.curve.points[0], points),
            f"{one.trainable:,}",
            f"{one.seconds:.1f}",
            decimal(one.memory),
        ]
        table.add_row(*map(Text, cells))
    return table
