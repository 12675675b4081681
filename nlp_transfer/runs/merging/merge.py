"""Merge finished runs by their weights, solve the head anew, and measure what comes out as a run of its own.

nlp-transfer merge runs/seed-0 runs/seed-1 runs/merged
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.tasks import Scores, TaskDeclaration
from nlp_transfer.data.splits import Splits
from nlp_transfer.errors import ConfigError
from nlp_transfer.evaluation.averaging import average
from nlp_transfer.evaluation.metrics_file import ClassWeights, Confidence, Merged, MergedPart, Metrics, Seconds
from nlp_transfer.evaluation.verdicts import Comparand, compare_with_parts, rename_method
from nlp_transfer.inference.predictions import infer
from nlp_transfer.models.digests import hash_weights, sum_weights
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.models.merging import add_to_mean, move_towards_start
from nlp_transfer.models.saving import describe_environment, write_json
from nlp_transfer.models.source import LoadedModel, Source
from nlp_transfer.runs.answering.predict import load
from nlp_transfer.runs.answering.predictor import Predictor
from nlp_transfer.runs.calibrate import measure_test, settle_answers
from nlp_transfer.runs.combine import read_finished
from nlp_transfer.runs.measure import save_run
from nlp_transfer.runs.merging.parts import Part, read_parts, refuse_other_model
from nlp_transfer.runs.prepare import Prepared, open_model
from nlp_transfer.runs.result import RunResult, describe, finish, format_line, tell
from nlp_transfer.runs.run import hold_folder, use_threads
from nlp_transfer.system.alone import claim_process
from nlp_transfer.system.disk import write_whole
from nlp_transfer.system.escaping import dump_json
from nlp_transfer.system.layout import FINISHED, MERGING
from nlp_transfer.system.progress import Clock
from nlp_transfer.system.received import refuse_no_path
from nlp_transfer.system.room import guard_writing
from nlp_transfer.task import Prediction, Task, apply_calibration, make_task
from nlp_transfer.training.last_layer import LastLayer, find_last_layer
from nlp_transfer.training.solver import Choice

log = logging.getLogger(__name__)
WAY_OUT = "choose another folder as OUT"
SEEN = (
    "validation scores are too good: heads of the parts have learned from its few rows, and their mean is judged on "
    "them; test is not touched by that"
)
Head = Literal["auto", "solve", "average"]


class _Model(NamedTuple):
    """A merged model, the source that its parts started from, and the rows that it is measured on."""

    predictor: Predictor
    splits: Splits
    source: Source
    start: LoadedModel

    @property
    def task(self) -> Task:
        """The task of the runs."""
        return self.predictor.task

    def encode(self, split: str) -> TokenInputs:
        """Encode a split."""
        tokenizers, rows = self.predictor.tokenizers, getattr(self.splits, split)
        encoded = self.task.encode(rows, tokenizers, training=split == "train")
        return TokenInputs(encoded, tokenizers.source.pad_token_id)

    def score(self, units: TokenInputs) -> Scores:
        """Score validation, with options such as thresholds chosen on it."""
        rows = self.splits.validation
        results = infer(self.predictor.model, self.task, units)
        task = apply_calibration(self.task, results, rows)
        return task.score(task.decode(results, rows, self.predictor.tokenizers), rows)

    def prepare(self, config: RunConfig, validation: TokenInputs) -> Prepared:
        """Put it in the place of a run that was just trained, to be calibrated like one."""
        loaded = replace(self.start, model=self.predictor.model)
        encoded = {"validation": validation.encoded}
        return Prepared(config, self.task, self.splits, self.source, loaded, self.predictor.tokenizers, encoded, {})


def merge(
    runs: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    share: float = 1.0,
    head: Head = "auto",
    task: type[TaskDeclaration] | None = None,
    trust_remote_code: str | None = None,
) -> RunResult:
    """Merge finished runs of one architecture, source and data into one model, and measure it beside them.

    Its weights are start + share x (mean - start), where the mean is that of the runs, and the start are the weights of
    their source (Wortsman et al. 2022, Model soups, and WiSE-FT); what the source did not bring is a mean. The head is
    what suffers from that: its last layer is solved anew on the features of the merged model.

    Args:
        runs: their folders; a run of several seeds stands for all of them.
        output: the folder of the merged run. If a merge of the same runs was stopped there, it is made again.
        share: above 0 and up to 1, the mean itself. Of a single run it must be below 1.
        head: `solve` the last layer, or leave it at the `average`; `auto` takes what is better on validation.
        task: of the runs, where that is none of ours; see `load`.
        trust_remote_code: see `load`.

    Raises:
        ConfigError: there is nothing to merge, the runs differ in more than their training, or the folder is not free.
        CheckpointError: a run is not finished, or its model has another architecture.
        DataError: the rows of the runs differ, or have changed since.
    """
    refuse_no_path(output, "output")
    if not (isinstance(share, int | float) and 0 < share <= 1):
        raise ConfigError(f"share: expected a number above 0 and up to 1, received {share!r}")
    if head not in ("auto", "solve", "average"):
        raise ConfigError(f"head: expected 'auto', 'solve' or 'average', received {head!r}")

    parts = read_parts(runs, task)
    _refuse_share(parts, share)
    runs_told = [{"name": part.name, "weights": dict(part.result.figures.weights)} for part in parts]
    asked = dump_json({"runs": runs_told, "share": float(share), "head": head}, indent=2) + "\n"
    with (
        claim_process(),
        hold_folder(output, "merge", left=(MERGING,), way=WAY_OUT) as folder,
        use_threads(parts[0].config.training.threads),
        guard_writing(folder, full=True),
    ):
        if _is_done(folder, asked):
            before = read_finished(parts[0].config, folder)
            return replace(before, summary=f"{folder} holds this merge already\n{before.summary}")
        return _merge_in(folder, parts, asked, share=share, head=head, trusted=trust_remote_code)


def _refuse_share(parts: Sequence[Part], share: float) -> None:
    """Refuse a share that makes nothing of these runs.

    Raises:
        ConfigError: a run alone would stay as it is, or there are no weights of a source to come from.
    """
    first = parts[0]
    if len(parts) == 1 and share == 1:
        raise ConfigError(
            f"{first.folder} alone is its own mean: name more runs before the folder to write, or a share below 1"
        )
    if share < 1 and first.config.source.scratch:
        raise ConfigError(
            f"share: {first.name} was trained from scratch (source.scratch), so there are no weights of its source to "
            "come from; leave it out"
        )


def _is_done(folder: Path, asked: str) -> bool:
    """Tell whether the folder holds this merge, finished.

    Raises:
        ConfigError: it holds another one.
    """
    path = folder / MERGING
    if path.is_file() and path.read_text(encoding="utf-8") != asked:
        raise ConfigError(f"{folder} holds a merge of other runs, or with other options; {WAY_OUT}")
    return (folder / FINISHED).is_file()


def _merge_in(
    folder: Path, parts: Sequence[Part], asked: str, *, share: float, head: Head, trusted: str | None
) -> RunResult:
    """Merge, measure and save in a folder that this process holds; `asked` tells another attempt what was wanted."""
    clock = Clock()
    model, warnings = _merge_weights(parts, share, trusted)
    for warning in warnings:
        log.warning("%s", warning)
    clock.note("preparation")

    validation = model.encode("validation")
    seen = any(part.learned_validation for part in parts)
    solved = _settle_head(model, validation, head, smoothing=parts[0].config.training.label_smoothing, seen=seen)
    if seen and solved is None:
        warnings = [*warnings, SEEN]
        log.warning("%s", SEEN)
    clock.note("training", earlier=sum(part.result.figures.seconds.training for part in parts))

    config, scores, said, confidence = _measure(model, parts[0].config, validation)
    clock.note("evaluation")

    write_whole(folder / MERGING, asked)
    cost = save_run(folder, config, model.predictor, model.splits.test, said)
    write_json(folder / "environment.json", describe_environment())
    clock.note("saving")

    noted = {
        "seconds": Seconds(**clock.seconds, baselines=0.0, total=clock.total),
        "weights": hash_weights(folder / "model"),
        "checksums": sum_weights(folder / "model"),
        "cost": cost,
        "confidence": confidence,
        "class_weights": _describe_weights(solved),
        "merged": _describe_parts(parts, share, "solved" if solved else "averaged"),
    }
    figures = _collect_metrics(model, parts, warnings, scores, said).model_copy(update=noted)
    hits = {
        "rows": model.splits.test["row"][:],
        "run": model.task.hits(said, model.splits.test),
        "baselines": {one.name: one.correct for one in parts[0].result.baselines},
    }
    result = _compare(describe(config, folder, figures, hits), config, parts)
    finish(result, config.task_class)
    return result


class _Measured(NamedTuple):
    """What a merged model has reached, and its configuration with all options decided."""

    config: RunConfig
    validation: Scores
    said: list[Prediction]
    confidence: Confidence | None


def _measure(model: _Model, config: RunConfig, validation: TokenInputs) -> _Measured:
    """Calibrate a merged model on validation as a run is, score it there, and answer test."""
    network, splits = model.predictor.model, model.splits
    results = infer(network, model.task, validation)
    prepared, calibration, results = settle_answers(model.prepare(config, validation), network, results)
    model.predictor.task = task = prepared.task
    scores = task.score(prepared.decode(results, "validation"), splits.validation)

    tested = infer(network, task, model.encode("test"))
    confidence = measure_test(prepared, tested, calibration) if task.probabilities else None
    decided = prepared.config.model_copy(update={"task": task.options, "output": None})
    return _Measured(decided, scores, prepared.decode(tested, "test"), confidence)


def _collect_metrics(
    model: _Model, parts: Sequence[Part], warnings: Sequence[str], scores: Scores, said: Sequence[Prediction]
) -> Metrics:
    """Collect what was measured; what the parts share, as the data and the simple methods, is that of the first."""
    task, several = model.task, [part.result.figures for part in parts]
    return several[0].model_copy(
        update={
            "validation": scores,
            "test": task.score(said, model.splits.test),
            "answers": len({str(next(iter(one.values()))) for one in said}),
            "selection": several[0].selection.model_copy(update={"best": scores[task.selection]}),
            "steps": sum(one.steps for one in several),
            "epochs": sum(one.epochs for one in several),
            "warnings": [*several[0].warnings, *warnings],
            "verdict": None,
        }
    )


def _merge_weights(parts: Sequence[Part], share: float, trusted: str | None) -> tuple[_Model, list[str]]:
    """Compute the merged weights, the head a mean like the rest, and list warnings; two models are held at a time."""
    first, *others = parts
    kind = first.config.task_class
    merged = load(first.folder, task=kind, trust_remote_code=trusted)
    for count, part in enumerate(others, 2):
        other = load(part.folder, task=kind, trust_remote_code=trusted)
        refuse_other_model(merged, other, part.name)
        add_to_mean(merged.model, other.model, count)

    assert merged.origin is not None  # noqa: S101 - or the figures of the part could not have been read
    splits = merged.origin.read_splits()
    source, start, _ = open_model(first.config, merged.task, splits.train)
    if share < 1:
        move_towards_start(merged.model, start.model, share, start.new | start.unread)

    merged.task = make_task(kind, _forget_calibrated(parts), merged.task.labels)
    # From scratch, `start.new` names the head alone.
    new = dict(start.model.named_parameters()).keys() if first.config.source.scratch else start.new
    return _Model(merged, splits, source, start), [
        *_warn_of_new(parts, new, find_last_layer(merged.model, merged.task))
    ]


def _forget_calibrated(parts: Sequence[Part]) -> Any:
    """Return the options of the task, with those that each run has calibrated for itself to be chosen anew."""
    first, *others = (part.config.task for part in parts)
    own = parts[0].config.task_class.calibrated
    moved = [name for name in own if not others or any(getattr(one, name) != getattr(first, name) for one in others)]
    return first.model_copy(update=dict.fromkeys(moved, "auto"))


def _warn_of_new(parts: Sequence[Part], new: Collection[str], head: LastLayer | None) -> Iterator[str]:
    """Warn of parameters that each run has drawn for itself, but for the last layer of the head."""
    seeds = {part.result.figures.seed for part in parts}
    drawn = sorted(name for name in new if head is None or not name.startswith(f"{head.path}."))
    if drawn and len(seeds) > 1:
        yield (
            f"{len(drawn)} of the merged tensors, such as {drawn[0]}, did not come from the source: each seed "
            f"({', '.join(map(str, sorted(seeds)))}) began with numbers of its own, and their mean may be of no use"
        )


def _settle_head(model: _Model, validation: TokenInputs, head: Head, *, smoothing: float, seen: bool) -> Choice | None:
    """Solve the last layer anew if it can be, and with `auto` if validation likes that no less; None if it does not.

    Rows of validation that the heads of the parts have `seen` cannot judge their mean: then `auto` solves anew.

    Raises:
        ConfigError: it was asked for, and there is no such layer.
    """
    network, metric = model.predictor.model, model.task.selection
    layer = find_last_layer(network, model.task)
    if layer is None and head == "solve":
        raise ConfigError("head: there is no last linear layer to solve here; leave it out, or take average")
    if layer is None or head == "average":
        return None

    before, averaged = layer.read(), model.score(validation)[metric]
    chosen = layer.solve(network, model.task, model.encode("train"), validation, smoothing=smoothing)
    layer.write(chosen.solution)
    if seen:
        log.info("last layer of the head: solved anew on train, for those of the parts have learned from validation")
        return chosen
    solved = model.score(validation)[metric]
    log.info("last layer of the head: %s %.4f on validation as a mean, %.4f solved anew", metric, averaged, solved)
    if head == "auto" and solved < averaged:
        layer.write(before)
        return None
    return chosen


def _describe_weights(chosen: Choice | None) -> ClassWeights | None:
    """Describe how far classes count alike in the head that was solved anew, where that was chosen."""
    told = chosen.describe().get("class_weights") if chosen else None
    return ClassWeights(**told) if told else None


def _describe_parts(parts: Sequence[Part], share: float, head: Literal["solved", "averaged"]) -> Merged:
    """Describe the parts and the way of merging for metrics.json."""
    listed = [
        MergedPart(
            name=part.name,
            strategy=part.config.strategy.kind,
            seed=part.result.figures.seed,
            validation=part.result.figures.validation,
            test=part.result.figures.test,
        )
        for part in parts
    ]
    return Merged(parts=listed, share=share, head=head)


def _compare(result: RunResult, config: RunConfig, parts: Sequence[Part]) -> RunResult:
    """Add the scores of the parts to a result, and how it stands to them."""
    kind, rows = config.task_class, [part.result.row for part in parts]
    name, best = max(zip((part.name for part in parts), rows, strict=True), key=lambda one: _read_score(one[1], kind))
    beside = [rename_method(best, name)]
    if len(parts) > 1:
        mean = average(rows, [part.result.figures.seed for part in parts])
        beside = [
            rename_method(mean, "the mean of its parts"),
            rename_method(best, f"{name}, the best of its parts on validation"),
        ]

    verdict = [*(result.figures.verdict or ()), *compare_with_parts(result.row, beside, task=kind)]
    figures = result.figures.model_copy(update={"verdict": verdict})
    lines = [format_line(one, kind.measured(result.row.test)) for one in beside]
    told = tell(config, result.folder, figures, result.row, result.baselines, *lines)
    return replace(told, parts=tuple(part.result for part in parts))


def _read_score(row: Comparand, kind: type[TaskDeclaration]) -> float:
    return float(row.validation[kind.selection])
