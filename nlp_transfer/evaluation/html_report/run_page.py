"""Make the page of one run from what its folder holds."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nlp_transfer.config.sections import render
from nlp_transfer.config.tasks import TaskDeclaration
from nlp_transfer.evaluation.costs import describe_cost
from nlp_transfer.evaluation.html_report.charts import draw_history
from nlp_transfer.evaluation.html_report.class_parts import describe_confidence, tabulate_classes, tabulate_confusion
from nlp_transfer.evaluation.html_report.data_parts import (
    describe_leaks,
    tabulate_by_length,
    tabulate_lengths,
    tabulate_splits,
)
from nlp_transfer.evaluation.html_report.parts import Cell, Code, Page, Part, Section, Sentences, Table
from nlp_transfer.evaluation.html_report.recorded import Answered, Recorded, read_run
from nlp_transfer.evaluation.html_report.row_parts import find_share_right, list_rows, list_suspects
from nlp_transfer.evaluation.html_report.score_parts import explain_choice, list_methods, tabulate_scores
from nlp_transfer.evaluation.html_report.suspects import find_suspects
from nlp_transfer.evaluation.metrics_file import Metrics
from nlp_transfer.evaluation.verdicts import name_source

MOST_SUSPECTS = 30
TRUSTED = 0.9  # share of right answers from which on a model may doubt labels


def open_run_page(
    folder: Path, metrics: Metrics | None = None, task: type[TaskDeclaration] | None = None
) -> Callable[[int], Page]:
    """Give what makes the page of a run, with so many rows of test; for the rest see `read_run`."""
    read = functools.cache(lambda: read_run(folder, metrics, task))
    return lambda most: make_run_page(read(), most=most)


def make_run_page(run: Recorded, *, most: int) -> Page:
    """Make the page; `most` rows of test stand in it."""
    _, kind = run.answer
    trusted = kind == "label" and find_share_right(run.answered) >= TRUSTED
    suspects = find_suspects(run.answered, run.labels) if trusted else []
    sections = [
        Section("scores", "Scores", [tabulate_scores(list(list_methods(run)), run.task, explain_choice(run))]),
        Section("training", "Training", _list_training(run)),
        Section("classes", "Classes", _list_classes(run)),
        Section("confidence", "Confidence", describe_confidence(run)),
        Section("lengths", "Lengths", [part for part in (tabulate_lengths(run), tabulate_by_length(run)) if part]),
        Section("rows", "Rows of test", [part for part in [list_rows(run, suspects, most)] if part]),
        Section("data", "Data", _list_data(run, suspects, min(most, MOST_SUSPECTS))),
        Section("cost", "Cost", _list_cost(run)),
        Section("again", "How to reproduce it", _list_commands(run)),
    ]
    return Page(
        title=run.folder.name,
        lead=_describe(run),
        verdict=run.metrics.verdict or ["No verdict was recorded."],
        sections=[one for one in sections if one.parts],
        missing=run.missing,
    )


def _describe(run: Recorded) -> str:
    """Say what the run is, in a sentence."""
    config, sizes = run.config, run.metrics.parameters
    start = "random weights, a control" if config.source.scratch else name_source(config.source)
    beside = f", together with {', '.join(run.metrics.beside)}" if run.metrics.beside else ""
    return (
        f"{config.task.name} from {start}, strategy {config.strategy.kind}{beside}: {sizes.trainable:,} of "
        f"{sizes.total:,} parameters trained."
    )


def _list_training(run: Recorded) -> list[Part]:
    metrics, selection = run.metrics, run.metrics.selection
    steps = f"{metrics.steps:,}" if metrics.steps else "none, for the head was solved"
    kept = "the best on validation" if selection.kept == "best" else "the last one, for validation is too small"
    said = [
        f"Epochs: {metrics.epochs:,}; optimizer steps: {steps}; seconds: {metrics.seconds.training:,.1f}.",
        f"The state that was kept is {kept}: {selection.metric} {selection.best:.4f}.",
        *metrics.warnings,
    ]
    picture = draw_history(run.history, selection.metric)
    return [Sentences(said), *([picture] if picture else [])]


def _list_classes(run: Recorded) -> list[Part]:
    _, kind = run.answer
    confusion = tabulate_confusion(run.answered, run.labels) if run.answered and kind == "label" else None
    return [part for part in (confusion, tabulate_classes(run)) if part]


def _list_data(run: Recorded, suspects: list[Answered], most: int) -> list[Part]:
    data = run.metrics.data
    return [describe_leaks(data), tabulate_splits(data), *_list_doubts(run, suspects, most)]


def _list_doubts(run: Recorded, suspects: list[Answered], most: int) -> list[Part]:
    """List labels that may be wrong, or say that this model is not right often enough to doubt any."""
    share = find_share_right(run.answered)
    if run.answered and run.answer[1] == "label" and share < TRUSTED:
        said = (
            f"Labels in doubt are listed where a model is right on {TRUSTED:.0%} of the rows of test or more; this one "
            f"is right on {share:.1%}, and most of its doubts would be errors of its own."
        )
        return [Sentences([said])]
    return [list_suspects(suspects, run, most)] if suspects else []


def _list_cost(run: Recorded) -> list[Part]:
    metrics = run.metrics
    seconds = metrics.seconds.model_dump()
    table = Table("Seconds", ["stage", "seconds"], [[name, Cell(f"{value:,.1f}")] for name, value in seconds.items()])
    said = [f"Answers: {describe_cost(metrics.cost)}."] if metrics.cost else []
    said += [f"Answers of {name}: {describe_cost(one.cost)}." for name, one in metrics.baselines.items() if one.cost]
    return [*([Sentences(said)] if said else []), table]


def _list_commands(run: Recorded) -> list[Part]:
    """Say how to get the same again."""
    environment: Mapping[str, Any] = run.environment
    facts = {
        "seed": str(run.metrics.seed),
        "number format": run.metrics.precision,
        **{
            name: str(environment[name])
            for name in ("device", "cores", "threads", "python", "platform")
            if name in environment
        },
        **environment.get("packages", {}),
        **{f"sha256 of {name}": digest for name, digest in run.metrics.weights.items()},
    }
    return [
        Sentences(["From this folder's config.yaml, with the data at the places that it names:"]),
        Code("nlp-transfer run config.yaml --output again"),
        Table("Circumstances", ["what", "value"], [[name, value] for name, value in facts.items()]),
        Code(render(run.config), folded="config.yaml"),
    ]
