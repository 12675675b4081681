"""Read how runs were trained, to say how much sooner one gets to where its scratch control ends."""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nlp_transfer.errors import CheckpointError
from nlp_transfer.evaluation.convergence import Convergence, Course, measure_convergence
from nlp_transfer.runs.result import RunResult
from nlp_transfer.system.layout import HISTORY


def list_parts(run: RunResult) -> Sequence[RunResult]:
    """List the results of the seeds, also where there is one."""
    return run.parts or (run,)


def find_convergence(run: RunResult, control: RunResult, metric: str) -> Convergence | None:
    """Find when a run is as good on validation as its control ever was; seeds are compared one by one.

    Returns:
        None if they have other seeds, or a history is gone.
    """
    return measure_convergence(_read_courses(run), _read_courses(control), metric)


def _read_courses(run: RunResult) -> list[Course]:
    """Read how each seed was trained; the history of the one that is kept stands in the folder of the run."""
    courses = []
    for part in list_parts(run):
        places = [folder / HISTORY for folder in (part.folder, run.folder)]
        path = next((place for place in places if place.is_file()), None)
        courses.append(Course(read_history(path) if path else [], part.figures.seconds.training))
    return courses


def read_history(path: Path) -> list[dict[str, Any]]:
    """Read the epochs that were judged on validation; none where there is no file.

    Raises:
        CheckpointError: a line is not what a run writes.
    """
    lines = path.read_bytes().splitlines() if path.is_file() else []
    return [_read_epoch(line, f"{path}: line {number}") for number, line in enumerate(lines, 1)]


def _read_epoch(line: bytes, where: str) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        epoch = json.loads(line)
        if isinstance(epoch, dict) and all(isinstance(epoch.get(key, {}), dict) for key in ("validation", "solver")):
            return epoch
    raise CheckpointError(f"{where}: damaged: {line[:60]!r}; bring the file back, or train the run again")
