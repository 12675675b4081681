"""Find out whether a run answers its own test rows alike in a cheaper arithmetic; if not, it is not used."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nlp_transfer.errors import DataError
from nlp_transfer.runs.answering.answers import REASON
from nlp_transfer.system.layout import PREDICTIONS
from nlp_transfer.task import Prediction

LEAST = 0.998  # share of answers that must be the same
FEWEST, MOST = 100, 500  # test rows to try; of fewer than 500 none may differ, of 500 one


def explain_disagreement(
    root: Path, roles: Sequence[str], answer: Callable[[Sequence[Any]], Sequence[Prediction]]
) -> str | None:
    """Compare answers with those that the run gave to its test rows in fp32.

    Probabilities and scores may differ, labels and texts may not. Answers that are numbers have none to compare.

    Args:
        root: folder of the run.
        roles: those that are read to predict.
        answer: gives the answers in the cheaper arithmetic to a list of texts, or of mappings role -> text.

    Returns:
        Why the cheaper arithmetic must not be used; None if it may.
    """
    path = root / PREDICTIONS
    try:
        rows = read_tested(path, roles) if path.is_file() else []
        if not rows:
            return f"it has no {PREDICTIONS} with texts and answers to compare with"
        if len(rows) < FEWEST:
            return f"its {len(rows)} test rows are too few to compare with; {FEWEST} are needed"

        count = min(len(rows), MOST)
        rows = [rows[number * len(rows) // count] for number in range(count)]  # evenly spread
        texts = [row["input"] if len(roles) > 1 else row["input"][roles[0]] for row in rows]
        said = [select_words(one) for one in answer(texts)]
    except (ValueError, RecursionError, DataError) as error:
        return f"its {PREDICTIONS} is damaged ({error})"
    if not all(said):
        return "its answers are numbers, which always differ a little"

    same = sum(one.items() <= row.items() for one, row in zip(said, rows, strict=True))
    if same < LEAST * count:
        return f"only {same} of {count} test rows are answered alike, and {LEAST:.1%} must be"
    return None


def read_tested(path: Path, roles: Sequence[str]) -> list[dict[str, Any]]:
    """Read the test rows that hold their texts; older versions wrote none.

    Raises:
        ValueError: no such rows, but something else; also what decoding raises.
    """
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        row = json.loads(line) if line else {}
        given = row.get("input", {}) if isinstance(row, dict) else None
        if not isinstance(given, dict) or (given and given.keys() != set(roles)):
            raise ValueError(f"line {number} is no row with {', '.join(roles)}")
        if given:
            rows.append(row)
    return rows


def select_words(said: Prediction) -> dict[str, Any]:
    """Leave out of an answer what is a number, or holds numbers by name, such as probabilities, and its reason."""
    return {key: value for key, value in said.items() if key != REASON and not isinstance(value, float | Mapping)}
