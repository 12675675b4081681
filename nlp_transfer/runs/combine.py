"""Combine several seeds into one run: report the scores of all, and keep the model of the best on validation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from accelerate import PartialState

from nlp_transfer.config.load import load_saved, render
from nlp_transfer.config.run import RunConfig
from nlp_transfer.data.report import may_be_same
from nlp_transfer.errors import CheckpointError, DataError
from nlp_transfer.evaluation.averaging import average, collect_figures, is_unmoved
from nlp_transfer.evaluation.html_report.recorded import read_hits
from nlp_transfer.evaluation.metrics_file import Metrics, Seeds, Spread, read_metrics
from nlp_transfer.evaluation.verdicts import Comparand
from nlp_transfer.runs.result import RunResult, describe, finish, list_intervals, tell
from nlp_transfer.system.disk import write_whole
from nlp_transfer.system.layout import FINISHED, HITS, PREDICTIONS, PROBES

KEPT_FILES = ("environment.json", "model", "adapter", PROBES, PREDICTIONS, "history.jsonl")


def combine(config: RunConfig, folder: Path, results: Sequence[RunResult]) -> RunResult:
    """Combine the results of the seeds, and move the files of the best seed on validation to the run folder."""
    _refuse_mixed(results)
    metric = config.task_class.selection
    best = max(results, key=lambda result: result.figures.validation[metric])
    metrics = best.figures.model_copy(update={"verdict": None})  # that is about a single seed
    result = describe_seeds(config, folder, metrics, results)

    if PartialState().is_main_process:
        settled = load_saved(best.folder, config.task_class).task
        write_whole(folder / "config.yaml", render(config.model_copy(update={"task": settled})))
        for name in KEPT_FILES:
            if (best.folder / name).exists():
                (best.folder / name).rename(folder / name)
        finish(result, config.task_class)
    return result


def describe_seeds(config: RunConfig, folder: Path, metrics: Metrics, parts: Sequence[RunResult]) -> RunResult:
    """Describe a run of several seeds by mean and deviation; `metrics` are those of the seed that is kept."""
    seeds = config.training.seeds or ()
    same = all(part.figures.weights == parts[0].figures.weights for part in parts)
    note = _explain_unmoved(config, parts[0]) if same and is_unmoved([part.row for part in parts]) else None
    row = parts[0].row if note else average([part.row for part in parts], seeds)

    # A simple method that does not depend on the seed is shown once.
    methods = list(zip(*(part.baselines for part in parts), strict=True))
    baselines = [rows[0] if is_unmoved(rows) else average(rows, seeds) for rows in methods]
    moved = {one.name: _collect_spread(one) for one in baselines if one.seeds}

    whole = _collect_spread(row)
    told_of = Seeds(values=list(seeds), validation=whole.validation, test=whole.test, baselines=moved, note=note)
    metrics = metrics.model_copy(update={"seeds": told_of})
    row = replace(row, name=folder.name)
    result = tell(config, folder, metrics, row, baselines, note or _describe_kept(config, metrics))
    return replace(result, parts=tuple(parts))


def _collect_spread(row: Comparand) -> Spread:
    return Spread(validation=collect_figures(row.validation), test=collect_figures(row.test))


def _explain_unmoved(config: RunConfig, part: RunResult) -> str:
    """Say that the seeds made no difference, why, and which setting would make one."""
    why = "nothing was drawn at random" if part.figures.steps else "a solved head draws nothing at random"
    cut = any(split.cut for split in part.figures.data.splits.values())
    way = "; set data.split_seed: seed to draw the rows anew for each" if cut or config.data.limit else ""
    return f"{len(config.training.seeds or ())} seeds gave one and the same result: {why}{way}"


def _describe_kept(config: RunConfig, metrics: Metrics) -> str:
    """Say which model is kept, and its scores on test."""
    shown = config.task_class.measured(metrics.test)
    scores = ", ".join(f"{name} {metrics.test[name]:.4f}" for name in shown)
    more = "".join(f"; {line}" for line in list_intervals(metrics))
    return f"kept: the model of seed {metrics.seed}, the best on validation: {scores} on test{more}"


def read_finished(config: RunConfig, folder: Path) -> RunResult:
    """Read the result of a finished run from its folder.

    Raises:
        CheckpointError: the folder of one of its seeds is gone, or an older version kept no scores of single rows.
    """
    if not (folder / FINISHED).is_file():
        raise CheckpointError(
            f"{folder}: lacks {FINISHED}, with the scores of this seed; bring it back, or train again"
        )

    metrics = read_metrics(folder)
    if config.training.seeds:
        if metrics.seeds is not None and metrics.seeds.older:
            metrics = metrics.model_copy(update={"verdict": None})
        parts = [read_finished(one, folder / f"seed-{one.training.seed}") for one in config.each_seed()]
        return describe_seeds(config, folder, metrics, parts)
    if not (folder / HITS).is_file():
        raise CheckpointError(
            f"{folder}: lacks {HITS}, the scores of single rows, which runs are compared by; move it away and "
            "train that run again, or score its model by `evaluate`"
        )
    return describe(config, folder, metrics, read_hits(folder / HITS, metrics.baselines))


def refuse_other_data(results: Sequence[RunResult], *, whole: bool = False) -> None:
    """Refuse to compare runs on different rows, as when the data changed while one of them was stopped.

    Seeds are compared one by one, because each may have rows of its own. Runs that draw more or fewer rows are compared
    by the `whole` data that they draw from.

    Raises:
        DataError: naming both runs and the split.
    """
    first, *others = results
    for other in others:
        for one, two in zip(first.parts or (first,), other.parts or (other,), strict=False):
            if whole:
                _refuse_unlike(one, two, one.figures.data.contents, two.figures.data.contents)
            else:
                _refuse_unlike(one, two, collect_fingerprints(one), collect_fingerprints(two))


def _refuse_mixed(parts: Sequence[RunResult]) -> None:
    """Refuse seeds that have read different data. Splits cut by the seed may differ, their places may not."""
    read = [part.figures.data.contents for part in parts]  # empty in older runs
    held = read if all(read) else [collect_fingerprints(part) for part in parts]
    for part, contents in zip(parts, held, strict=True):
        _refuse_unlike(parts[0], part, held[0], contents)


def collect_fingerprints(run: RunResult) -> dict[str, str]:
    """Collect the fingerprint of each split of a run."""
    return {split: report.fingerprint for split, report in run.figures.data.splits.items()}


def _refuse_unlike(one: RunResult, two: RunResult, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    for split in dict.fromkeys([*before, *now]):
        if not may_be_same(before.get(split), now.get(split)):
            raise DataError(
                f"{two.folder}: its {split} rows are not those of {one.folder}: the data changed between the "
                "two; train both again, in a folder of their own"
            )
