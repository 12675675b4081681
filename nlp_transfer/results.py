"""What a run returns, and how the runs of several seeds become one."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import PartialState

from nlp_transfer.config import RunConfig, load_config, render
from nlp_transfer.disk import flush
from nlp_transfer.errors import DataError
from nlp_transfer.layout import FINISHED, HITS, PROBES
from nlp_transfer.publication import write_card
from nlp_transfer.report import Row, brief, row_of, simple, verdicts
from nlp_transfer.saving import write_json, write_whole
from nlp_transfer.task import find_task

SPLITS = ("validation", "test")  # that are scored


@dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        folder: what it left.
        metrics: the contents of metrics.json.
        summary: the test scores and the verdict in words.
        row: the same as a line of a comparison.
        baselines: the simple methods beside it.
    """

    folder: Path
    metrics: dict[str, Any]
    summary: str
    row: Row
    baselines: tuple[Row, ...]


def describe(config: RunConfig, folder: Path, metrics: Mapping[str, Any], hits: Mapping[str, Any]) -> RunResult:
    """Row, verdict and summary out of the numbers that a run leaves.

    Args:
        config: of the run.
        folder: of the run.
        metrics: the contents of metrics.json; the verdict is added where it is not there yet.
        hits: the contents of hits.json: the score of each test row, under `run` and for each of the `baselines`.
    """
    task = find_task(config.task.name)
    row = row_of(folder.name, config, metrics, hits["run"])
    baselines = tuple(simple(name, correct=hits["baselines"][name], **of) for name, of in metrics["baselines"].items())
    verdict = metrics["verdict"] if "verdict" in metrics else verdicts([row], baselines, task=task)
    shown = task.measured(row.test)
    lines = [f"test: {one.label}: {brief({name: one.test[name] for name in shown})}" for one in (*baselines, row)]
    if "seeds" in metrics:
        spread = metrics["seeds"]["test"]
        means = (f"{name} {spread[name]['mean']:.4f} ± {spread[name]['standard_deviation']:.4f}" for name in shown)
        lines.append(f"test: over seeds {', '.join(map(str, metrics['seeds']['values']))}: {', '.join(means)}")
    return RunResult(folder, {**metrics, "verdict": verdict}, "\n".join([*lines, *verdict]), row, baselines)


def finished(config: RunConfig, folder: Path) -> RunResult:
    """The result of a run that was finished before, from its folder."""
    metrics, hits = (json.loads((folder / name).read_text(encoding="utf-8")) for name in (FINISHED, HITS))
    return describe(config, folder, metrics, hits)


def combine(config: RunConfig, folder: Path, results: Sequence[RunResult]) -> RunResult:
    """Mean and standard deviation beside the seed that validation chooses, whose files become those of the folder."""
    refuse_other_data(results)
    metric = find_task(config.task.name).selection
    best = max(results, key=lambda result: result.metrics["validation"][metric])
    spread = {
        split: {name: _spread([result.metrics[split][name] for result in results]) for name in _numbers(best, split)}
        for split in SPLITS
    }
    metrics = {**best.metrics, "seeds": {"values": list(config.training.seeds or ()), **spread}}
    result = describe(config, folder, metrics, hits_of(best))
    if PartialState().is_main_process:
        settled = load_config(best.folder / "config.yaml").task
        write_whole(folder / "config.yaml", render(config.model_copy(update={"task": settled})))
        for name in ("environment.json", "model", "adapter", PROBES, "predictions.jsonl", "history.jsonl"):
            if (best.folder / name).exists():
                (best.folder / name).rename(folder / name)
        finish(result)
    return result


def refuse_other_data(results: Sequence[RunResult]) -> None:
    """Refuse to compare runs row by row whose rows are not the same: the data may change while a run is stopped.

    Raises:
        DataError: naming both runs and the split.
    """
    first, *others = results
    for other in others:
        for split in ("train", *SPLITS):
            one, two = (run.metrics["data"]["splits"][split]["fingerprint"] for run in (first, other))
            if one != two:
                raise DataError(
                    f"{other.folder}: its {split} rows are not those of {first.folder}: the data changed between the "
                    "two; train both again, in a folder of their own"
                )


def hits_of(result: RunResult) -> dict[str, Any]:
    """What `describe` needs beside the metrics."""
    return {"run": list(result.row.correct), "baselines": {one.name: list(one.correct) for one in result.baselines}}


def finish(result: RunResult) -> None:
    """Write card and numbers; all that the folder holds is on the disk before the metrics say so."""
    write_card(result.folder, result.metrics)
    write_json(result.folder / HITS, hits_of(result))
    for path in (*result.folder.rglob("*"), result.folder):
        flush(path)
    write_json(result.folder / FINISHED, result.metrics)


def _numbers(result: RunResult, split: str) -> list[str]:
    return [name for name, value in result.metrics[split].items() if isinstance(value, int | float)]


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"mean": statistics.mean(values), "standard_deviation": statistics.stdev(values)}
