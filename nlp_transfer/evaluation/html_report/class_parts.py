"""Show how a classifier does by class: what it confuses, and how far its confidence can be trusted."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from nlp_transfer.evaluation.html_report.charts import draw_reliability
from nlp_transfer.evaluation.html_report.parts import Cell, Part, Row, Sentences, Table
from nlp_transfer.evaluation.html_report.recorded import Answered, Recorded

LARGEST = 20  # labels of a confusion matrix; of more the pairs are listed that are confused most
PAIRS = 30
CLASSES = ("per_class", "per_label")  # keys of scores


def tabulate_confusion(answered: Sequence[Answered], labels: Sequence[str]) -> Table | None:
    """Count the answers to the rows of each label, or of many labels the pairs that are confused most, if any are."""
    counts = Counter((str(one.right), str(one.said)) for one in answered)
    if len(labels) > LARGEST:
        wrong = [(pair, count) for pair, count in counts.most_common() if pair[0] != pair[1]]
        rows: list[Row] = [[right, said, Cell(f"{count:,}")] for (right, said), count in wrong[:PAIRS]]
        return Table("Labels that are confused most", ["right", "answered", "rows of test"], rows) if rows else None

    totals = Counter(str(one.right) for one in answered)
    matrix: list[Row] = [
        [
            right,
            *(
                Cell(f"{counts[right, said]:,}", counts[right, said] / max(totals[right], 1), good=right == said)
                for said in labels
            ),
            Cell(f"{totals[right]:,}"),
        ]
        for right in labels
    ]
    return Table(
        "Confusion matrix",
        ["right label", *(f"answered {label}" for label in labels), "rows"],
        matrix,
        "Rows of test by their label, columns by the answer; a cell is the darker the larger its share of the row.",
    )


def tabulate_classes(run: Recorded) -> Table | None:
    """List precision, recall and F1 of each class on test; None where they were not measured."""
    found: dict[str, dict[str, Any]] = next((run.metrics.test[key] for key in CLASSES if key in run.metrics.test), {})
    if not found:
        return None
    names = ("precision", "recall", "f1")
    train = run.metrics.data.splits["train"].labels
    rows: list[Row] = [
        [
            label,
            *(_write_share(scores.get(name)) for name in names),
            Cell(f"{scores['support']:,}"),
            Cell(f"{train[label]:,}" if label in train else "-"),
        ]
        for label, scores in found.items()
    ]
    return Table("Each class", ["label", *names, "rows of test", "rows of train"], rows)


def describe_confidence(run: Recorded) -> list[Part]:
    """Show how often answers are right by their confidence; nothing where it was not measured."""
    found = run.metrics.confidence
    if found is None:
        return []
    rows: list[Row] = [
        [
            f"{one.least:g} or more",
            Cell(f"{one.rows:,}"),
            Cell(f"{one.confidence:.4f}"),
            _write_share(one.right),
        ]
        for one in found.bins
    ]
    table = Table("Answers by their confidence", ["confidence", "answers", "mean confidence", "share right"], rows)
    picture = draw_reliability(found)
    return [Sentences([found.describe_error()]), *([picture] if picture else []), table]


def _write_share(value: float | None) -> Cell:
    return Cell("-") if value is None else Cell(f"{value:.4f}", span=(0.0, value, value))
