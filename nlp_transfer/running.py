"""One run from configuration to run folder: load, adapt, train, choose on validation, measure test once, save."""

import contextlib
import dataclasses
import functools
import importlib.util
import json
import logging
import shutil
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import broadcast_object_list

from nlp_transfer.checkpointing import Checkpoint
from nlp_transfer.config import RunConfig, load_config, render
from nlp_transfer.errors import ConfigError, StoppedError, TrainingError
from nlp_transfer.feature_store import cache_folder
from nlp_transfer.folders import locked, make_folder, resumable
from nlp_transfer.history import History
from nlp_transfer.layout import FINISHED
from nlp_transfer.measuring import measure_baselines, predict_split, verify, write_predictions
from nlp_transfer.memory import WAYS_OUT, out_of_memory
from nlp_transfer.precision import choose_precision
from nlp_transfer.prepared import Prepared, prepare
from nlp_transfer.provenance import provenance
from nlp_transfer.publication import write_card
from nlp_transfer.report import Row, verdicts
from nlp_transfer.results import RunResult, combine, finished
from nlp_transfer.resuming import (
    CHECKPOINTS,
    Checkpoints,
    digest,
    find_start,
    flatten,
    refuse_changes,
)
from nlp_transfer.saving import environment, save_model, write_json
from nlp_transfer.strategies import Plan, save_adapter
from nlp_transfer.trainable import parameter_counts, trainable_table
from nlp_transfer.training import Settings, Trainer, flat

PATIENCE = timedelta(minutes=10)  # with a process that does not answer
log = logging.getLogger(__name__)


def run(
    config: RunConfig | Mapping[str, Any] | str | Path,
    overrides: Sequence[str] = (),
    *,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    progress: bool = True,
) -> RunResult:
    """Train one model as configured, or one per seed.

    Args:
        config: a file, a mapping or a checked configuration.
        overrides: dotted KEY=VALUE pairs.
        output: the run folder; by default `output` of the configuration, else the first free runs/NAME.
        resume: go on with an unfinished run: `auto` with the one in `output`, if there is one; or a run folder, or one
            of its checkpoints.
        progress: show bars.

    Raises:
        StoppedError: a signal ended the training; a checkpoint was written.
        TransferError: a subclass says what is wrong, where, and the way out; a folder without metrics.json is not
            finished.
    """
    checked = load_config(config, overrides)
    name = Path(config).stem if isinstance(config, str | Path) else f"{checked.task.name}-{checked.strategy.kind}"
    wanted, named = output or checked.output, None
    if resume is not None:
        wanted, named = resumable(resume, wanted)
    folder = agreed_folder(wanted, name, resume=resume is not None)
    with locked(folder) if PartialState().is_main_process else contextlib.nullcontext():
        if (folder / FINISHED).exists():
            return finished(checked, folder)
        try:
            if checked.training.seeds:
                return combine(checked, folder, _run_seeds(checked, folder, progress=progress))
            return _run_one(checked, folder, named, progress=progress)
        except StoppedError as stopped:
            way_out = f"{stopped}; go on with the same command and --resume {folder}"
            raise StoppedError(way_out, stopped.number) from None
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            raise TrainingError(f"out of memory; try {WAYS_OUT}") from error


def agreed_folder(wanted: str | Path | None, name: str, *, resume: bool = False) -> Path:
    """The run folder, made by the main process and told to the others."""
    # On the CPU by choice, or CPU processes would not find each other; what a process waits for the others is bounded.
    state = PartialState(cpu=not torch.accelerator.is_available(), timeout=PATIENCE)
    folders = [make_folder(wanted, name, resume=resume) if state.is_main_process else None]
    folder: Path | None = broadcast_object_list(folders)[0]
    if folder is None:
        raise TrainingError("the main process did not say where the run folder is")
    return folder


def _run_seeds(config: RunConfig, folder: Path, *, progress: bool) -> list[RunResult]:
    """One run per seed, in a subfolder each; those that an earlier attempt finished are taken as they are."""
    if PartialState().is_main_process:
        (folder / "config.yaml").write_text(render(config), encoding="utf-8")
    results = []
    for seed in config.training.seeds or ():
        training = config.training.model_copy(update={"seed": seed, "seeds": None})
        part = folder / f"seed-{seed}"
        part.mkdir(exist_ok=True)
        one = config.model_copy(update={"training": training})
        done = (part / FINISHED).exists()
        results.append(finished(one, part) if done else _run_one(one, part, progress=progress))
    return results


