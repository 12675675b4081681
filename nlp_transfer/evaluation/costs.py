"""Show what runs cost beside what they score: training, answers, room, and on request the price of 1,000 texts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nlp_transfer.config.tasks import TaskDeclaration
from nlp_transfer.errors import ConfigError
from nlp_transfer.evaluation.metrics_file import Cost
from nlp_transfer.evaluation.verdicts import Comparand, find_label, list_labels
from nlp_transfer.system.escaping import escape_line

if TYPE_CHECKING:
    from rich.table import Table

HOUR = 3_600_000  # milliseconds
PRICED = "per 1,000 texts"


def check_rate(rate: float | None) -> None:
    """Check what the user says an hour of the machine costs.

    Raises:
        ConfigError: it is below zero, or no number.
    """
    if rate is not None and not (isinstance(rate, int | float) and 0 <= rate < float("inf")):
        raise ConfigError(f"rate: expected what an hour of the machine costs, such as 0.9; received {rate!r}")


def price_thousand(cost: Cost, rate: float) -> float:
    """Compute what 1,000 texts in batches cost on a machine that costs `rate` an hour, in the unit of the rate."""
    return 1000 * cost.together / HOUR * rate


def write_megabytes(megabytes: float) -> str:
    """Write a size; of a small one, such as that of TF-IDF on few rows, two digits that are not zero."""
    return f"{megabytes:,.1f}" if megabytes >= 1 else f"{megabytes:.2g}"


def describe_cost(cost: Cost, rate: float | None = None) -> str:
    """Say in words what answers cost; with the price of 1,000 texts if an hour of the machine has one."""
    said = (
        f"{cost.alone:.3g} ms a text one at a time, {cost.together:.3g} ms in a batch of {cost.batch}; "
        f"{write_megabytes(cost.megabytes)} MB on the disk"
    )
    if rate is None:
        return said
    return f"{said}; 1,000 texts in batches cost {price_thousand(cost, rate):.3g}, where an hour costs {rate:g}"


def list_cost(row: Comparand, rate: float | None = None) -> list[str]:
    """List the cells of a result under the titles of `list_titles`; `-` where nothing was measured."""
    cost = row.cost
    seconds = "-" if row.seconds is None else f"{row.seconds:.1f}"
    if cost is None:
        return [seconds, *["-"] * (len(list_titles(rate)) - 1)]
    price = [] if rate is None else [f"{price_thousand(cost, rate):.3g}"]
    return [seconds, f"{cost.alone:.3g}", f"{cost.together:.3g}", write_megabytes(cost.megabytes), *price]


def list_titles(rate: float | None = None) -> list[str]:
    """List the titles of what a result costs; the last one is a price if there is a rate."""
    titles = ["training\nseconds", "ms a text\none at a time", "ms a text\nin batches", "model\nMB"]
    return titles if rate is None else [*titles, f"price\n{PRICED}"]


def render_costs(rows: Sequence[Comparand], *, task: type[TaskDeclaration], rate: float | None = None) -> "Table":
    """Make a table of what runs and simple methods cost beside their score on test; no cell is read as markup.

    Args:
        rows: the simple methods, then the runs.
        task: of the runs.
        rate: what an hour of the machine costs, in any currency; None: no prices.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(caption=f"where an hour of the machine costs {rate:g}" if rate is not None else None)
    table.add_column("run", overflow="fold")
    for title in (f"test\n{escape_line(task.selection)}", *list_titles(rate)):
        table.add_column(Text(title), justify="right")

    labels = list_labels([row for row in rows if row.source])
    for row in rows:
        score = row.format_score("test", task.selection, points=task.points)
        table.add_row(*map(Text, (escape_line(find_label(labels, row)), score, *list_cost(row, rate))))
    return table
