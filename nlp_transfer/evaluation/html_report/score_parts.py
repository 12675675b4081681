"""Set the scores of a run, with their intervals, beside those of simple methods and scratch controls."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nlp_transfer.config.tasks import SCORED, Scores, TaskDeclaration
from nlp_transfer.evaluation.averaging import mean_scores
from nlp_transfer.evaluation.html_report.parts import Cell, Row, Table
from nlp_transfer.evaluation.html_report.recorded import Recorded
from nlp_transfer.evaluation.intervals import Z, measure_mean
from nlp_transfer.evaluation.metrics import Interval
from nlp_transfer.evaluation.verdicts import SPREAD


@dataclass(frozen=True)
class Scored:
    """What a method has scored.

    Attributes:
        name: of the method.
        validation: its scores.
        test: likewise.
        correct: the score of each test row; empty if it is not known.
        counts: how many seeds tested each row; empty if all did.
    """

    name: str
    validation: Scores
    test: Scores
    correct: Sequence[float] = ()
    counts: Sequence[int] = ()


def tabulate_scores(methods: Sequence[Scored], task: type[TaskDeclaration], note: str) -> Table:
    """Set methods side by side: the score of single rows with its interval, then all others."""
    score = task.compared or task.selection
    shown = task.measured(*(one.test for one in methods))
    columns = [(split, name) for name in shown for split in reversed(SCORED) if (split, name) != ("test", score)]
    rows: list[Row] = [
        [
            one.name,
            _write_measured(one, score, task),
            *(format_score(getattr(one, split), name, task) for split, name in columns),
        ]
        for one in methods
    ]
    header = ["method", name_interval(task), *(f"{split} {name}" for split, name in columns)]
    return Table("Runs and simple methods", header, rows, note)


def list_methods(run: Recorded) -> Iterator[Scored]:
    """Yield everything that was measured on the test of a run, itself first."""
    metrics, hits = run.metrics, run.others
    seeds = None if metrics.seeds is None or metrics.seeds.note else metrics.seeds
    # Of several seeds hits.json has the means.
    yield Scored("this model", metrics.validation, metrics.test, () if seeds else run.scores)
    if seeds:
        means = mean_scores(seeds)
        yield Scored(f"mean of {len(seeds.values)} seeds", means.validation, means.test, run.scores, run.counts)
    for part in metrics.merged.parts if metrics.merged else ():
        yield Scored(f"part {part.name}", part.validation, part.test)
    for name, scores in metrics.baselines.items():
        called = f"{name} (a ceiling: it knows the answers)" if name in run.task.ceilings else name
        yield Scored(called, scores.validation, scores.test, hits.get(name, ()))
    for name, scores in metrics.controls.items():
        yield Scored(f"control: {name}", scores.validation, scores.test)


def explain_choice(run: Recorded) -> str:
    """Say by what the checkpoint was chosen, and what settings the simple methods chose."""
    metrics = run.metrics
    said = ["Test was measured once."]
    if metrics.selection.kept == "best":
        said = [f"The checkpoint was chosen by {metrics.selection.metric} on validation; test was measured once."]
    said[0] += metrics.selection.describe_learning()
    if metrics.seeds and not metrics.seeds.note:
        said.append(f"This is the model of seed {metrics.seed}; ± is the standard deviation over the seeds.")
    if metrics.class_weights:
        said.append(f"The head was solved with {metrics.class_weights.describe(metrics.selection.metric)}.")
    said += [f"{name} chose {one.chosen}." for name, one in metrics.baselines.items() if one.chosen]
    return " ".join(said)


def name_interval(task: type[TaskDeclaration]) -> str:
    """Name the column of the score that is measured on each row."""
    return f"test {task.compared or task.selection}, 95 % interval"


def _write_measured(one: Scored, score: str, task: type[TaskDeclaration]) -> str | Cell:
    """Write the score of single rows with its interval, or without where their scores are not known."""
    if not one.correct:
        return format_score(one.test, score, task) if score in one.test else "-"
    found, deviation = make_interval(one.correct, task, one.counts), one.test.get(SPREAD, {}).get(score)
    if isinstance(found, str) or deviation is None:
        return found
    return replace(found, text=f"{found.text}; ± {deviation:.{count_digits(task)}f}")


def make_interval(scores: Sequence[float], task: type[TaskDeclaration], counts: Sequence[int] = ()) -> str | Cell:
    """Write the mean of the scores of rows with its interval; `counts` as of `Scored`."""
    return draw_interval(measure_rows(scores, counts), task) if scores else "-"


def draw_interval(found: Interval, task: type[TaskDeclaration]) -> Cell:
    """Write a mean with its interval, and draw it on a line from 0 to the highest score."""
    digits, highest = count_digits(task), 100 / task.points
    text = f"{found.difference:.{digits}f} ({found.low:.{digits}f} to {min(found.high, highest):.{digits}f})"
    if found.difference < 0:  # as the logarithm of a probability
        return Cell(text)
    low, middle, high = (min(max(one / highest, 0.0), 1.0) for one in (found.low, found.difference, found.high))
    return Cell(text, span=(low, middle, high))


def measure_rows(scores: Sequence[float], counts: Sequence[int] = ()) -> Interval:
    """Find the mean and its interval: that of Wilson where rows are right or wrong, else by the normal distribution."""
    if {0.0, 1.0}.issuperset(scores) and not counts:
        return measure_mean(scores)
    mean, size = float(np.average(scores, weights=counts or None)), len(scores)
    reach = Z * float(np.std(scores)) / math.sqrt(size)
    return Interval(mean, mean - reach, mean + reach)


def format_score(scores: Scores, name: str, task: type[TaskDeclaration]) -> Cell:
    """Write a score, with its standard deviation if it is a mean over seeds."""
    value, deviation = scores.get(name), scores.get(SPREAD, {}).get(name)
    digits = count_digits(task)
    if not isinstance(value, int | float):
        return Cell("not measured")
    return Cell(f"{value:.{digits}f}" + ("" if deviation is None else f" ± {deviation:.{digits}f}"))


def count_digits(task: type[TaskDeclaration]) -> int:
    """Count the digits behind the point of a score: a share has four, what goes to 100 has two."""
    return 4 if task.points == 100 else 2
