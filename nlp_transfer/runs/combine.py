"""Several seeds as one run: all of them are shown, the one that validation chooses is kept."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from accelerate import PartialState

from nlp_transfer.config.sections import RunConfig, load_saved, render
from nlp_transfer.errors import CheckpointError, DataError
from nlp_transfer.evaluation.averaging import average, collect_figures, is_unmoved
from nlp_transfer.evaluation.metrics_file import Metrics, Seeds, Spread, read_metrics
from nlp_transfer.evaluation.verdicts import Comparand
from nlp_transfer.runs.result import RunResult, describe, finish, tell
from nlp_transfer.system.disk import write_whole
from nlp_transfer.system.layout import FINISHED, HITS, PROBES

KEPT = ("environment.json", "model", "adapter", PROBES, "predictions.jsonl", "history.jsonl")


def combine(config: RunConfig, folder: Path, results: Sequence[RunResult]) -> RunResult:
    """Combine the seeds: mean and deviation, beside the seed that validation chooses, whose files the folder gets."""
    _refuse_mixed(results)
    metric = config.task_class.selection
    best = max(results, key=lambda result: result.figures.validation[metric])
    metrics = best.figures.model_copy(update={"verdict": None})  # which is of one seed
    result = describe_seeds(config, folder, metrics, results)
    if PartialState().is_main_process:
        settled = load_saved(best.folder, config.task_class).task
        write_whole(folder / "config.yaml", render(config.model_copy(update={"task": settled})))
        for name in KEPT:
            if (best.folder / name).exists():
                (best.folder / name).rename(folder / name)
        finish(result, config.task_class)
    return result


def describe_seeds(config: RunConfig, folder: Path, metrics: Metrics, parts: Sequence[RunResult]) -> RunResult:
    """Describe a run of several seeds from its `parts`; the metrics are those of the seed that it keeps."""
    seeds = config.training.seeds or ()
    same = all(part.figures.weights == parts[0].figures.weights for part in parts)
    note = _explain_unmoved(config, parts[0]) if same and is_unmoved([part.row for part in parts]) else None
    row = parts[0].row if note else average([part.row for part in parts], seeds)
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
    """Say that the seeds made no difference, and what would."""
    why = "nothing was drawn at random" if part.figures.steps else "a solved head draws nothing at random"
    cut = any(split.cut for split in part.figures.data.splits.values())
    way = "; set data.split_seed: seed to draw the rows anew for each" if cut or config.data.limit else ""
    return f"{len(config.training.seeds or ())} seeds gave one and the same result: {why}{way}"


def _describe_kept(config: RunConfig, metrics: Metrics) -> str:
    """Say which of the models is kept, and what that one scored."""
    shown = config.task_class.measured(metrics.test)
    scores = ", ".join(f"{name} {metrics.test[name]:.4f}" for name in shown)
    return f"kept: the model of seed {metrics.seed}, the best on validation: {scores} on test"


def read_finished(config: RunConfig, folder: Path) -> RunResult:
    """Read the result of a run that was finished before, from its folder.

    Raises:
        CheckpointError: the folder of one of its seeds is gone.
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
    return describe(config, folder, metrics, json.loads((folder / HITS).read_text(encoding="utf-8")))


def refuse_other_data(results: Sequence[RunResult]) -> None:
    """Refuse to compare runs row by row whose rows are not the same: the data may change while a run is stopped.

    Seed is held against seed, for each may have rows of its own.

    Raises:
        DataError: naming both runs and the split.
    """
    first, *others = results
    for other in others:
        for one, two in zip(first.parts or (first,), other.parts or (other,), strict=False):
            _refuse_unlike(one, two, _collect_fingerprints(one), _collect_fingerprints(two))


def _refuse_mixed(parts: Sequence[RunResult]) -> None:
    """Refuse seeds that have read other data; splits cut by the seed may differ, but not what they are cut from."""
    read = [part.figures.data.contents for part in parts]  # which older runs have not noted
    held = read if all(read) else [_collect_fingerprints(part) for part in parts]
    for part, contents in zip(parts, held, strict=True):
        _refuse_unlike(parts[0], part, held[0], contents)


def _collect_fingerprints(run: RunResult) -> dict[str, str]:
    return {split: report.fingerprint for split, report in run.figures.data.splits.items()}


def _refuse_unlike(one: RunResult, two: RunResult, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    for split in dict.fromkeys([*before, *now]):
        if before.get(split) != now.get(split):
            raise DataError(
                f"{two.folder}: its {split} rows are not those of {one.folder}: the data changed between the "
                "two; train both again, in a folder of their own"
            )
