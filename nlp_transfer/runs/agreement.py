"""Find out whether a run answers its own test rows alike in a cheaper arithmetic; if not, it is not used."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nlp_transfer.system.layout import PREDICTIONS
from nlp_transfer.task import Prediction

LEAST = 0.998  # share of answers that must be the same
TRIED = 500  # test rows at most; of so many one may differ


def explain_disagreement(root: Path, answer: Callable[[Sequence[Any]], Sequence[Prediction]]) -> str | None:
    """Compare answers with those that the run gave to its test rows in fp32.

    Probabilities and scores may differ, labels and texts may not. Answers that are numbers have none to compare.

    Args:
        root: folder of the run.
        answer: gives the answers in the cheaper arithmetic to a list of texts, or of mappings role -> text.

    Returns:
        Why the cheaper arithmetic must not be used; None if it may.
    """
    path = root / PREDICTIONS
    lines = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
    try:
        rows = [row for row in map(json.loads, filter(None, lines)) if "input" in row]
    except ValueError as error:
        return f"its {PREDICTIONS} is damaged ({error})"
    if not rows:
        return f"it has no {PREDICTIONS} with texts and answers to compare with"

    rows = rows[:: -(-len(rows) // TRIED)]  # evenly spread
    texts = [given if len(given) > 1 else next(iter(given.values())) for given in (row["input"] for row in rows)]
    said = [_select_words(one) for one in answer(texts)]
    if not all(said):
        return "its answers are numbers, which always differ a little"

    same = sum(one.items() <= row.items() for one, row in zip(said, rows, strict=True))
    if same < LEAST * len(rows):
        return f"only {same} of {len(rows)} test rows are answered alike, and {LEAST:.1%} must be"
    return None


def _select_words(said: Prediction) -> dict[str, Any]:
    """Leave out of an answer what is a number, or holds numbers by name, such as probabilities."""
    return {key: value for key, value in said.items() if not isinstance(value, float | Mapping)}
