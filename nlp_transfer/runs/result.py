"""Make the result of a run from its numbers: verdict and summary; and write what the run folder keeps."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.tasks import TaskDeclaration
from nlp_transfer.evaluation.html_report.rendering import write_report
from nlp_transfer.evaluation.html_report.run_page import open_run_page
from nlp_transfer.evaluation.metrics_file import Metrics, write_metrics
from nlp_transfer.evaluation.plotting import draw_reliability
from nlp_transfer.evaluation.verdicts import Comparand, make_baseline, make_comparand, write_verdicts
from nlp_transfer.models.saving import write_json
from nlp_transfer.publishing.tree import write_card
from nlp_transfer.system.disk import flush
from nlp_transfer.system.layout import HITS, RELIABILITY, REPORT


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: the run folder.
        figures: the contents of metrics.json. Of several seeds they are those of the seed whose model is kept, and
            under `seeds` those of all.
        summary: the test scores and the verdict in words.
        row: the run as a row of a comparison; of several seeds mean and deviation.
        baselines: the simple methods, as rows too.
        parts: the results of the seeds, if there are several.
    """

    folder: Path
    figures: Metrics
    summary: str
    row: Comparand
    baselines: tuple[Comparand, ...]
    parts: tuple["RunResult", ...] = ()

    @functools.cached_property
    def metrics(self) -> dict[str, Any]:
        """The figures as plain values, as metrics.json holds them."""
        return self.figures.values()

    @property
    def note(self) -> str | None:
        """Why the seeds made no difference, if they made none."""
        return self.figures.seeds.note if self.figures.seeds else None

    def __repr__(self) -> str:
        """One line: where it is, what it is, and its test score."""
        metric = self.figures.selection.metric
        return f"RunResult({self.folder}: {self.row.label}, test {metric} {self.row.format_score('test', metric)})"


def describe(config: RunConfig, folder: Path, metrics: Metrics, hits: Mapping[str, Any]) -> RunResult:
    """Make the result of a run of one seed from its numbers.

    Args:
        config: of the run.
        folder: of the run.
        metrics: the measurements; a verdict is added if they have none.
        hits: the contents of hits.json: a score for each test row under `run` and for each of the `baselines`, and
            under `rows` the numbers of the rows.
    """
    tested = hits.get("rows", ())
    row = make_comparand(folder.name, config, metrics, hits["run"], tested)
    baselines = [
        make_baseline(name, scores, correct=hits["baselines"][name], tested=tested)
        for name, scores in metrics.baselines.items()
    ]
    return tell(config, folder, metrics, row, baselines, *(f"test: {line}" for line in list_intervals(metrics)))


def list_intervals(metrics: Metrics) -> list[str]:
    """List the scores on test by functions of `task.metrics`, each with its interval."""
    return [
        f"{name} {metrics.test[name]:.4f}, 95 % interval {low:.4f} to {high:.4f}"
        for name, (low, high) in metrics.intervals.items()
    ]


def tell(
    config: RunConfig, folder: Path, metrics: Metrics, row: Comparand, baselines: Sequence[Comparand], *more: str
) -> RunResult:
    """Make a result with verdict and summary; the lines `more` stand between the scores and the verdict."""
    task = config.task_class
    verdict = write_verdicts([row], baselines, task=task) if metrics.verdict is None else metrics.verdict

    shown = task.measured(row.test)
    lines = [format_line(one, shown) for one in (*baselines, row)]
    summary = "\n".join([*lines, *more, *verdict])
    return RunResult(folder, metrics.model_copy(update={"verdict": verdict}), summary, row, tuple(baselines))


def format_line(row: Comparand, shown: Sequence[str]) -> str:
    """Write the scores of a result on test in one line."""
    return f"test: {row.label}: {', '.join(f'{name} ' + row.format_score('test', name) for name in shown)}"


def collect_hits(result: RunResult) -> dict[str, Any]:
    """Collect the contents of hits.json: the score of each test row; of several seeds the mean."""
    row = result.row
    counts = {"counts": list(row.counts)} if row.counts else {}
    baselines = {one.name: list(one.correct) for one in result.baselines}
    return {"rows": list(row.tested), **counts, "run": list(row.correct), "baselines": baselines}


def finish(result: RunResult, task: type[TaskDeclaration]) -> None:
    """Write diagram, card, hits.json, report.html and, last, metrics.json, which marks the run as finished.

    All other files are flushed to the disk before.
    """
    draw_reliability(result.figures.confidence, result.folder / RELIABILITY)
    write_card(result.folder, result.figures, task)
    write_json(result.folder / HITS, collect_hits(result))
    write_report(result.folder / REPORT, open_run_page(result.folder, result.figures, task))
    for path in (*result.folder.rglob("*"), result.folder):
        flush(path)
    write_metrics(result.folder, result.figures)