def _run_one(config: RunConfig, folder: Path, named: Path | None = None, *, progress: bool) -> RunResult:
    clock = _Clock()
    start = find_start(folder, named)
    if start is not None:  # the files that the configuration names may differ too; that is known when they are read
        refuse_changes(start.values["identity"]["config"], flatten(config.model_dump(mode="json")), folder)
    accelerator = _accelerator(config, folder)
    prepared = prepare(config)
    plan = prepared.plan()
    checkpoints = _checkpoints(prepared, plan, accelerator, folder, start)
    if accelerator.is_main_process:
        for warning in prepared.warnings:
            log.warning("%s", warning)
        log.info("%s", trainable_table(plan))
        (folder / "config.yaml").write_text(render(config), encoding="utf-8")
        write_json(folder / "environment.json", environment())
    sizes = parameter_counts(plan)
    clock.lap("preparation")
    baselines = measure_baselines(prepared)
    for one in baselines if accelerator.is_main_process else ():
        role = "ceiling" if one.name in prepared.task.ceilings else "to beat"
        log.info("%s: %s, %s on validation", role, one.name, _brief(flat(one.validation)))
    clock.lap("baselines")
    history = _train(prepared, plan, accelerator, folder, checkpoints, progress=progress)
    clock.lap("training")
    if plan.adapter and accelerator.is_main_process:
        save_adapter(plan.model, folder / "adapter", prepared.source.name)
    model = plan.finish(plan.model)
    said = predict_split(prepared, model, "test", plan)
    scores = history.scores
    # What is reported is what `predict` will do: in single precision, on all rows, the full way.
    if accelerator.mixed_precision != "no" or prepared.task.sample:
        scores = prepared.task.score(predict_split(prepared, model, "validation", plan), prepared.splits.validation)
    clock.lap("evaluation")
    row = Row(
        name=folder.name,
        source=prepared.source_name,
        strategy=config.strategy.kind,
        scratch=prepared.source.scratch,
        **sizes,
        seconds=clock.seconds["training"],
        validation=scores,
        test=prepared.task.score(said, prepared.splits.test),
        correct=prepared.task.hits(said, prepared.splits.test),
    )
    verdict = verdicts([row], baselines, task=type(prepared.task))
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        save_model(model, prepared.tokenizers, folder / "model")
        write_predictions(folder / "predictions.jsonl", said, prepared.splits.test)
        verify(folder, prepared, model)
    clock.lap("saving")
    metrics = {
        "validation": row.validation,
        "test": row.test,
        "selection": {"metric": prepared.task.selection, "split": "validation", "best": history.best},
        "parameters": sizes,
        "seconds": clock.total(),
        "baselines": {one.name: {"validation": one.validation, "test": one.test} for one in baselines},
        "seed": config.training.seed,
        "precision": accelerator.mixed_precision.replace("no", "fp32"),
        "steps": history.steps,
        "verdict": verdict,
        **_seen(prepared),
    }
    if accelerator.is_main_process:
        write_card(folder, metrics)
        write_json(folder / FINISHED, metrics)
        shutil.rmtree(checkpoints.folder, ignore_errors=True)
    said_of = [
        f"test: {one.label}: {_brief({name: one.test[name] for name in prepared.task.shown})}"
        for one in (*baselines, row)
    ]
    return RunResult(folder, metrics, "\n".join([*said_of, *verdict]), row, baselines)


def _checkpoints(
    prepared: Prepared, plan: Plan, accelerator: Accelerator, folder: Path, start: Checkpoint | None
) -> Checkpoints:
    """Where the run is saved, and what it goes on from, if that is still the same run.

    Raises:
        ConfigError: the data, the weights or the number format are others.
    """
    # Checkpoints leave out what never moves, so it must come again. Now, because a replay takes parts out of the model.
    resting = {name: parameter for name, parameter in plan.model.named_parameters() if name not in plan.moving}

    @functools.cache
    def identity() -> dict[str, dict[str, Any]]:
        splits = prepared.splits.report.splits
        return {
            "config": flatten(prepared.config.model_dump(mode="json")),
            "contents": {
                **{f"data.{name} (contents)": split.fingerprint for name, split in splits.items()},
                "source.name (weights)": digest(resting),
                "training.precision (chosen)": accelerator.mixed_precision,
            },
            "about": {"processes": accelerator.num_processes, **environment()["packages"]},
        }

    if start is not None:
        before = start.values["identity"]
        refuse_changes(before["contents"], identity()["contents"], folder)
        if before["about"] != identity()["about"] and accelerator.is_main_process:
            log.warning("resumed with other versions or processes: the result may differ in its last digits")
    settings = prepared.config.training.checkpoint
    return Checkpoints(folder / CHECKPOINTS, identity, **dict(settings), start=start)


