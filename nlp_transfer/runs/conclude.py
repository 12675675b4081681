"""Conclude a training: choose the best state, measure test once, save, and make the result."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from accelerate import Accelerator
from transformers import PreTrainedModel

from nlp_transfer.config.tasks import Scores
from nlp_transfer.evaluation.intervals import resample_metrics
from nlp_transfer.evaluation.metrics_file import ClassWeights, Confidence, Cost, Metrics, Parameters, Seconds, Selection
from nlp_transfer.evaluation.verdicts import Comparand
from nlp_transfer.models.data_units import write_in_data_units
from nlp_transfer.models.digests import hash_weights, sum_weights
from nlp_transfer.publishing.provenance import find_provenance
from nlp_transfer.runs.answering.predictor import Predictor
from nlp_transfer.runs.calibrate import decide_answers, measure_test
from nlp_transfer.runs.measure import infer_split, save_run
from nlp_transfer.runs.prepare import Prepared
from nlp_transfer.runs.result import RunResult, describe, finish
from nlp_transfer.runs.trackers import send
from nlp_transfer.strategies import Plan, save_adapter
from nlp_transfer.system.layout import CHECKPOINTS
from nlp_transfer.system.progress import Clock
from nlp_transfer.task import Prediction
from nlp_transfer.training.history import History
from nlp_transfer.training.judge import select_numbers


class Trained(NamedTuple):
    """A run after its training.

    Attributes:
        prepared: data, model and tokens.
        plan: the phases, with the trained model.
        accelerator: of the run.
        sizes: number of parameters, counted before LoRA was merged.
        baselines: the simple methods to compare with.
        history: the epochs and scores of the training.
        beside: the other tasks that trained with it.
    """

    prepared: Prepared
    plan: Plan
    accelerator: Accelerator
    sizes: Parameters
    baselines: tuple[Comparand, ...]
    history: History
    beside: Sequence[str] = ()

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


def conclude(trained: Trained, folder: Path, clock: Clock, *, progress: bool) -> RunResult:
    """Measure and save a trained model, whose best state is loaded; then write the metrics, which end the run.

    Args:
        trained: the model with its data and history.
        folder: of the run.
        clock: has timed the stages so far.
        progress: show bars.
    """
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
        folder / "model",
    )
    result = describe(trained.prepared.config, folder, metrics, _collect_hits(trained, measured.said))
    of = f"{folder.name}/" if trained.beside else ""
    tested = {f"{of}test/{name}": value for name, value in select_numbers(metrics.test).items()}
    send(trained.accelerator, tested, step=trained.history.steps)
    if trained.speaks:
        finish(result, trained.prepared.config.task_class)
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return result


def _evaluate(trained: Trained, model: PreTrainedModel, *, progress: bool) -> tuple[Trained, _Measured]:
    """Predict test, once, and return the scores on validation too.

    Scores in the report are those that `predict` will reach: in single precision, on all rows, and with the full way of
    decoding. Where an epoch was judged otherwise, validation is inferred again, and calibrated options, such as the
    thresholds of labels, are chosen anew. The temperature of the logits is fitted before. A head that has learned from
    validation in the end is not scored on it: the scores stay those of the solution before.
    """
    prepared, plan, scores = trained.prepared, trained.plan, trained.history.scores
    judged_otherwise = trained.accelerator.mixed_precision != "no" or bool(prepared.task.sample)
    otherwise = judged_otherwise and not trained.history.learned_all
    prepared, calibration, results = decide_answers(prepared, plan, model, otherwise=otherwise, progress=progress)
    if results is not None:
        scores = prepared.task.score(prepared.decode(results, "validation"), prepared.splits.validation)

    tested = infer_split(prepared, model, "test", plan, progress=progress)
    confidence = measure_test(prepared, tested, calibration) if prepared.task.probabilities else None
    measured = _Measured(scores, prepared.decode(tested, "test"), confidence)
    return trained._replace(prepared=prepared), measured


def _save(trained: Trained, model: PreTrainedModel, said: Sequence[Prediction], folder: Path) -> Cost | None:
    """Save the model and its predictions for test; then check that the saved model predicts the same, at what cost."""
    prepared, cost = trained.prepared, None
    trained.accelerator.wait_for_everyone()
    if trained.speaks:
        predictor = Predictor(prepared.task, model, prepared.tokenizers, {})
        cost = save_run(folder, prepared.config, predictor, prepared.splits.test, said)
    trained.accelerator.wait_for_everyone()  # only then do the others read what this process has saved
    return cost


def _collect_metrics(trained: Trained, measured: _Measured, seconds: Seconds, model: Path) -> Metrics:
    """Collect the contents of metrics.json, but for the verdict."""
    prepared, history, said = trained.prepared, trained.history, measured.said
    encoded = prepared.encoded
    intervals = resample_metrics(prepared.task, said, prepared.splits.test) if trained.speaks else {}
    metrics = Metrics(
        validation=measured.validation,
        test=prepared.task.score(said, prepared.splits.test),
        **({"intervals": intervals} if intervals else {}),
        answers=len({str(next(iter(one.values()))) for one in said}),  # the first key of a prediction is its answer
        selection=_describe_selection(trained),
        **({"class_weights": ClassWeights(**history.class_weights)} if history.class_weights else {}),
        parameters=trained.sizes,
        seconds=seconds,
        baselines={one.name: one.collect_scores() for one in trained.baselines},
        seed=prepared.config.training.seed,
        precision=trained.accelerator.mixed_precision.replace("no", "fp32"),
        steps=history.steps,
        epochs=history.trained,
        weights=hash_weights(model),
        checksums=sum_weights(model),
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
    return metrics.model_copy(update={"beside": trained.beside}) if trained.beside else metrics


def _describe_selection(trained: Trained) -> Selection:
    """Say what chose the state that is kept, and what that scored when it was judged."""
    metric, history = trained.prepared.task.selection, trained.history
    learned = {"learned": True} if history.learned_all else {}
    best = Selection(metric=metric, split="validation", best=history.best, kept=history.kept, **learned)
    if trained.plan.masked is None:
        return best
    return best.model_copy(update={"best": float(history.scores[metric]), "by": "mixed_loss"})


def _collect_hits(trained: Trained, said: Sequence[Prediction]) -> dict[str, Any]:
    """Collect the contents of hits.json: a score for each test row, of the run and of each simple method."""
    test = trained.prepared.splits.test
    return {
        "rows": test["row"][:],
        "run": trained.prepared.task.hits(said, test),
        "baselines": {one.name: one.correct for one in trained.baselines},
    }
