"""Read how runs were trained, to say how much sooner one gets to where its scratch control ends."""

from collections.abc import Sequence

from nlp_transfer.evaluation.convergence import Convergence, Course, measure_convergence
from nlp_transfer.evaluation.html_report.recorded import read_looks
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
    return measure_convergence(_read_courses(run, metric), _read_courses(control, metric), metric)


def _read_courses(run: RunResult, metric: str) -> list[Course]:
    """Read how each seed was trained; the history of the one that is kept stands in the folder of the run."""
    courses = []
    for part in list_parts(run):
        places = [folder / HISTORY for folder in (part.folder, run.folder)]
        looks = next((found for place in places if (found := read_looks(place, metric))), [])
        courses.append(Course(looks, part.figures.seconds.training))
    return courses