def _seen(prepared: Prepared) -> dict[str, Any]:
    """What of the data the model could see."""
    return {
        "warnings": prepared.warnings,
        "truncated": {name: encoded.truncated for name, encoded in prepared.encoded.items()},
        "unknown_tokens": {name: encoded.unknown for name, encoded in prepared.encoded.items()},
        "data": dataclasses.asdict(prepared.splits.report),
        "provenance": dataclasses.asdict(provenance(prepared.config)),
    }


def _accelerator(config: RunConfig, folder: Path) -> Accelerator:
    precision = broadcast_object_list([choose_precision(config.training.precision)])[0]  # one for all processes
    mixed = "no" if precision == "fp32" else precision
    if AcceleratorState._shared_state and AcceleratorState().mixed_precision != mixed:
        AcceleratorState._reset_state()  # an earlier run of this process chose another precision
    tracker = config.training.tracker
    if tracker != "none" and importlib.util.find_spec(tracker) is None:
        raise ConfigError(f"training.tracker: {tracker} is not installed; pip install {tracker}")
    accelerator = Accelerator(
        mixed_precision=mixed, log_with=None if tracker == "none" else tracker, project_dir=str(folder)
    )
    if tracker != "none":
        accelerator.init_trackers("nlp-transfer")
    return accelerator


def _train(
    prepared: Prepared,
    plan: Plan,
    accelerator: Accelerator,
    folder: Path,
    checkpoints: Checkpoints,
    *,
    progress: bool,
) -> History:
    training = prepared.config.training
    if accelerator.is_main_process:  # an earlier attempt may have got further than its last checkpoint
        known = checkpoints.start.values["history"]["epochs"] if checkpoints.start else []
        (folder / "history.jsonl").write_text("".join(json.dumps(one) + "\n" for one in known), encoding="utf-8")

    def record(facts: dict[str, Any]) -> None:
        if not accelerator.is_main_process:
            return
        with (folder / "history.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(facts) + "\n")
        shown = {**{k: facts[k] for k in ("loss",) if k in facts}, **facts["validation"]}
        log.info("%s epoch %s: %s", facts["phase"], facts["epoch"], _brief(shown))
        accelerator.log({f"validation/{k}": v for k, v in facts["validation"].items()}, step=facts["step"])

    settings = Settings(
        batch_size=training.batch_size,
        accumulation=training.accumulation,
        weight_decay=training.weight_decay,
        clip=training.clip,
        patience=training.patience,
        label_smoothing=training.label_smoothing,
        seed=training.seed,
        cache=cache_folder(),
        progress=progress,
    )
    rows, validation = prepared.splits.validation, prepared.encoded["validation"]
    if prepared.task.sample and len(rows) > prepared.task.sample:
        rows = rows.shuffle(seed=0).select(range(prepared.task.sample))
        validation = prepared.task.encode(rows, prepared.tokenizers)
    trainer = Trainer(
        plan=plan,
        task=prepared.task,
        train=prepared.encoded["train"],
        validation=validation,
        validation_rows=rows,
        tokenizers=prepared.tokenizers,
        accelerator=accelerator,
        settings=settings,
        record=record,
        checkpoints=checkpoints,
    )
    history = trainer.fit()
    for tracker in accelerator.trackers:  # end_training would also part the processes, who have more to do
        tracker.finish()
    return history


def _brief(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in numbers.items())


class _Clock:
    """Wall-clock seconds of the stages of a run."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = self._start = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = round(now - self._last, 3)
        self._last = now

    def total(self) -> dict[str, float]:
        return {**self.seconds, "total": round(time.perf_counter() - self._start, 3)}
