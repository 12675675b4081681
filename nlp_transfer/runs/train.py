"""The training of a prepared run: its accelerator, what it may go on from, and the record it leaves."""

import contextlib
import dataclasses
import functools
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, broadcast_object_list, disable_fsdp_ram_efficient_loading

from nlp_transfer.config.training import TrainingConfig
from nlp_transfer.data.report import may_be_same
from nlp_transfer.evaluation.verdicts import format_scores
from nlp_transfer.models.digests import hash_tensors
from nlp_transfer.models.encoding.batches import Encoded
from nlp_transfer.models.saving import describe_environment
from nlp_transfer.runs.prepare import Prepared
from nlp_transfer.runs.resume import refuse_changes
from nlp_transfer.runs.trackers import list_trackers, send
from nlp_transfer.strategies import PATIENCE, Plan
from nlp_transfer.system.caches import find_cache_folder
from nlp_transfer.system.disk import write_whole
from nlp_transfer.system.layout import CHECKPOINTS, HISTORY
from nlp_transfer.system.precision import choose_precision
from nlp_transfer.system.progress import format_duration
from nlp_transfer.system.room import guard_writing
from nlp_transfer.system.stopping import note_signals
from nlp_transfer.training.attempt import Settings
from nlp_transfer.training.checkpoint_files import TrainingState
from nlp_transfer.training.checkpoints import Checkpoints
from nlp_transfer.training.history import History
from nlp_transfer.training.loop import Trainer

log = logging.getLogger(__name__)
PRECISION_KEY = "training.precision (chosen)"
TELLING = 100  # rows of validation; the accuracy of fewer has an error of five points and more


def make_accelerator(
    training: TrainingConfig, folder: Path, start: TrainingState | None, *, several: bool = False
) -> Accelerator:
    """Make the Accelerator of a run. All processes use one number format; a resumed run keeps that of its start.

    Args:
        training: of the configuration.
        folder: of the run.
        start: the checkpoint to resume from.
        several: there are several tasks, and in each step the heads of all but one get no gradients.

    Raises:
        ConfigError: a tracker is not installed.
    """
    wanted = training.precision
    if wanted == "auto" and start is not None:  # another machine might choose another format
        wanted = start.values["identity"]["contents"][PRECISION_KEY].replace("no", "fp32")
    precision = broadcast_object_list([choose_precision(wanted)])[0]  # one for all processes
    mixed = "no" if precision == "fp32" else precision
    if AcceleratorState._shared_state and AcceleratorState().mixed_precision != mixed:
        AcceleratorState._shared_state["_mixed_precision"] = (
            mixed  # accelerate keeps that of an earlier run of this process
        )

    disable_fsdp_ram_efficient_loading()  # every process works on whole models between the phases
    return Accelerator(
        mixed_precision=mixed,
        log_with=list_trackers(training) or None,  # an empty list would be warned of
        project_dir=str(folder),
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)] if several else None,
    )


def open_checkpoints(
    contents: Mapping[str, str],
    training: TrainingConfig,
    plan: Plan,
    accelerator: Accelerator,
    folder: Path,
    start: TrainingState | None,
) -> Checkpoints:
    """Set up the checkpoints of a run, and check that the one to resume from belongs to the same run.

    Args:
        contents: what of the data has to be the same, in words -> its fingerprint.
        training: says when to save.
        plan: names what moves.
        accelerator: of the run.
        folder: of the run.
        start: the checkpoint to resume from.

    Raises:
        ConfigError: the data, the source's weights or the number format differ from those of the start.
    """
    # Checkpoints leave out parameters that never move: those of the source must be the same when the run is resumed.
    # They are listed now, because stored activations will take layers out of the model.
    resting = {name: parameter for name, parameter in plan.model.named_parameters() if name not in plan.moving}

    @functools.cache
    def describe_identity() -> dict[str, dict[str, Any]]:
        return {
            "contents": {
                **contents,
                "source.name (weights)": hash_tensors(resting),
                PRECISION_KEY: accelerator.mixed_precision,
            },
            "about": {"processes": accelerator.num_processes, **describe_environment()["packages"]},
        }

    if start is not None:
        before, now = start.values["identity"], describe_identity()["contents"]
        digests = {key: one for key, one in now.items() if key != PRECISION_KEY}
        same = {key: one for key, one in digests.items() if may_be_same(before["contents"].get(key), one)}
        refuse_changes({**before["contents"], **same}, now, folder)
        if before["about"] != describe_identity()["about"] and accelerator.is_main_process:
            log.warning("resumed with other versions or processes: the result may differ in its last digits")

    last = start.path if start else None
    return Checkpoints(folder / CHECKPOINTS, describe_identity, **dict(training.checkpoint), start=start, last=last)


