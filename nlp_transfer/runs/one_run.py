"""Run one seed: load, adapt, train, choose the best state on validation, measure test once, save."""

import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from accelerate import Accelerator
from transformers import PreTrainedModel

from nlp_transfer.config.sections import RunConfig, render
from nlp_transfer.config.tasks import Scores
from nlp_transfer.evaluation.metrics_file import Confidence, Cost, Metrics, Parameters, Seconds, Selection
from nlp_transfer.evaluation.verdicts import Comparand, format_scores
from nlp_transfer.models.data_units import write_in_data_units
from nlp_transfer.models.digests import hash_weights
from nlp_transfer.models.encoding.prompts import read_prompt
from nlp_transfer.models.saving import describe_environment, write_json
from nlp_transfer.publishing.provenance import find_provenance
from nlp_transfer.runs.calibrate import decide_answers, measure_test
from nlp_transfer.runs.measure import SimpleMethods, infer_split, measure_untrained, save_run
from nlp_transfer.runs.predict import Predictor
from nlp_transfer.runs.prepare import Prepared, prepare
from nlp_transfer.runs.result import RunResult, describe, finish
from nlp_transfer.runs.resume import find_start
from nlp_transfer.runs.train import make_accelerator, open_checkpoints, train
from nlp_transfer.strategies import Plan, save_adapter
from nlp_transfer.strategies.summary import count_parameters, render_trainable
from nlp_transfer.system.disk import write_whole
from nlp_transfer.system.layout import CHECKPOINTS
from nlp_transfer.system.progress import Clock, Series
from nlp_transfer.task import Prediction
from nlp_transfer.training.history import History
from nlp_transfer.training.judge import select_numbers


class _Trained(NamedTuple):
    """A run after its training.

    Attributes:
        prepared: data, model and tokens.
        plan: the phases, with the trained model.
        accelerator: of the run.
        sizes: number of parameters, counted before LoRA was merged.
        baselines: the simple methods to compare with.
        history: the epochs and scores of the training.
    """

    prepared: Prepared
    plan: Plan
    accelerator: Accelerator
    sizes: Parameters
    baselines: tuple[Comparand, ...]
    history: History

    @property
    def speaks(self) -> bool:
        """Whether this is the main process, which writes and logs for all."""
        return bool(self.accelerator.is_main_process)


class _Measured(NamedTuple):
    """What a trained model has reached: scores on validation, answers on test, how to trust these, and their cost."""

    validation: Scores
    said: list[Prediction]
    confidence: Confidence | None
    cost: Cost | None = None


def run_one(
    config: RunConfig,
    folder: Path,
    series: Series,
    named: Path | None = None,
    *,
    simple: SimpleMethods,
    progress: bool,
) -> RunResult:
    """Train, measure and save one run.

    Args:
        config: of one seed.
        folder: of the run.
        series: counts the runs of a command.
        named: the checkpoint to begin at; None for the newest in the folder, or anew.
        simple: measures the simple methods, for all runs of a command.
        progress: show bars.
    """
    clock = Clock()

    trained = _train(config, folder, series, named, clock, simple=simple, progress=progress)
    plan = trained.plan
    if plan.adapter and trained.speaks:
        save_adapter(plan.model, folder / "adapter", trained.prepared.source.name)

    model = write_in_data_units(plan.finish(plan.model))
    trained, measured = _evaluate(trained, model, progress=progress and trained.speaks)
    clock.note("evaluation")

    cost = _save(trained, model, measured.said, folder)
    clock.note("saving")

    metrics = _collect_metrics(
        trained,
        measured._replace(cost=cost),
        Seconds(**clock.seconds, total=clock.total),
        hash_weights(folder / "model"),
    )
    result = describe(trained.prepared.config, folder, metrics, _collect_hits(trained, measured.said))
    if trained.speaks:
        finish(result, config.task_class)
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return result


def _evaluate(trained: _Trained, model: PreTrainedModel, *, progress: bool) -> tuple[_Trained, _Measured]:
    """Predict test, once, and return the scores on validation too.

    Scores in the report are those that `predict` will reach: in single precision, on all rows, and with the full way of
    decoding. Where an epoch was judged otherwise, validation is inferred again, and calibrated options, such as the
    thresholds of labels, are chosen anew. The temperature of the logits is fitted before.
    """
    prepared, plan, scores = trained.prepared, trained.plan, trained.history.scores
    otherwise = trained.accelerator.mixed_precision != "no" or bool(prepared.task.sample)
    prepared, calibration, results = decide_answers(prepared, plan, model, otherwise=otherwise, progress=progress)
    if results is not None:
        scores = prepared.task.score(prepared.decode(results, "validation"), prepared.splits.validation)

    tested = infer_split(prepared, model, "test", plan, progress=progress)
    confidence = measure_test(prepared, tested, calibration) if prepared.task.probabilities else None
    measured = _Measured(scores, prepared.decode(tested, "test"), confidence)
    return trained._replace(prepared=prepared), measured


