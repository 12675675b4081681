"""Measure once what the answers of a trained model cost: time a text, alone and in batches, and room on the disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nlp_transfer.evaluation.metrics_file import Cost
from nlp_transfer.evaluation.timing import time_answers
from nlp_transfer.runs.answering.predictor import Predictor

BUDGET = 1.0  # seconds for each of the two, about


def measure_cost(predictor: Predictor, inputs: Sequence[Any], folder: Path) -> Cost:
    """Answer some texts one at a time, then in a batch, for about two seconds in all; see `time_answers`.

    Args:
        predictor: of the saved model; it has answered before.
        inputs: texts to answer.
        folder: of the saved model.
    """
    times = time_answers(predictor.predict, inputs, budget=BUDGET)
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return Cost(**times._asdict(), megabytes=sum(sizes) / 1e6)
