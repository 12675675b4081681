"""Train several tasks together, and conclude each as a run of its own."""

import copy
import dataclasses
import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.training import TrainingConfig
from nlp_transfer.evaluation.verdicts import Comparand
from nlp_transfer.models.encoding.units import TokenInputs
from nlp_transfer.runs.combine import read_finished
from nlp_transfer.runs.conclude import Trained, conclude
from nlp_transfer.runs.measure import SimpleMethods, measure_untrained
from nlp_transfer.runs.one_run import announce, announce_baselines
from nlp_transfer.runs.result import RunResult
from nlp_transfer.runs.resume import find_start
from nlp_transfer.runs.several_tasks.joint import Joint, Member, adapt_all, find_pad, join, prepare_all
from nlp_transfer.runs.trackers import open_trackers
from nlp_transfer.runs.train import keep_record, make_accelerator, make_settings, open_checkpoints, take_judged
from nlp_transfer.strategies.summary import render_trainable
from nlp_transfer.system.layout import CHECKPOINTS, FINISHED
from nlp_transfer.system.progress import Clock, Series
from nlp_transfer.training.attempt import Settings
from nlp_transfer.training.checkpoints import Checkpoints
from nlp_transfer.training.history import History
from nlp_transfer.training.joint_judge import JointJudge, JudgedTask
from nlp_transfer.training.judge import Judge
from nlp_transfer.training.loop import Trainer
from nlp_transfer.training.phase_inputs import PhaseInputs

log = logging.getLogger(__name__)


def train_jointly(
    configs: Mapping[str, RunConfig],
    folder: Path,
    parts: Mapping[str, Path],
    series: Series,
    named: Path | None = None,
    *,
    simple: SimpleMethods,
    progress: bool,
) -> dict[str, RunResult]:
    """Train all tasks together, and leave a run folder for each.

    Args:
        configs: name -> configuration of one seed; they differ in task and data only.
        folder: holds the checkpoints and the history.
        parts: name -> run folder.
        series: counts the runs of a command.
        named: the checkpoint to begin at; None for the newest in the folder, or anew.
        simple: measures the simple methods, for all runs of a command.
        progress: show bars.
    """
    clock = Clock()
    training = next(iter(configs.values())).training
    start = find_start(folder, named)
    accelerator = make_accelerator(training, folder, start, several=True)

    members = adapt_all(prepare_all(configs))
    for one in members.values():
        _scale_head(one, accelerator, progress=progress)
    joint = join(members)
    checkpoints = open_checkpoints(joint.list_contents(), training, joint.plan, accelerator, folder, start)
    if accelerator.is_main_process:
        for name, one in members.items():
            announce(one.prepared, one.plan, parts[name], series, alone=False)
        log.info("%s", render_trainable(joint.plan))
    clock.note("preparation")

    baselines = {}
    for name, one in members.items():
        baselines[name] = (*measure_untrained(one.prepared), *simple.measure(one.prepared))
        if accelerator.is_main_process:
            announce_baselines(one.prepared, baselines[name], series)
    clock.note("baselines")

    shown = progress and accelerator.is_main_process
    with open_trackers(accelerator, training, folder):
        history, judge = _fit(joint, training, accelerator, folder, checkpoints, progress=shown)
        clock.note("training", earlier=history.seconds)

        results = {}
        for name, one in members.items():
            if (parts[name] / FINISHED).exists():  # an earlier attempt was stopped between two of them
                results[name] = read_finished(one.prepared.config, parts[name])
            else:
                trained = _take_out(name, joint, judge, history, accelerator, baselines[name])
                results[name] = conclude(trained, parts[name], clock.branch(), progress=progress)
    if accelerator.is_main_process:
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return results


def _fit(
    joint: Joint,
    training: TrainingConfig,
    accelerator: Accelerator,
    folder: Path,
    checkpoints: Checkpoints,
    *,
    progress: bool,
) -> tuple[History, JointJudge]:
    """Train all tasks together; return also the judge, which has the best state of each."""
    with keep_record(joint.plan, accelerator, folder, checkpoints) as (record, signals):
        judge = _make_judge(joint, training, accelerator, record)
        history = Trainer(
            plan=joint.plan,
            task=joint.collect_tasks(),
            train=joint.join_split("train"),
            validation=joint.join_split("validation"),
            validation_rows=None,
            tokenizers=next(iter(joint.members.values())).prepared.tokenizers,
            accelerator=accelerator,
            settings=_make_settings(joint, training, progress=progress),
            record=record,
            checkpoints=checkpoints,
            signals=signals,
            joint=judge,
        ).fit()
    return history, judge


def _take_out(
    name: str,
    joint: Joint,
    judge: JointJudge,
    history: History,
    accelerator: Accelerator,
    baselines: tuple[Comparand, ...],
) -> Trained:
    """Take a task out of the training as a run of its own, with its best state in a copy of its model."""
    judge.restore_for(name, joint.model, history)
    member, names = joint.members[name], [*joint.members]
    plan = dataclasses.replace(member.plan, model=copy.deepcopy(joint.model.members[names.index(name)]))
    scores = history.scores[name]
    own = dataclasses.replace(history, scores=scores, best=judge.tasks[name].select(scores), state={})
    beside = [other for other in names if other != name]
    return Trained(member.prepared, plan, accelerator, member.sizes, baselines, own, beside)


def _scale_head(member: Member, accelerator: Accelerator, *, progress: bool) -> None:
    """Standardise the inputs of a new head, by the features that the encoder gives before it moves."""
    encoded = member.prepared.encoded
    inputs = PhaseInputs(
        plan=member.plan,
        train=encoded["train"],
        validation=encoded["validation"],
        pad=find_pad(member.prepared),
        accelerator=accelerator,
        cache=None,
        seed=member.prepared.config.training.seed,
        progress=progress,
        signals=(),
    )
    model = member.plan.model.to(accelerator.device)
    inputs.scale_head(model, member.plan.phases[0], TokenInputs(encoded["train"], inputs.pad))


def _make_judge(
    joint: Joint, training: TrainingConfig, accelerator: Accelerator, record: Callable[[dict[str, Any]], None]
) -> JointJudge:
    moving = joint.plan.moving
    judged = {}
    for number, (name, one) in enumerate(joint.members.items()):
        rows, validation = take_judged(one.prepared)
        alone = Judge(one.prepared.task, rows, one.prepared.tokenizers, accelerator, moving, record)
        judged[name] = JudgedTask(alone, joint.model.members[number], TokenInputs(validation, joint.pad))
    last = _make_settings(joint, training, progress=False).last
    return JointJudge(judged, training.keep, moving, record, last=last)


def _make_settings(joint: Joint, training: TrainingConfig, *, progress: bool) -> Settings:
    """Collect the settings; the smallest validation decides whether a best state can be chosen."""
    fewest = min(len(one.prepared.splits.validation) for one in joint.members.values())
    settings = make_settings(training, joint.plan, judged=fewest, progress=progress)
    return dataclasses.replace(settings, graphs=False)  # whose shapes are those of one task
