"""Compare runs: a table, and sentences that claim no more than was measured."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.tasks import LABELLED, SCORED, Scores, TaskDeclaration
from nlp_transfer.evaluation.metrics import Interval, bootstrap_difference
from nlp_transfer.evaluation.metrics_file import Cost, Method, Metrics
from nlp_transfer.system.escaping import escape_line
from nlp_transfer.system.layout import find_run_of

if TYPE_CHECKING:
    from rich.table import Table

ADAPTATION = "adaptation"  # the task of a run that adapts a source to texts without labels
FEWEST_TESTED = 20  # test rows that a verdict needs
SPREAD = "standard_deviation"  # key among scores that are means: score -> deviation
FEW_ANSWERS = 0.2  # a smaller share of different texts among those written is worth a warning


@dataclass(frozen=True)
class Comparand:
    """Hold the results of one method on one set of data; see `averaging` for several seeds.

    Attributes:
        name: the name of the run or the simple method.
        source: what it starts from; empty for a simple method.
        strategy: how it is trained.
        scratch: random weights instead of pretrained ones.
        trainable: the number of parameters that are trained.
        total: the number of all parameters.
        seconds: wall-clock time of the training; None if it was not measured alone.
        cost: of its answers; None if it was not measured.
        validation: scores that chose the checkpoint.
        test: scores on the test rows, measured once.
        correct: the score of each test row alone, to compare two methods row by row.
        answers: for each seed, how many different answers the test rows got; 0 if they were not counted.
        model: what a scratch control shares with its run: the source's full name and the kind of model.
        tested: the number of each test row in its file; empty if it is not known.
        counts: how many seeds tested each row; empty if all did.
        seeds: the seeds that were averaged; then the scores hold `standard_deviation` too. Empty for one seed.
        chosen: settings that a simple method chose, in words.
        adapted: the source that was adapted to texts without labels, if this run started from such a one.
        unmoved: what `strategy` would be without `strategy.adaptation`; empty if it is without.
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
    cost: Cost | None = None
    adapted: str = ""
    unmoved: str = ""

    def name_strategy(self, *notes: str) -> str:
        """Name the strategy, with notes that tell it from others, and the number of seeds."""
        notes = (*notes, f"{len(self.seeds)} seeds") if self.seeds else notes
        strategy = self.strategy or "-"
        return escape_line(f"{strategy} ({', '.join(notes)})" if notes else strategy)

    def name_method(self, *notes: str) -> str:
        """Name source and strategy in a few words; a simple method by its name."""
        if not self.source:
            return escape_line(self.name)
        return escape_line(f"{self.source}{' from scratch' if self.scratch else ''}, {self.name_strategy(*notes)}")

    @property
    def label(self) -> str:
        """The name, as long as no other method has the same."""
        return self.name_method()

    def collect_scores(self) -> Method:
        """Collect what metrics.json holds of a simple method: scores, and what is known of its choice and cost."""
        more = {"chosen": self.chosen or None, "seconds": self.seconds, "cost": self.cost}
        known = {name: value for name, value in more.items() if value is not None}
        return Method(validation=self.validation, test=self.test, **known)

    def format_score(self, split: str, score: str, *, points: float = 100.0) -> str:
        """Format a score and its spread: with four digits if it is a share, with two if it goes up to a hundred."""
        scores: Scores = getattr(self, split)
        value, deviation = scores.get(score), scores.get(SPREAD, {}).get(score)
        digits = 4 if points == 100 else 2
        said = "-" if value is None else f"{value:.{digits}f}"
        return said if deviation is None else f"{said} ± {deviation:.{digits}f}"


def name_source(section: Any) -> str:
    """Name a source and its contextualizer for people."""
    path = Path(section.name)
    name = (find_run_of(path) or path).name if path.exists() else section.name
    return f"{name}{_name_layers(section)}"


def _name_layers(section: Any) -> str:
    context = getattr(section, "contextualizer", "bag")
    return "" if context == "bag" else f" + {context}"


