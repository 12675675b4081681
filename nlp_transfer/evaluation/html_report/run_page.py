"""Make the page of one run from what its folder holds."""

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nlp_transfer.config.load import render
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
SURE = "the model takes no row for another label with the confidence that it usually has for that one"
# Share of right answers from which on a model may doubt labels: where a tenth of them is wrong, no model has much more.
TRUSTED = 0.8


def open_run_page(
    folder: Path,
    metrics: Metrics | None = None,
    task: type[TaskDeclaration] | None = None,
    train: Sequence[Answered] = (),
) -> Callable[[int], Page]:
    """Give what makes the page of a run, with so many rows of test; for the rest see `read_run` and `make_run_page`."""
    read = functools.cache(lambda: read_run(folder, metrics, task))
    return lambda most: make_run_page(read(), train, most=most)


def make_run_page(run: Recorded, train: Sequence[Answered] = (), *, most: int) -> Page:
    """Make the page; `most` rows of test stand in it.

    Args:
        run: what it has recorded.
        train: the rows of train, if models have answered them that have not seen them.
        most: rows of test.
    """
    suspects = _find_suspects(run.answered, run)
    sections = [
        Section("scores", "Scores", [tabulate_scores(list(list_methods(run)), run.task, explain_choice(run))]),
        Section("training", "Training", _list_training(run)),
        Section("classes", "Classes", _list_classes(run)),
        Section("confidence", "Confidence", describe_confidence(run)),
        Section("lengths", "Lengths", [part for part in (tabulate_lengths(run), tabulate_by_length(run)) if part]),
        Section("rows", "Rows of test", [part for part in [list_rows(run, suspects, most)] if part]),
        Section("data", "Data", _list_data(run, suspects, train, min(most, MOST_SUSPECTS))),
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
        f"The state that was kept is {kept}: {selection.metric} {selection.best:.4f}.{selection.describe_learning()}",
        *metrics.warnings,
    ]
    picture = draw_history(run.history, selection.metric)
    return [Sentences(said), *([picture] if picture else [])]


def _list_classes(run: Recorded) -> list[Part]:
    _, kind = run.answer
    confusion = tabulate_confusion(run.answered, run.labels) if run.answered and kind == "label" else None
    return [part for part in (confusion, tabulate_classes(run)) if part]


def _list_data(run: Recorded, suspects: Sequence[Answered], train: Sequence[Answered], most: int) -> list[Part]:
    data = run.metrics.data
    parts: list[Part] = [describe_leaks(data), tabulate_splits(data)]
    if run.answer[1] == "label":
        parts += _list_doubts("test", run.answered, suspects, run, most)
        parts += _list_doubts("train", train, _find_suspects(train, run), run, most)
        if not train:
            parts.append(Sentences([_explain_train(run)]))
    return parts


def _find_suspects(answered: Sequence[Answered], run: Recorded) -> list[Answered]:
    """Find the rows whose label may be wrong; none where the answers are too often wrong to tell."""
    trusted = run.answer[1] == "label" and find_share_right(answered) >= TRUSTED
    return find_suspects(answered, run.labels) if trusted else []


def _list_doubts(
    split: str, answered: Sequence[Answered], suspects: Sequence[Answered], run: Recorded, most: int
) -> list[Part]:
    """List labels of a split that may be wrong, or say that its answers are not right often enough to doubt any."""
    share = find_share_right(answered)
    if answered and share < TRUSTED:
        said = (
            f"Labels of {split} in doubt are listed where a model is right on {TRUSTED:.0%} of its rows or more; this "
            f"one is right on {share:.1%}, and most of its doubts would be errors of its own."
        )
        return [Sentences([said])]
    if suspects:
        return [list_suspects(split, suspects, answered, run, most)]
    judged = any("probabilities" in one.details for one in answered)
    return [Sentences([f"No label of {split} is in doubt: {SURE}."])] if judged else []


def _explain_train(run: Recorded) -> str:
    """Say how labels of train can be doubted."""
    if run.config.strategy.kind == "frozen":
        return (
            "Labels of train are not judged here: `nlp-transfer report RUN PAGE.html --train-labels` answers each row "
            "of train by a head that has not seen it, and lists those in doubt."
        )
    return (
        "Labels of train are not judged: the model has learned from all of them. A run of strategy frozen on the "
        "same rows can: `nlp-transfer report RUN PAGE.html --train-labels`."
    )


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
