"""What runs have to say side by side: a table, a plot, and sentences that claim no more than was measured."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlp_transfer.config import RunConfig
from nlp_transfer.metrics import Interval, paired_bootstrap
from nlp_transfer.task import Scores, Task, find_task

if TYPE_CHECKING:
    from rich.table import Table

FEWEST = 20  # test rows that a verdict needs
FEW = 0.2  # share of different texts among those written
TRANSFER, SCRATCH, SIMPLE, CEILING = "#2a6f97", "#8a8a8a", "#c1666b", "#5b8e55"
COLOURS = {
    TRANSFER: "blue: transferred",
    SCRATCH: "grey: from scratch",
    SIMPLE: "red: simple methods",
    CEILING: "green: knows the answers",
}


@dataclass(frozen=True)
class Row:
    """One method on one set of data.

    Attributes:
        name: of the run or simple method.
        source: what it starts from; empty for a simple method.
        strategy: how it is trained.
        scratch: random weights instead of pretrained ones.
        trainable: parameters that move.
        total: all parameters.
        seconds: wall-clock time of the training, None where it was not measured alone.
        validation: scores that chose the checkpoint.
        test: scores, measured once.
        correct: score of each test example alone, to compare two methods pair by pair.
        answers: how many different ones the test examples got; 0 where it was not counted.
        model: what a scratch control has in common with its run: the whole name of the source, and the kind of model.
    """

    name: str
    source: str
    strategy: str
    scratch: bool
    trainable: int
    total: int
    seconds: float | None
    validation: Scores
    test: Scores
    correct: Sequence[float]
    answers: int = 0
    model: str = ""

    @property
    def label(self) -> str:
        """Source and strategy in a few words."""
        if not self.source:
            return self.name
        return f"{self.source}{' from scratch' if self.scratch else ''}, {self.strategy}"


def source_label(section: Any) -> str:
    """The source and its contextualizer, for people."""
    context = getattr(section, "contextualizer", "bag")
    name = Path(section.name).name if Path(section.name).exists() else section.name
    return name if context == "bag" else f"{name} + {context}"


def row_of(name: str, config: RunConfig, metrics: Mapping[str, Any], correct: Sequence[float]) -> Row:
    """A run, out of its configuration and the contents of its metrics.json."""
    return Row(
        name=name,
        source=source_label(config.source),
        strategy=config.strategy.kind,
        scratch=config.source.scratch,
        **metrics["parameters"],
        seconds=metrics["seconds"]["training"],
        validation=metrics["validation"],
        test=metrics["test"],
        correct=correct,
        answers=metrics.get("answers", 0),
        model=f"{config.source.name}, {find_task(config.task.name)(config.task).auto_class}",
    )


def simple(name: str, *, validation: Scores, test: Scores, correct: Sequence[float], scratch: bool = False) -> Row:
    """A simple method, or a `scratch` control of which no more is known than its scores."""
    return Row(
        name=name,
        source="",
        strategy="",
        scratch=scratch,
        trainable=0,
        total=0,
        seconds=None,
        validation=validation,
        test=test,
        correct=correct,
    )


def brief(numbers: Mapping[str, float]) -> str:
    """Scores in one line."""
    return ", ".join(f"{name} {value:.4f}" for name, value in numbers.items())


def labels_of(rows: Sequence[Row]) -> dict[str, str]:
    """Name of a row -> its label, with the name behind it where two rows would read alike."""
    count = Counter(row.label for row in rows)
    return {row.name: row.label if count[row.label] == 1 else f"{row.label} ({row.name})" for row in rows}


def render_table(rows: Sequence[Row], baselines: Sequence[Row], *, task: type[Task]) -> "Table":
    """Simple methods first, then the runs in order."""
    from rich.table import Table

    table = Table()
    for title in ("source", "strategy", "trainable / total", "seconds"):
        table.add_column(title, justify="left" if title in ("source", "strategy") else "right")
    shown = task.measured(*(row.test for row in (*baselines, *rows)))
    for split in ("validation", "test"):
        for score in shown:
            table.add_column(f"{split} {score}", justify="right")
    labels = labels_of(rows)
    for row in (*baselines, *rows):
        strategy = row.strategy if labels.get(row.name, row.label) == row.label else f"{row.strategy} ({row.name})"
        source = row.source + (" (scratch)" if row.scratch else "") if row.source else row.name
        size = f"{row.trainable:,} / {row.total:,}" if row.total else "-"
        seconds = "-" if row.seconds is None else f"{row.seconds:.1f}"
        scores = [_digits(split.get(score), task) for split in (row.validation, row.test) for score in shown]
        table.add_row(source, strategy or "-", size, seconds, *scores)
    return table


def verdicts(
    rows: Sequence[Row], baselines: Sequence[Row], *, task: type[Task], among: Sequence[Row] = ()
) -> list[str]:
    """Say which run validation chooses, and what transfer bought against the simple methods and the scratch controls.

    A difference counts only when its 95 % paired-bootstrap interval on the test rows leaves out zero. Rows are called
    so that they can be told from those that they stand `among`.
    """
    said, metric = [], task.selection
    labels = {**{row.name: row.label for row in baselines}, **labels_of(among or rows)}
    if len(rows) > 1:
        best = max(rows, key=lambda row: float(row.validation[metric]))
        said.append(
            f"Best on validation: {labels[best.name]}, with {metric} {_digits(best.test[metric], task)} on test."
        )
    beatable = [row for row in baselines if row.name not in task.ceilings]
    hardest = max(beatable, key=lambda row: float(row.validation[metric]), default=None)
    for row in rows:
        if len(row.correct) >= FEWEST and (alike := _alike(row, task)):
            said.append(f"{labels[row.name]} gives {alike} test rows.")
        if hardest is not None:
            said.append(_compare(row, hardest, labels, task))
        controls = [other for other in rows if is_control(other, row)]
        said += [_compare(row, control, labels, task) for control in controls]
    return said


def _alike(row: Row, task: type[Task]) -> str:
    """Say it where a model hardly looks at its input: one label for all, or a handful of texts."""
    if row.answers == 1:
        return f"one and the same answer to all {len(row.correct)}"
    few = "label" not in task.roles.values() and 0 < row.answers <= FEW * len(row.correct)
    return f"only {row.answers} different answers to {len(row.correct)}" if few else ""


def is_control(other: Row, row: Row) -> bool:
    """Whether one run is the scratch control of another."""
    return other.scratch and not row.scratch and (other.source, other.model) == (row.source, row.model)


def _compare(row: Row, other: Row, labels: Mapping[str, str], task: type[Task]) -> str:
    name = labels[other.name]
    if len(row.correct) < FEWEST:
        return f"{labels[row.name]} cannot be told from {name}: {len(row.correct)} test rows are too few."
    found = paired_bootstrap(row.correct, other.correct)
    if found.low > 0:
        judgement = f"beats {name}"
    elif found.high < 0:
        # Transfer is judged by the same model from scratch; a simple method shows only what the task is worth.
        judgement = f"is worse than {name}" + (": negative transfer" if other.scratch and other.source else "")
    else:
        judgement = f"does not beat {name} (the difference may be chance)"
    return f"{labels[row.name]} {judgement}: {_interval(found, task.points)} test {task.compared or task.selection}."


def _interval(found: Interval, points: float) -> str:
    difference, low, high = (f"{points * value:+.1f}" for value in (found.difference, found.low, found.high))
    return f"{difference} points ({low} to {high}) of"


def _digits(value: float | None, task: type[Task]) -> str:
    """Four digits of a share, two of what counts to a hundred."""
    if value is None:
        return "-"
    return f"{value:.4f}" if task.points == 100 else f"{value:.2f}"


def plot(rows: Sequence[Row], baselines: Sequence[Row], path: Path, *, task: type[Task]) -> None:
    """Draw the test score of every method as a bar, best first, with the share of parameters trained; write a PNG."""
    from matplotlib.figure import Figure  # a second to import; the object interface needs no display

    metric, labels = task.selection, labels_of(rows)
    ordered = sorted([*rows, *baselines], key=lambda row: float(row.test[metric]))
    scores = [float(row.test[metric]) for row in ordered]
    colours = [_colour(row, task) for row in ordered]
    figure = Figure(figsize=(9, 1.2 + 0.35 * len(ordered)), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh(range(len(ordered)), scores, color=colours, height=0.7)
    axes.set_yticks(range(len(ordered)), [labels.get(row.name, row.label) for row in ordered])
    axes.bar_label(bars, [f"{_digits(row.test[metric], task)}{_share(row)}" for row in ordered], padding=4, fontsize=9)
    axes.margins(y=0.02)
    axes.set_xlim(0, 1.35 * max(scores) or 1.0)
    axes.set_xticks([tick for tick in axes.get_xticks() if tick <= max(scores)])
    axes.set_xlabel(f"test {metric.replace('_', ' ')}")
    axes.set_title(", ".join(said for colour, said in COLOURS.items() if colour in colours), fontsize=9, loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def _colour(row: Row, task: type[Task]) -> str:
    if row.name in task.ceilings:
        return CEILING
    if row.scratch:
        return SCRATCH
    return TRANSFER if row.source else SIMPLE


def _share(row: Row) -> str:
    """Trained share of the parameters, two digits where it is small; nothing where there are none."""
    if not row.total:
        return ""
    share = row.trainable / row.total
    return f"  ({share:.0%} of parameters)" if share >= 0.1 else f"  ({100 * share:.2g}% of parameters)"
