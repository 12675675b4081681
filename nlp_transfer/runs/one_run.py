"""Run one seed: load, adapt, train, choose the best state on validation, measure test once, save."""

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path

from nlp_transfer.config.load import render
from nlp_transfer.config.run import RunConfig
from nlp_transfer.evaluation.metrics_file import Parameters
from nlp_transfer.evaluation.verdicts import Comparand, format_scores
from nlp_transfer.models.encoding.prompts import read_prompt
from nlp_transfer.models.saving import describe_environment, write_json
from nlp_transfer.runs.conclude import Trained, conclude
from nlp_transfer.runs.measure import SimpleMethods, measure_untrained
from nlp_transfer.runs.prepare import Prepared, prepare
from nlp_transfer.runs.result import RunResult
from nlp_transfer.runs.resume import find_start
from nlp_transfer.runs.trackers import open_trackers
from nlp_transfer.runs.train import make_accelerator, open_checkpoints, train
from nlp_transfer.strategies import Plan
from nlp_transfer.strategies.summary import count_parameters, render_trainable
from nlp_transfer.system.disk import write_whole
from nlp_transfer.system.progress import Clock, Series
from nlp_transfer.training.judge import select_numbers


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

    with contextlib.ExitStack() as trackers:
        trained = _train(config, folder, series, named, clock, trackers, simple=simple, progress=progress)
        return conclude(trained, folder, clock, progress=progress)


def _train(
    config: RunConfig,
    folder: Path,
    series: Series,
    named: Path | None,
    clock: Clock,
    trackers: contextlib.ExitStack,
    *,
    simple: SimpleMethods,
    progress: bool,
) -> Trained:
    """Prepare, measure the simple methods, then train, with `trackers` open from then on.

    The training comes last so that a fault of the rest shows before it.
    """
    start = find_start(folder, named)
    accelerator = make_accelerator(config.training, folder, start)
    prepared = prepare(config)
    plan = prepared.adapt()
    checkpoints = open_checkpoints(prepared.list_contents(), config.training, plan, accelerator, folder, start)
    sizes = Parameters(**count_parameters(plan))
    if accelerator.is_main_process:
        announce(prepared, plan, folder, series)
    clock.note("preparation")

    baselines = (*measure_untrained(prepared), *simple.measure(prepared))
    if accelerator.is_main_process:
        announce_baselines(prepared, baselines, series)
    clock.note("baselines")

    trackers.enter_context(open_trackers(accelerator, prepared.config, folder))
    shown = progress and accelerator.is_main_process
    history = train(prepared, plan, accelerator, folder, checkpoints, progress=shown)
    clock.note("training", earlier=history.seconds)
    return Trained(prepared, plan, accelerator, sizes, baselines, history)


def announce_baselines(prepared: Prepared, baselines: Sequence[Comparand], series: Series) -> None:
    """Log the scores of the simple methods, which the model should beat."""
    for one in baselines:
        role = "ceiling" if one.name in prepared.task.ceilings else "to beat"
        name = f"{one.name} ({one.chosen})" if one.chosen else one.name
        series.log_once(logging.INFO, f"{role}: {name}, {format_scores(select_numbers(one.validation))} on validation")


def announce(prepared: Prepared, plan: Plan, folder: Path, series: Series, *, alone: bool = True) -> None:
    """Log the warnings and what will train, and write config.yaml and environment.json.

    A message that is true of several runs of a series is logged once. Where the run is not `alone`, but one of several
    tasks, what trains is told of all of them together.
    """
    for warning in (*prepared.splits.report.warnings, *prepared.warnings, *prepared.list_unused(plan, alone=alone)):
        series.log_once(logging.WARNING, warning)
    if prompt := read_prompt(prepared.tokenizers.source):
        series.log_once(logging.INFO, f"prompt: {prompt!r} is put before every text")
    if plan.head:
        series.log_once(logging.INFO, plan.head)
    if alone:
        series.log_once(logging.INFO, render_trainable(plan))
    write_whole(folder / "config.yaml", render(prepared.config))
    write_json(folder / "environment.json", describe_environment())
