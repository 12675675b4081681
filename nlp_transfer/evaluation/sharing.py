"""Say what sharing an encoder bought each of several tasks, against training it alone on the same rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nlp_transfer.config.tasks import TaskDeclaration
from nlp_transfer.evaluation.metrics import Interval, bootstrap_difference
from nlp_transfer.evaluation.verdicts import FEWEST_TESTED, Comparand
from nlp_transfer.system.escaping import escape_line

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class SharedTask:
    """One task, trained with others and alone.

    Attributes:
        task: the class of the task.
        shared: the run of it beside others.
        single: the run of it alone.
    """

    task: type[TaskDeclaration]
    shared: Comparand
    single: Comparand

    @property
    def score(self) -> str:
        """The score of which outcomes of single rows are the parts."""
        return self.task.compared or self.task.selection

    @property
    def difference(self) -> Interval | None:
        """The 95 % interval of what sharing changed on the same test rows; None if they are too few."""
        if len(self.shared.correct) < FEWEST_TESTED:
            return None
        return bootstrap_difference(self.shared.correct, self.single.correct, counts=self.shared.counts)

    def format_difference(self) -> str:
        """Format the difference in points, with its interval."""
        found = self.difference
        if found is None:
            return "too few test rows"
        mean, low, high = (f"{self.task.points * one:+.1f}" for one in (found.difference, found.low, found.high))
        return f"{mean} ({low} to {high})"

    def values(self) -> dict[str, Any]:
        """Collect the figures as plain values."""
        found = self.difference
        interval = None if found is None else {"low": found.low, "high": found.high, "difference": found.difference}
        return {"score": self.score, "single": self.single.test, "shared": self.shared.test, "difference": interval}


def judge_sharing(tasks: Mapping[str, SharedTask]) -> list[str]:
    """Say for each task whether sharing helped, and for all together what that means."""
    said, told, gained, lost = [], 0, 0, 0
    for name, one in tasks.items():
        found = one.difference
        if found is None:
            said.append(f"{name}: {len(one.shared.correct)} test rows are too few to tell what sharing bought.")
            continue
        told, gained, lost = told + 1, gained + (found.low > 0), lost + (found.high < 0)
        what = "gains by sharing"
        if found.high < 0:
            what = "loses by sharing: negative transfer between tasks"
        elif found.low <= 0:
            what = "is neither better nor worse for sharing (may be chance)"
        said.append(f"{name} {what}: {one.format_difference()} points of test {one.score}.")
    if lost:
        said.append(f"{lost} of {len(tasks)} tasks lose: with few tasks that is usual; train those alone.")
    elif told and not gained:
        said.append("Sharing did not pay in score; one encoder for all is what it saves.")
    return said


def render_sharing(tasks: Mapping[str, SharedTask]) -> "Table":
    """Make a table with a line for each task; no cell is read as markup."""
    from rich.table import Table
    from rich.text import Text

    table = Table(caption="test; mean ± standard deviation over the seeds; points with 95 % interval")
    for title in ("task", "score", "single", "shared", "shared - single"):
        table.add_column(title, justify="left" if title in ("task", "score") else "right", overflow="fold")
    for name, one in tasks.items():
        scores = [row.format_score("test", one.score, points=one.task.points) for row in (one.single, one.shared)]
        table.add_row(*(Text(escape_line(cell)) for cell in (name, one.score, *scores, one.format_difference())))
    return table
