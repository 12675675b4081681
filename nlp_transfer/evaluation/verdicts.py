"""What runs have to say side by side: a table, and sentences that claim no more than was measured."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlp_transfer.config.sections import RunConfig
from nlp_transfer.config.tasks import SCORED, Scores, TaskDeclaration
from nlp_transfer.evaluation.metrics import Interval, paired_bootstrap
from nlp_transfer.system.escaping import escape_line

if TYPE_CHECKING:
    from rich.table import Table

FEWEST = 20  # test rows that a verdict needs
SPREAD = "standard_deviation"  # of scores that are means: score -> deviation
FEW = 0.2  # share of different texts among those written


@dataclass(frozen=True)
class Row:
    """One method on one set of data; of several seeds see `averaging`.

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
        answers: how many different ones the test examples got, by each seed; 0 where it was not counted.
        model: what a scratch control has in common with its run: the whole name of the source, and the kind of model.
        tested: number of the row of each test example in its file; empty where it is not known.
        counts: how many seeds tested each; empty where all did.
        seeds: those over which the scores are means, which then hold each `standard_deviation` too; empty for one seed.
        chosen: settings that a simple method chose, in words.
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
    correct: Sequence[float] = field(repr=False)
    answers: Sequence[int] = ()
    model: str = ""
    tested: Sequence[int] = field(default=(), repr=False)
    counts: Sequence[int] = field(default=(), repr=False)
    seeds: Sequence[int] = ()
    chosen: str = ""

    def way(self, *notes: str) -> str:
        """The strategy, or none, with notes that tell it from others, and of how many seeds the scores are means."""
        notes = (*notes, f"{len(self.seeds)} seeds") if self.seeds else notes
        strategy = self.strategy or "-"
        return escape_line(f"{strategy} ({', '.join(notes)})" if notes else strategy)

    def called(self, *notes: str) -> str:
        """Source and strategy in a few words; a simple method by its name."""
        if not self.source:
            return escape_line(self.name)
        return escape_line(f"{self.source}{' from scratch' if self.scratch else ''}, {self.way(*notes)}")

    @property
    def label(self) -> str:
        """What it is called where nothing else is called so."""
        return self.called()

    def kept(self) -> dict[str, Any]:
        """Give what metrics.json holds of a simple method: its scores, and what it chose, if it had a choice."""
        return {**{split: getattr(self, split) for split in SCORED}, **({"chosen": self.chosen} if self.chosen else {})}

    def shown(self, split: str, score: str, *, points: float = 100.0) -> str:
        """A score and its spread: four digits of a share, two of what counts to a hundred."""
        scores: Scores = getattr(self, split)
        value, deviation = scores.get(score), scores.get(SPREAD, {}).get(score)
        digits = 4 if points == 100 else 2
        said = "-" if value is None else f"{value:.{digits}f}"
        return said if deviation is None else f"{said} ± {deviation:.{digits}f}"


def source_label(section: Any) -> str:
    """The source and its contextualizer, for people."""
    context = getattr(section, "contextualizer", "bag")
    name = Path(section.name).name if Path(section.name).exists() else section.name
    return name if context == "bag" else f"{name} + {context}"


def row_of(
    name: str, config: RunConfig, metrics: Mapping[str, Any], correct: Sequence[float], tested: Sequence[int] = ()
) -> Row:
    """A run of one seed, out of its configuration and the contents of its metrics.json."""
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
        answers=(metrics.get("answers", 0),),
        model=f"{config.source.name}, {config.task_class(config.task).auto_class}",
        tested=tested,
    )


def simple(
    name: str,
    *,
    validation: Scores,
    test: Scores,
    correct: Sequence[float],
    tested: Sequence[int] = (),
    scratch: bool = False,
    chosen: str = "",
) -> Row:
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
        tested=tested,
        chosen=chosen,
    )


def brief(numbers: Mapping[str, float]) -> str:
    """Scores in one line."""
    return ", ".join(f"{name} {value:.4f}" for name, value in numbers.items())


def labels_of(rows: Sequence[Row]) -> dict[str, str]:
    """Name of a row -> what it is called, with the name behind it where two rows would read alike."""
    count = Counter(row.label for row in rows)
    return {row.name: row.label if count[row.label] == 1 else row.called(row.name) for row in rows}


def label_in(labels: Mapping[str, str], row: Row) -> str:
    """Call a row as beside the runs of `labels_of`; a run may have the name of a simple method."""
    return labels.get(row.name, row.label) if row.source else row.label