def train(
    prepared: Prepared,
    plan: Plan,
    accelerator: Accelerator,
    folder: Path,
    checkpoints: Checkpoints,
    *,
    watch: Callable[[Mapping[str, float]], None] | None = None,
    progress: bool,
) -> History:
    """Run the phases of a plan; write each epoch to history.jsonl, log it and send it to the tracker.

    `watch` is given the scores of each look at validation, and may end the training by an error.
    """
    rows, validation = take_judged(prepared)
    settings = make_settings(prepared.config.training, plan, judged=len(rows), progress=progress)
    with keep_record(plan, accelerator, folder, checkpoints) as (record, signals):

        def tell(facts: dict[str, Any]) -> None:
            record(facts)
            if watch:
                watch(facts["validation"])

        trainer = Trainer(
            plan=plan,
            task=prepared.task,
            train=prepared.encoded["train"],
            validation=validation,
            validation_rows=rows,
            tokenizers=prepared.tokenizers,
            accelerator=accelerator,
            settings=dataclasses.replace(settings, learn_all=_learns_all(prepared)),
            record=tell,
            checkpoints=checkpoints,
            signals=signals,
            unlabelled=prepared.unlabelled,
        )
        return trainer.fit()


def _learns_all(prepared: Prepared) -> bool:
    """Tell whether a solved head learns from validation too, in the end: its rows are few, and were cut from train.

    Not if the task needs them afterwards, nor if `data.limit` says how many rows are to be learned from.
    """
    rows, own = prepared.splits.validation, prepared.splits.report.splits["validation"].cut
    return own and len(rows) < TELLING and prepared.config.data.limit is None and not prepared.task.undecided


def take_judged(prepared: Prepared) -> tuple[Any, Encoded]:
    """Take the rows of validation that judge an epoch, and their inputs.

    A task that is slow to judge, such as one that writes text, is judged on a sample.
    """
    rows, validation = prepared.splits.validation, prepared.encoded["validation"]
    if prepared.task.sample and len(rows) > prepared.task.sample:
        rows = rows.select(np.random.default_rng(0).permutation(len(rows))[: prepared.task.sample])
        validation = prepared.task.encode(rows, prepared.tokenizers)
    return rows, validation


@contextlib.contextmanager
def keep_record(
    plan: Plan, accelerator: Accelerator, folder: Path, checkpoints: Checkpoints
) -> Iterator[tuple[Callable[[dict[str, Any]], None], Sequence[int]]]:
    """Yield what records an epoch while the body trains, and the signals that have come so far."""
    if accelerator.is_main_process:  # an earlier attempt may have got further than its last checkpoint
        known = checkpoints.start.values["history"]["epochs"] if checkpoints.start else []
        write_whole(folder / HISTORY, "".join(json.dumps(one) + "\n" for one in known))
    with note_signals() as signals:
        yield functools.partial(_record_epoch, plan, accelerator, folder / HISTORY), signals


def make_settings(training: TrainingConfig, plan: Plan, *, judged: int, progress: bool) -> Settings:
    """Collect the settings; with `epochs: auto` validation says when to stop, if it has rows enough to tell."""
    auto, few = training.epochs == "auto" and plan.takes_steps, judged < TELLING
    if auto and few:
        log.info("the last state is kept: %d validation rows are too few to choose by (%d)", judged, TELLING)
    return Settings(
        batch_size=training.batch_size,
        accumulation=None if training.accumulation == "auto" else training.accumulation,
        weight_decay=training.weight_decay,
        clip=training.clip,
        patience=training.patience or (PATIENCE if auto and not few else None),
        label_smoothing=training.label_smoothing,
        seed=training.seed,
        cache=find_cache_folder(),
        progress=progress,
        graphs=training.graphs == "auto",
        sampling=training.sampling,
        last=auto and few,
    )


def _record_epoch(plan: Plan, accelerator: Accelerator, path: Path, facts: dict[str, Any]) -> None:
    """Write, log and track the facts of an epoch, and estimate how long the rest of its phase will take."""
    if not accelerator.is_main_process:
        return
    line = json.dumps(facts) + "\n"
    with guard_writing(path, len(line)), path.open("a", encoding="utf-8") as file:
        file.write(line)

    shown = {**{k: facts[k] for k in ("loss",) if k in facts}, **facts["validation"]}
    phase = next(phase for phase in plan.phases if phase.name == facts["phase"])
    left = (phase.epochs - facts["epoch"]) / phase.judged * facts["seconds"]
    outlook = f"; about {format_duration(left)} to go in this phase" if left else ""
    log.info("%s epoch %s: %s%s", facts["phase"], facts["epoch"], format_scores(shown), outlook)
    losses = {f"train/{name}": value for name, value in facts.items() if name.endswith("loss")}
    send(accelerator, {**losses, **{f"validation/{k}": v for k, v in facts["validation"].items()}}, step=facts["step"])
