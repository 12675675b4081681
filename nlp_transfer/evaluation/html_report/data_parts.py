"""Show the data of a run: their splits, leaks, repeats and lengths, and what the model could see of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nlp_transfer.data.report import DataReport
from nlp_transfer.evaluation.html_report.parts import Cell, Row, Sentences, Table
from nlp_transfer.evaluation.html_report.recorded import Recorded
from nlp_transfer.evaluation.html_report.score_parts import make_interval

QUARTERS = ("shortest quarter", "second quarter", "third quarter", "longest quarter")
FEWEST = 40  # rows of test whose scores are told by length


def tabulate_splits(data: DataReport) -> Table:
    """List the splits: where they come from, and what is repeated in them."""
    read = {**data.splits, **({"unlabelled": data.unlabelled} if data.unlabelled else {})}
    rows: list[Row] = [
        [
            name,
            one.origin,
            *(
                Cell(f"{count:,}")
                for count in (one.rows, sum(drop.count for drop in one.dropped), one.duplicates, one.conflicts)
            ),
            f"{one.fingerprint[:16]}",
        ]
        for name, one in read.items()
    ]
    header = ["split", "from", "rows", "dropped", "repeated texts", "of these with another label", "fingerprint"]
    return Table("Splits", header, rows, "A fingerprint is the start of the XXH3 digest of texts and labels in order.")


def describe_leaks(data: DataReport) -> Sentences:
    """Say which splits share texts, and repeat the warnings."""
    shared = [
        f"Leak: {count:,} of the {pair.split('/')[1]} rows have a text that is also in {pair.split('/')[0]}."
        for pair, count in data.overlap.items()
        if count
    ]
    warned = [warning for warning in data.warnings if not warning.startswith("leak: ")]
    return Sentences([*(shared or ["No text stands in two splits."]), *warned])


def tabulate_lengths(run: Recorded) -> Table:
    """List how long the texts are, and what of them the model could see."""
    metrics = run.metrics
    rows: list[Row] = []
    for split, report in metrics.data.splits.items():
        cut, unknown = metrics.truncated.get(split), metrics.unknown_tokens.get(split)
        for role, one in report.lengths.items():
            read = role in run.task.input_roles()
            rows.append(
                [
                    f"{split}, {role}",
                    *(Cell(f"{number:,.0f}") for number in (one.median, one.mean, one.p95, one.longest)),
                    Cell(f"{cut / report.rows:.1%}" if read and cut is not None and report.rows else "-"),
                    Cell(f"{unknown:.2%}" if read and unknown is not None else "-"),
                ]
            )
    header = ["texts", "median", "mean", "95 % are shorter", "longest", "rows cut", "tokens not in vocabulary"]
    return Table("Lengths in characters, and what the model could see", header, rows)


def tabulate_by_length(run: Recorded) -> Table | None:
    """Tell the score on test by the length of the input; None with too few rows."""
    rows = [one for one in run.answered if one.score is not None]
    if len(rows) < FEWEST:
        return None
    sizes = np.array([_measure(one.inputs) for one in rows])
    scores = [one.score or 0.0 for one in rows]
    cells = [
        [
            name,
            Cell(f"{sizes[part].min():,} to {sizes[part].max():,}"),
            Cell(f"{len(part):,}"),
            make_interval([scores[row] for row in part], run.task),
        ]
        for name, part in zip(QUARTERS, np.array_split(np.argsort(sizes, kind="stable"), len(QUARTERS)), strict=True)
    ]
    header = ["rows of test", "characters", "rows", f"test {run.task.compared or run.task.selection}, 95 % interval"]
    return Table("Score by the length of the input", header, cells)


def _measure(inputs: Mapping[str, Any]) -> int:
    """Count the characters of an input."""
    texts: Sequence[Any] = [part for text in inputs.values() for part in (text if isinstance(text, list) else [text])]
    return sum(len(str(text)) for text in texts)
