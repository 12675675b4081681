"""One run from configuration to run folder: load, adapt, train, choose on validation, measure test once, save."""

import contextlib
import dataclasses
import logging
import shutil
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate.state import PartialState
from accelerate.utils import broadcast_object_list

from nlp_transfer.alone import alone
from nlp_transfer.combining import combine, finished
from nlp_transfer.config import RunConfig, load_config, load_saved, render, saved_task
from nlp_transfer.disk import write_whole
from nlp_transfer.errors import ConfigError, DiskError, ExhaustedError, LostError, StoppedError, TrainingError
from nlp_transfer.fitting import make_accelerator, open_checkpoints, train
from nlp_transfer.folders import begun, make_folder, resumable
from nlp_transfer.layout import FINISHED
from nlp_transfer.measuring import measure_baselines, predict_split, verify, write_predictions
from nlp_transfer.memory import WAYS_OUT, out_of_memory
from nlp_transfer.prepared import Prepared, keep_settled, prepare
from nlp_transfer.progress import Series
from nlp_transfer.provenance import provenance
from nlp_transfer.received import refuse_no_path
from nlp_transfer.report import Row, brief
from nlp_transfer.results import RunResult, describe, finish
from nlp_transfer.resuming import (
    find_start,
    flatten,
    refuse_changes,
)
from nlp_transfer.room import writing
from nlp_transfer.saving import environment, save_model, weights_digests, write_json
from nlp_transfer.sharding import check_launch
from nlp_transfer.sharing import lost_process, take_leave_at_exit
from nlp_transfer.strategies import Plan, save_adapter
from nlp_transfer.trainable import parameter_counts, trainable_table
from nlp_transfer.training import flat
from nlp_transfer.yamlfile import read_yaml

