"""Find the rows of test on which runs differ: who is right where others are wrong, or whose answer scores higher."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from nlp_transfer.config.tasks import LABELLED
from nlp_transfer.evaluation.html_report.differences import mark_differences
from nlp_transfer.evaluation.html_report.parts import Cell, Item, Items, Part, Piece, Row, Table
from nlp_transfer.evaluation.html_report.recorded import Answered, Recorded
from nlp_transfer.evaluation.html_report.row_parts import is_right, mark_input, write_answer


def list_differing(runs: Sequence[Recorded], labels: Sequence[str], most: int) -> Iterator[Part]:
    """Yield how many runs are right on how many rows, and the rows on which they differ."""
    by_row: dict[int, dict[str, Answered]] = {}
    for run, label in zip(runs, labels, strict=True):
        for one in run.answered:
            by_row.setdefault(one.number, {})[label] = one
    shared = {row: said for row, said in by_row.items() if len(said) == len(runs)}
    if not shared or len(runs) < 2:
        return

    if runs[0].answer[1] in LABELLED:
        yield _count_right(shared, len(runs))
        yield _list_disputed(shared, runs[0], most)
    else:
        yield _list_apart(shared, runs[0], most)


def _count_right(shared: Mapping[int, Mapping[str, Answered]], runs: int) -> Table:
    counts = Counter(sum(map(is_right, said.values())) for said in shared.values())
    rows: list[Row] = [
        [f"{right} of {runs}", Cell(f"{counts[right]:,}", counts[right] / len(shared))] for right in range(runs, -1, -1)
    ]
    return Table("Rows of test by how many runs are right", ["runs that are right", "rows"], rows)


def _list_disputed(shared: Mapping[int, Mapping[str, Answered]], first: Recorded, most: int) -> Items:
    """List the rows that some runs answer rightly and others do not, in turn those with the same runs right."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for row, said in shared.items():
        right = tuple(label for label, one in said.items() if is_right(one))
        if 0 < len(right) < len(said):
            groups.setdefault(right, []).append(row)
    turns = itertools.zip_longest(*([(row, right) for row in rows] for right, rows in groups.items()))
    disputed = [one for turn in turns for one in turn if one]

    items = []
    for row, right in disputed[:most]:
        said = shared[row]
        facts = [("right", write_answer(next(iter(said.values())).right))]
        facts += [(label, f"{write_answer(one.said)} {'✓' if label in right else '✗'}") for label, one in said.items()]
        marks = [f"right: {label}" for label in right]
        marks += [f"only right: {label}" for label in right if len(right) == 1 and len(said) > 2]
        items.append(Item(f"row {row}", facts, _list_inputs(next(iter(said.values())), first), marks))
    more = f"; {most} are shown" if len(disputed) > most else ""
    note = f"{len(disputed):,} of {len(shared):,} rows{more}; rows on which the same runs are right come in turn."
    return Items("Rows on which the runs differ", items, note)


def _list_apart(shared: Mapping[int, Mapping[str, Answered]], first: Recorded, most: int) -> Items:
    """List the rows on which the scores of the runs lie furthest apart."""
    scores = {row: [one.score or 0.0 for one in said.values()] for row, said in shared.items()}
    ordered = sorted(shared, key=lambda row: min(scores[row]) - max(scores[row]))
    items = []
    for row in ordered[:most]:
        said = shared[row]
        best = max(said, key=lambda label: said[label].score or 0.0)
        facts = [(label, "-" if one.score is None else f"{one.score:.2f}") for label, one in said.items()]
        texts = [*_list_inputs(said[best], first), *_list_answers(said)]
        items.append(Item(f"row {row}", facts, texts, [f"best: {best}"]))
    more = f", of {len(ordered):,} the {most} with the largest distance" if len(ordered) > most else ""
    return Items("Answers to test", items, f"Rows in the order of how far the scores of the runs lie apart{more}.")


def _list_answers(said: Mapping[str, Answered]) -> Iterator[tuple[str, list[Piece]]]:
    """Yield what each run wrote, with what the reference has not, and the reference; or numbers as they are."""
    right = next(iter(said.values())).right
    reference = "\n".join(right) if isinstance(right, list) else write_answer(right)
    for label, one in said.items():
        yield label, mark_differences(write_answer(one.said), reference)[0]
    yield "reference", [(reference, "")]


def _list_inputs(one: Answered, run: Recorded) -> list[tuple[str, list[Piece]]]:
    return [(name, mark_input(text, one, run.config.task)) for name, text in one.inputs.items()]
