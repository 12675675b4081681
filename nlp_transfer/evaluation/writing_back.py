"""Measure how many references survive the target tokenizer, which is the ceiling of what a model can write."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from nlp_transfer.data.text.scripts import compose
from nlp_transfer.models.encoding.pairs import encode_targets
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.generation import decode_texts
from nlp_transfer.task import Task

if TYPE_CHECKING:
    from nlp_transfer.data.rows import TaskRows

TRIED = 200  # references to try
SHOWN = 20  # characters to show of a reference that changed


@dataclass(frozen=True)
class WrittenBack:
    """Hold what became of references that were tokenized and decoded again.

    Attributes:
        references: how many were tried.
        changed: how many changed, apart from white space.
        example: the first difference: what it was, and what it has become.
        scores: the scores of all of them.
    """

    references: int
    changed: int
    example: tuple[str, str] | None
    scores: Mapping[str, float]


def write_back(task: Task, rows: "TaskRows", tokenizers: Tokenizers) -> WrittenBack | None:
    """Measure what a model that knew the answers could write; None if the task writes no text."""
    step = -(-len(rows) // TRIED)  # rounded up
    rows = rows.select(range(0, len(rows), step))
    perfect = task.references(rows)
    if perfect is None:
        return None

    answer = next(iter(perfect[0]))
    before = [str(one[answer]) for one in perfect]
    after = decode_texts([[ids] for ids in encode_targets(before, tokenizers)], tokenizers)
    scores = task.score([{**one, answer: text} for one, text in zip(perfect, after, strict=True)], rows)
    changed = [pair for pair in zip(map(_normalise, before), map(_normalise, after), strict=True) if pair[0] != pair[1]]
    example = _find_difference(*changed[0]) if changed else None
    return WrittenBack(len(rows), len(changed), example, {name: scores[name] for name in task.measured(scores)})


def _normalise(text: str) -> str:
    return " ".join(compose(text).split())


def _find_difference(before: str, after: str) -> tuple[str, str]:
    """Show a few characters of both texts, from the beginning of the first word that differs."""
    alike = len(list(takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False))))
    start = before.rfind(" ", 0, alike) + 1
    return before[start : start + SHOWN], after[start : start + SHOWN]