def _save(trained: _Trained, model: PreTrainedModel, said: Sequence[Prediction], folder: Path) -> Cost | None:
    """Save the model and its predictions for test; then check that the saved model predicts the same, at what cost."""
    prepared, cost = trained.prepared, None
    trained.accelerator.wait_for_everyone()
    if trained.speaks:
        predictor = Predictor(prepared.task, model, prepared.tokenizers, {})
        cost = save_run(folder, prepared.config, predictor, prepared.splits.test, said)
    trained.accelerator.wait_for_everyone()  # only then do the others read what this process has saved
    return cost


def _train(
    config: RunConfig,
    folder: Path,
    series: Series,
    named: Path | None,
    clock: Clock,
    *,
    simple: SimpleMethods,
    progress: bool,
) -> _Trained:
    """Prepare, measure the simple methods, then train.

    The training comes last so that a fault of the rest shows before it.
    """
    start = find_start(folder, named)
    accelerator = make_accelerator(config, folder, start)
    prepared = prepare(config)
    plan = prepared.adapt()
    checkpoints = open_checkpoints(prepared, plan, accelerator, folder, start)
    sizes = Parameters(**count_parameters(plan))
    if accelerator.is_main_process:
        _announce(prepared, plan, folder, series)
    clock.note("preparation")

    baselines = (*measure_untrained(prepared), *simple.measure(prepared))
    if accelerator.is_main_process:
        _announce_baselines(prepared, baselines, series)
    clock.note("baselines")

    shown = progress and accelerator.is_main_process
    history = train(prepared, plan, accelerator, folder, checkpoints, progress=shown)
    clock.note("training", earlier=history.seconds)
    return _Trained(prepared, plan, accelerator, sizes, baselines, history)


def _announce_baselines(prepared: Prepared, baselines: Sequence[Comparand], series: Series) -> None:
    """Log the scores of the simple methods, which the model should beat."""
    for one in baselines:
        role = "ceiling" if one.name in prepared.task.ceilings else "to beat"
        name = f"{one.name} ({one.chosen})" if one.chosen else one.name
        series.log_once(logging.INFO, f"{role}: {name}, {format_scores(select_numbers(one.validation))} on validation")


def _collect_metrics(trained: _Trained, measured: _Measured, seconds: Seconds, weights: Mapping[str, str]) -> Metrics:
    """Collect the contents of metrics.json, but for the verdict."""
    prepared, history, said = trained.prepared, trained.history, measured.said
    encoded = prepared.encoded
    return Metrics(
        validation=measured.validation,
        test=prepared.task.score(said, prepared.splits.test),
        answers=len({str(next(iter(one.values()))) for one in said}),  # the first key of a prediction is its answer
        selection=Selection(metric=prepared.task.selection, split="validation", best=history.best, kept=history.kept),
        parameters=trained.sizes,
        seconds=seconds,
        baselines={one.name: one.collect_scores() for one in trained.baselines},
        seed=prepared.config.training.seed,
        precision=trained.accelerator.mixed_precision.replace("no", "fp32"),
        steps=history.steps,
        epochs=history.trained,
        weights=weights,
        cost=measured.cost,
        confidence=measured.confidence,
        head=trained.plan.head,
        # How much of the data the model could see.
        warnings=prepared.warnings,
        written_back=prepared.written_back,
        truncated={name: one.truncated for name, one in encoded.items()},
        unknown_tokens={name: one.unknown for name, one in encoded.items()},
        data=prepared.splits.report,
        provenance=find_provenance(prepared.config),
    )


def _collect_hits(trained: _Trained, said: Sequence[Prediction]) -> dict[str, Any]:
    """Collect the contents of hits.json: a score for each test row, of the run and of each simple method."""
    test = trained.prepared.splits.test
    return {
        "rows": test["row"][:],
        "run": trained.prepared.task.hits(said, test),
        "baselines": {one.name: one.correct for one in trained.baselines},
    }


def _announce(prepared: Prepared, plan: Plan, folder: Path, series: Series) -> None:
    """Log the warnings and what will train, and write config.yaml and environment.json.

    A message that is true of several runs of a series is logged once.
    """
    for warning in (*prepared.splits.report.warnings, *prepared.warnings, *prepared.list_unused(plan)):
        series.log_once(logging.WARNING, warning)
    if prompt := read_prompt(prepared.tokenizers.source):
        series.log_once(logging.INFO, f"prompt: {prompt!r} is put before every text")
    if plan.head:
        series.log_once(logging.INFO, plan.head)
    series.log_once(logging.INFO, render_trainable(plan))
    write_whole(folder / "config.yaml", render(prepared.config))
    write_json(folder / "environment.json", describe_environment())