def render_table(rows: Sequence[Row], baselines: Sequence[Row], *, task: type[TaskDeclaration]) -> "Table":
    """Simple methods first, then the runs in order; cells are taken as they are, not as markup."""
    from rich.table import Table
    from rich.text import Text

    averaged = any(row.seeds for row in (*baselines, *rows))
    table = Table(caption="mean ± standard deviation over the seeds" if averaged else None)
    for title in ("source", "strategy", "trainable / total", "seconds"):
        table.add_column(title, justify="left" if title in ("source", "strategy") else "right", overflow="fold")
    shown = task.measured(*(row.test for row in (*baselines, *rows)))
    for split in SCORED:
        for score in shown:
            table.add_column(Text(f"{split}\n{escape_line(score)}"), justify="right")
    labels = labels_of(rows)
    for row in (*baselines, *rows):
        apart = label_in(labels, row) != row.label
        cells = [
            row.source + (" (scratch)" if row.scratch else "") if row.source else row.name,
            row.way(row.name) if apart else row.way(),
            f"{row.trainable:,} / {row.total:,}" if row.total else "-",
            "-" if row.seconds is None else f"{row.seconds:.1f}",
            *(row.shown(split, score, points=task.points) for split in SCORED for score in shown),
        ]
        table.add_row(*(Text(escape_line(cell)) for cell in cells))
    return table


def verdicts(
    rows: Sequence[Row], baselines: Sequence[Row], *, task: type[TaskDeclaration], among: Sequence[Row] = ()
) -> list[str]:
    """Say which run validation chooses, and what transfer bought against the simple methods and the scratch controls.

    A difference counts only when its 95 % paired-bootstrap interval on the test rows leaves out zero; of several seeds
    all count, see `averaging`. Rows are called so that they can be told from those that they stand `among`.
    """
    said, metric = [], task.selection
    labels = labels_of(among or rows)
    if len(rows) > 1:
        best = max(rows, key=lambda row: float(row.validation[metric]))
        scored = best.shown("test", metric, points=task.points)
        said.append(f"Best on validation: {labels[best.name]}, with {metric} {scored} on test.")
    beatable = [row for row in baselines if row.name not in task.ceilings]
    hardest = max(beatable, key=lambda row: float(row.validation[metric]), default=None)
    for row in rows:
        if len(row.correct) >= FEWEST and (alike := _alike(row, task)):
            said.append(f"{labels[row.name]} gives {alike}.")
        if hardest is not None:
            said.append(_compare(row, hardest, labels, task))
        controls = [other for other in rows if is_control(other, row)]
        said += [_compare(row, control, labels, task) for control in controls]
    return said


def _alike(row: Row, task: type[TaskDeclaration]) -> str:
    """Say it where a model hardly looks at its input: one label for all, or a handful of texts."""
    rows = sum(row.counts) // len(row.answers) if row.counts else len(row.correct)
    most = 1.0 if "label" in task.roles.values() else max(1.0, FEW * rows)
    poor = [count for count in row.answers if 0 < count <= most]
    if not poor:
        return ""
    fewest = "one and the same answer to all" if min(poor) == 1 else f"only {min(poor)} different answers to"
    which = f" with {len(poor)} of the seeds" if row.seeds else ""
    return f"{fewest} {rows} test rows{which}"


def is_control(other: Row, row: Row) -> bool:
    """Tell whether one run is the scratch control of another."""
    return other.scratch and not row.scratch and (other.source, other.model) == (row.source, row.model)


def _compare(row: Row, other: Row, labels: Mapping[str, str], task: type[TaskDeclaration]) -> str:
    name = label_in(labels, other)
    if len(row.correct) < FEWEST:
        return f"{labels[row.name]} cannot be told from {name}: {len(row.correct)} test rows are too few."
    found = paired_bootstrap(row.correct, other.correct, counts=row.counts)
    if found.low > 0:
        judgement = f"beats {name}"
    elif found.high < 0:
        # Transfer is judged by the same model from scratch; a simple method shows only what the task is worth.
        judgement = f"is worse than {name}" + (": negative transfer" if other.scratch and other.source else "")
    else:
        judgement = f"does not beat {name} (may be chance)"
    return f"{labels[row.name]} {judgement}: {_interval(found, task.points)} test {task.compared or task.selection}."


def _interval(found: Interval, points: float) -> str:
    difference, low, high = (f"{points * value:+.1f}" for value in (found.difference, found.low, found.high))
    return f"{difference} points ({low} to {high}) of"