def make_comparand(
    name: str, config: RunConfig, metrics: Metrics, correct: Sequence[float], tested: Sequence[int] = ()
) -> Comparand:
    """Make the result of a run with one seed from its configuration and its figures."""
    way, note = config.strategy.adaptation, ", merged" if metrics.merged else ", shared" if metrics.beside else ""
    strategy = config.strategy.kind + note
    return Comparand(
        name=name,
        source=name_source(config.source),
        strategy=strategy if way == "none" else f"{strategy} + {way}",
        scratch=config.source.scratch,
        trainable=metrics.parameters.trainable,
        total=metrics.parameters.total,
        seconds=metrics.seconds.training,
        validation=metrics.validation,
        test=metrics.test,
        correct=correct,
        answers=(metrics.answers,),
        model=f"{config.source.name}, {config.task_class(config.task).auto_class}",
        tested=tested,
        cost=metrics.cost,
        adapted=_find_unadapted(config, metrics),
        unmoved="" if way == "none" else strategy,
    )


def _find_unadapted(config: RunConfig, metrics: Metrics) -> str:
    """Find the source that the run's own was adapted from, under the same layers."""
    before = next((one.source for one in metrics.provenance.chain[-1:] if one.task == ADAPTATION), "")
    return before and before + _name_layers(config.source)


def make_baseline(
    name: str, scores: Method, *, correct: Sequence[float], tested: Sequence[int] = (), scratch: bool = False
) -> Comparand:
    """Make the result of a simple method, or of a `scratch` control of which only scores are known."""
    return Comparand(
        name=name,
        source="",
        strategy="",
        scratch=scratch,
        trainable=0,
        total=0,
        seconds=scores.seconds,
        validation=scores.validation,
        test=scores.test,
        correct=correct,
        tested=tested,
        cost=scores.cost,
        chosen=scores.chosen or "",
    )


def format_scores(numbers: Mapping[str, float]) -> str:
    """Format scores in one line."""
    return ", ".join(f"{name} {value:.4f}" for name, value in numbers.items())


def list_labels(rows: Sequence[Comparand]) -> dict[str, str]:
    """Map the name of each result to its label; results with the same label also show their names."""
    count = Counter(row.label for row in rows)
    return {row.name: row.label if count[row.label] == 1 else row.name_method(row.name) for row in rows}


def find_label(labels: Mapping[str, str], row: Comparand) -> str:
    """Label a result as beside the runs of `list_labels`; a run may have the name of a simple method."""
    return labels.get(row.name, row.label) if row.source else row.label


def render_table(rows: Sequence[Comparand], baselines: Sequence[Comparand], *, task: type[TaskDeclaration]) -> "Table":
    """Make a table of the simple methods, then the runs in order; no cell is read as markup."""
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

    labels = list_labels(rows)
    for row in (*baselines, *rows):
        apart = find_label(labels, row) != row.label
        cells = [
            row.source + (" (scratch)" if row.scratch else "") if row.source else row.name,
            row.name_strategy(row.name) if apart else row.name_strategy(),
            f"{row.trainable:,} / {row.total:,}" if row.total else "-",
            "-" if row.seconds is None else f"{row.seconds:.1f}",
            *(row.format_score(split, score, points=task.points) for split in SCORED for score in shown),
        ]

        table.add_row(*(Text(escape_line(cell)) for cell in cells))
    return table


def write_verdicts(
    rows: Sequence[Comparand],
    baselines: Sequence[Comparand],
    *,
    task: type[TaskDeclaration],
    among: Sequence[Comparand] = (),
) -> list[str]:
    """Say which run validation chooses, and how much transfer gains over simple methods and scratch controls.

    A difference counts only if its 95 % paired-bootstrap interval on the test rows excludes zero; see `averaging` for
    several seeds. The labels tell the runs also from the others that they stand `among`.
    """
    said, metric = [], task.selection
    labels = list_labels(among or rows)

    if len(rows) > 1:
        best = max(rows, key=lambda row: float(row.validation[metric]))
        scored = best.format_score("test", metric, points=task.points)
        said.append(f"Best on validation: {labels[best.name]}, with {metric} {scored} on test.")

    beatable = [row for row in baselines if row.name not in task.ceilings]
    hardest = _find_hardest(beatable, task)
    for row in rows:
        if len(row.correct) >= FEWEST_TESTED and (alike := _describe_sameness(row, task)):
            said.append(f"{labels[row.name]} gives {alike}.")

        said += [_compare(row, one, labels, task) for one in hardest]

        others = [other for other in rows if other is not row]
        controls = [other for other in others if is_control(other, row) or is_unadapted(other, row)]
        said += [_compare(row, control, labels, task) for control in controls]
    return said