PATIENCE = timedelta(minutes=10)  # with a process that does not answer
LEFT = ("config.yaml",)  # by an attempt that got as far as to train
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
        config: a file, the name of a shipped configuration, a mapping, or a checked configuration.
        overrides: dotted KEY=VALUE pairs.
        output: the run folder; by default `output` of the configuration, else the first free runs/NAME.
        resume: go on with an unfinished run: `auto` with the one in `output`, if there is one; or a run folder, or one
            of its checkpoints.
        progress: show bars.

    Raises:
        StoppedError: a signal ended the training; a checkpoint was written.
        ConfigError: another training is at work in this process.
        TransferError: a subclass says what is wrong, where, and the way out; a folder without metrics.json is not
            finished.
    """
    refuse_no_path(output, "output", optional=True)
    refuse_no_path(resume, "resume", optional=True)
    checked = load_config(config, overrides)
    name = Path(config).stem if isinstance(config, str | Path) else f"{checked.task.name}-{checked.strategy.kind}"
    series = Series(len(checked.each_seed()), progress=progress)
    wanted, named = output or checked.output, None
    if resume is not None:
        wanted, named = resumable(resume, wanted)
    if named and checked.training.seeds:
        raise ConfigError(f"--resume {named}: a run of several seeds goes on as a whole; name its folder")
    with alone(), agreed_folder(wanted, name, left=LEFT if resume is not None else ()) as folder, advice(folder):
        return run_in(folder, checked, series, named, progress=progress)


def run_in(folder: Path, config: RunConfig, series: Series, named: Path | None = None, *, progress: bool) -> RunResult:
    """Run in a folder that is held, as one of a series; what an earlier attempt has done there is taken as it is."""
    config = _agreed(folder, config)
    if (folder / FINISHED).exists():
        before = finished(config, folder)
        series.skip(len(config.each_seed()))
        said = f"{folder} holds a finished run; there is nothing to resume\n{before.summary}"
        return dataclasses.replace(before, summary=said)
    try:
        with _threads(config.training.threads):
            if config.training.seeds:
                return combine(config, folder, _run_seeds(config, folder, series, progress=progress))
            with series.run(folder.name):
                return _run_one(config, folder, series, named, progress=progress)
    except (RuntimeError, MemoryError) as error:
        if out_of_memory(error):
            raise ExhaustedError(f"out of memory; try {WAYS_OUT}") from error
        if lost_process(error):
            raise LostError("another process has ended, or cannot be reached") from error
        raise


def _agreed(folder: Path, config: RunConfig) -> RunConfig:
    """The configuration, with what an earlier attempt in the folder has left to the data and found out.

    Raises:
        ConfigError: the folder was begun with another, listing the keys that differ.
    """
    path = folder / "config.yaml"
    if not path.exists():
        return config
    name = saved_task(read_yaml(path))
    if name != config.task.name:  # that one is not read any further: its task need not be here
        refuse_changes({"task.name": name}, {"task.name": config.task.name}, folder)
    started = load_saved(folder, config.task_class)
    config = keep_settled(config, started)
    refuse_changes(_values(started), _values(config), folder)
    return config


@contextlib.contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Let torch use so many on the CPU for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _values(config: RunConfig) -> dict[str, Any]:
    return flatten(config.model_dump(mode="json"))


@contextlib.contextmanager
def advice(folder: Path) -> Iterator[None]:
    """Say how to go on with a command that was stopped, or that found no room after it had begun."""
    try:
        with writing(folder, full=True):  # what libraries of others write by themselves
            yield
    except (StoppedError, LostError, DiskError) as ended:
        if not isinstance(ended, DiskError) or begun(folder):
            ended.args = (f"{ended}; go on with the same command and --resume {folder}",)
        raise


@contextlib.contextmanager
def agreed_folder(wanted: str | Path | None, name: str, *, left: Collection[str] = ()) -> Iterator[Path]:
    """The run folder, made and held by the main process and told to the others; see `make_folder`."""
    check_launch()
    # On the CPU by choice, or CPU processes would not find each other; what a process waits for the others is bounded.
    state = PartialState(cpu=not torch.accelerator.is_available(), timeout=PATIENCE)
    take_leave_at_exit()
    with make_folder(wanted, name, left=left) if state.is_main_process else contextlib.nullcontext() as made:
        folder: Path | None = broadcast_object_list([made])[0]
        if folder is None:
            raise TrainingError("the main process did not say where the run folder is")
        yield folder


def _run_seeds(config: RunConfig, folder: Path, series: Series, *, progress: bool) -> list[RunResult]:
    """One run per seed, in a subfolder each; those that an earlier attempt finished are taken as they are."""
    if PartialState().is_main_process:
        write_whole(folder / "config.yaml", render(config))
    results = []
    for planned in config.each_seed():
        part = folder / f"seed-{planned.training.seed}"
        part.mkdir(exist_ok=True)
        one = _agreed(part, planned)
        if (part / FINISHED).exists():
            series.skip(1)
            results.append(finished(one, part))
        else:
            with series.run(f"{folder.name}, seed {one.training.seed}"):
                results.append(_run_one(one, part, series, progress=progress))
    return results


def _run_one(
    config: RunConfig, folder: Path, series: Series, named: Path | None = None, *, progress: bool
) -> RunResult:
    clock = _Clock()
    start = find_start(folder, named)
    accelerator = make_accelerator(config, folder, start)
    progress = progress and accelerator.is_main_process
    prepared = prepare(config)
    config = prepared.config
    plan = prepared.plan()
    checkpoints = open_checkpoints(prepared, plan, accelerator, folder, start)
    sizes = parameter_counts(plan)
    if accelerator.is_main_process:
        _announce(prepared, plan, folder, series)
    clock.lap("preparation")
    baselines = measure_baselines(prepared)
    for one in baselines if accelerator.is_main_process else ():
        role = "ceiling" if one.name in prepared.task.ceilings else "to beat"
        name = f"{one.name} ({one.chosen})" if one.chosen else one.name
        series.once(logging.INFO, f"{role}: {name}, {brief(flat(one.validation))} on validation")
    clock.lap("baselines")
    history = train(prepared, plan, accelerator, folder, checkpoints, progress=progress)
    clock.lap("training", earlier=history.seconds)
    if plan.adapter and accelerator.is_main_process:
        save_adapter(plan.model, folder / "adapter", prepared.source.name)
    model = plan.finish(plan.model)
    said = predict_split(prepared, model, "test", plan, progress=progress)
    scores = history.scores
    # What is reported is what `predict` will do: in single precision, on all rows, the full way.
    if accelerator.mixed_precision != "no" or prepared.task.sample:
        again = predict_split(prepared, model, "validation", plan, progress=progress)
        scores = prepared.task.score(again, prepared.splits.validation)
    clock.lap("evaluation")
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        save_model(model, prepared.tokenizers, folder / "model")
        write_predictions(folder / "predictions.jsonl", said, prepared.task, prepared.splits.test)
        verify(folder, prepared, model)
    accelerator.wait_for_everyone()  # all read what one has saved
    clock.lap("saving")
    test = prepared.splits.test
    hits = {
        "rows": test["row"][:],
        "run": prepared.task.hits(said, test),
        "baselines": {one.name: one.correct for one in baselines},
    }
    metrics = {
        "validation": scores,
        "test": prepared.task.score(said, test),
        "answers": len({str(next(iter(one.values()))) for one in said}),  # of test, by what is answered first
        "selection": {"metric": prepared.task.selection, "split": "validation", "best": history.best},
        "parameters": sizes,
        "seconds": clock.total(),
        "baselines": {one.name: _kept(one) for one in baselines},
        "seed": config.training.seed,
        "precision": accelerator.mixed_precision.replace("no", "fp32"),
        "steps": history.steps,
        "weights": weights_digests(folder / "model"),
        **_seen(prepared),
    }
    result = describe(config, folder, metrics, hits)
    if accelerator.is_main_process:
        finish(result, config.task_class)
        shutil.rmtree(checkpoints.folder, ignore_errors=True)
    return result


def _announce(prepared: Prepared, plan: Plan, folder: Path, series: Series) -> None:
    """Say what is odd and what will train, once for all runs of which it is true; keep what the run is made of."""
    for warning in (*prepared.splits.report.warnings, *prepared.warnings, *prepared.idle(plan)):
        series.once(logging.WARNING, warning)
    if prepared.loaded.note:
        series.once(logging.INFO, prepared.loaded.note)
    series.once(logging.INFO, trainable_table(plan))
    write_whole(folder / "config.yaml", render(prepared.config))
    write_json(folder / "environment.json", environment())


def _kept(baseline: Row) -> dict[str, Any]:
    """A simple method's scores, and what it chose, if it had a choice."""
    chosen = {"chosen": baseline.chosen} if baseline.chosen else {}
    return {"validation": baseline.validation, "test": baseline.test, **chosen}


def _seen(prepared: Prepared) -> dict[str, Any]:
    """What of the data the model could see."""
    return {
        "warnings": prepared.warnings,
        "head": prepared.loaded.note,
        **({"written_back": dataclasses.asdict(back)} if (back := prepared.written_back) else {}),
        "truncated": {name: encoded.truncated for name, encoded in prepared.encoded.items()},
        "unknown_tokens": {name: encoded.unknown for name, encoded in prepared.encoded.items()},
        "data": dataclasses.asdict(prepared.splits.report),
        "provenance": dataclasses.asdict(provenance(prepared.config)),
    }


class _Clock:
    """Wall-clock seconds of the stages of a run, of the training in all its attempts."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str, *, earlier: float = 0.0) -> None:
        now = time.perf_counter()
        self.seconds[name] = round(earlier + now - self._last, 3)
        self._last = now

    def total(self) -> dict[str, float]:
        return {**self.seconds, "total": round(sum(self.seconds.values()), 3)}
