"""What a run returns, and how the runs of several seeds become one."""

import dataclasses
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import PartialState

from nlp_transfer.checkpointing import flush
from nlp_transfer.config import RunConfig
from nlp_transfer.layout import FINISHED, PROBES
from nlp_transfer.publication import write_card
from nlp_transfer.report import Row
from nlp_transfer.saving import write_json
from nlp_transfer.task import find_task


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


def finished(config: RunConfig, folder: Path) -> RunResult:
    """The result of a run that was finished before, from its folder."""
    metrics = json.loads((folder / FINISHED).read_text(encoding="utf-8"))
    row = Row(
        name=folder.name,
        source=config.source.name,
        strategy=config.strategy.kind,
        scratch=config.source.scratch,
        **metrics["parameters"],
        seconds=metrics["seconds"]["training"],
        validation=metrics["validation"],
        test=metrics["test"],
        correct=(),
    )
    summary = "\n".join([f"{folder} holds a finished run; there is nothing to resume", *metrics["verdict"]])
    return RunResult(folder, metrics, summary, row, ())


def combine(config: RunConfig, folder: Path, results: Sequence[RunResult]) -> RunResult:
    """Mean and standard deviation beside the seed that validation chooses, whose files become those of the folder."""
    metric = find_task(config.task.name).selection
    best = max(results, key=lambda result: result.metrics["validation"][metric])
    spread = {
        split: {name: _spread([result.metrics[split][name] for result in results]) for name in _numbers(best, split)}
        for split in ("validation", "test")
    }
    if not PartialState().is_main_process:
        return dataclasses.replace(best, folder=folder)
    for name in ("environment.json", "model", "adapter", PROBES, "predictions.jsonl", "history.jsonl"):
        if (best.folder / name).exists():
            (best.folder / name).rename(folder / name)
    metrics = {**best.metrics, "seeds": {"values": list(config.training.seeds or ()), **spread}}
    finish(folder, metrics)
    return dataclasses.replace(
        best, folder=folder, metrics=metrics, row=dataclasses.replace(best.row, name=folder.name)
    )


def finish(folder: Path, metrics: dict[str, Any]) -> None:
    """Write card and metrics; all that the folder holds is on the disk before its last name says so."""
    write_card(folder, metrics)
    for path in (*folder.rglob("*"), folder):
        flush(path)
    write_json(folder / FINISHED, metrics)


def _numbers(result: RunResult, split: str) -> list[str]:
    return [name for name, value in result.metrics[split].items() if isinstance(value, int | float)]


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"mean": statistics.mean(values), "standard_deviation": statistics.stdev(values)}