def _find_hardest(baselines: Sequence[Comparand], task: type[TaskDeclaration]) -> Sequence[Comparand]:
    """Find the simple method that is best on validation by the score that chooses, and by that which is compared."""
    found = {}
    for metric in (task.selection, task.compared or task.selection):
        known = [row for row in baselines if metric in row.validation]  # that of single sentences has no whole
        if known:
            best = max(known, key=lambda row: float(row.validation[metric]))
            found[best.name] = best
    return [*found.values()]


def rename_method(row: Comparand, name: str) -> Comparand:
    """Call a result by a name of its own, instead of by source and strategy."""
    return replace(row, name=name, source="")


def compare_with_parts(row: Comparand, parts: Sequence[Comparand], *, task: type[TaskDeclaration]) -> list[str]:
    """Say how a merged model stands to what it was merged from, called by `rename_method`."""
    return [_compare(row, part, {row.name: row.label}, task) for part in parts]


def _describe_sameness(row: Comparand, task: type[TaskDeclaration]) -> str:
    """Say if a model hardly looks at its input, because it gives one label to all, or only a few different texts."""
    rows = sum(row.counts) // len(row.answers) if row.counts else len(row.correct)
    most = max(1.0, FEW_ANSWERS * rows) if {*LABELLED, "number"}.isdisjoint(task.roles.values()) else 1.0
    poor = [count for count in row.answers if 0 < count <= most]
    if not poor:
        return ""
    fewest = "one and the same answer to all" if min(poor) == 1 else f"only {min(poor)} different answers to"
    which = f" with {len(poor)} of the seeds" if row.seeds else ""
    return f"{fewest} {rows} test rows{which}"


def is_control(other: Comparand, row: Comparand) -> bool:
    """Tell whether one run is the scratch control of another."""
    return other.scratch and not row.scratch and (other.source, other.model) == (row.source, row.model)


def is_unadapted(other: Comparand, row: Comparand) -> bool:
    """Tell whether one run is as another, but without its adaptation to texts, before the training or during it."""
    before = bool(row.adapted) and (other.source, other.strategy) == (row.adapted, row.strategy)
    during = bool(row.unmoved) and (other.source, other.strategy) == (row.source, row.unmoved)
    return (before or during) and other.scratch == row.scratch


def _compare(row: Comparand, other: Comparand, labels: Mapping[str, str], task: type[TaskDeclaration]) -> str:
    name = find_label(labels, other)
    if len(row.correct) < FEWEST_TESTED:
        return f"{labels[row.name]} cannot be told from {name}: {len(row.correct)} test rows are too few."

    found = bootstrap_difference(row.correct, other.correct, counts=row.counts)
    if found.low > 0:
        judgement = f"beats {name}"
    elif found.high < 0:
        # Only the same model from scratch can show negative transfer; a simple method shows how hard the task is.
        judgement = f"is worse than {name}" + (": negative transfer" if other.scratch and other.source else "")
    else:
        judgement = f"does not beat {name} (may be chance)"
    if is_unadapted(other, row):
        paid = "paid" if found.low > 0 else "did harm" if found.high < 0 else "did not pay"
        judgement += f", so adaptation {paid}"
    interval = _format_interval(found, task.points)
    return f"{labels[row.name]} {judgement}: {interval} test {task.compared or task.selection}."


def _format_interval(found: Interval, points: float) -> str:
    difference, low, high = (f"{points * value:+.1f}" for value in (found.difference, found.low, found.high))
    return f"{difference} points ({low} to {high}) of"
