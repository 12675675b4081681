"""The training of a prepared run: its accelerator, what it may go on from, and the record it leaves."""

import contextlib
import functools
import importlib.util
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import broadcast_object_list, disable_fsdp_ram_efficient_loading

from nlp_transfer.config.sections import RunConfig, TrainingConfig
from nlp_transfer.errors import ConfigError
from nlp_transfer.evaluation.verdicts import format_scores
from nlp_transfer.models.digests import digest_tensors
from nlp_transfer.models.saving import describe_environment
from nlp_transfer.runs.prepare import Prepared
from nlp_transfer.runs.resume import refuse_changes
from nlp_transfer.strategies import Plan
from nlp_transfer.system.caches import find_cache_folder
from nlp_transfer.system.disk import write_whole
from nlp_transfer.system.layout import CHECKPOINTS
from nlp_transfer.system.precision import choose_precision
from nlp_transfer.system.progress import format_duration
from nlp_transfer.system.room import guard_writing
from nlp_transfer.system.stopping import note_signals
from nlp_transfer.training.checkpoint_files import TrainingState
from nlp_transfer.training.checkpoints import Checkpoints
from nlp_transfer.training.history import History
from nlp_transfer.training.loop import Settings, Trainer

log = logging.getLogger(__name__)
CHOSEN = "training.precision (chosen)"
HISTORY = "history.jsonl"


def make_accelerator(config: RunConfig, folder: Path, start: TrainingState | None) -> Accelerator:
    """Make an Accelerator with one number format for all processes, that of the start, and the trackers asked for.

    Raises:
        ConfigError: the tracker is not installed.
    """
    wanted = config.training.precision
    if wanted == "auto" and start is not None:  # another machine would perhaps choose another
        wanted = start.values["identity"]["contents"][CHOSEN].replace("no", "fp32")
    precision = broadcast_object_list([choose_precision(wanted)])[0]  # one for all processes
    mixed = "no" if precision == "fp32" else precision
    if AcceleratorState._shared_state and AcceleratorState().mixed_precision != mixed:
        AcceleratorState._shared_state["_mixed_precision"] = mixed  # an earlier run of this process chose another

    disable_fsdp_ram_efficient_loading()  # every process works on whole models between the phases
    tracker = config.training.tracker
    if tracker != "none" and importlib.util.find_spec(tracker) is None:
        raise ConfigError(f"training.tracker: {tracker} is not installed; pip install {tracker}")
    return Accelerator(mixed_precision=mixed, log_with=None if tracker == "none" else tracker, project_dir=str(folder))


def open_checkpoints(
    prepared: Prepared, plan: Plan, accelerator: Accelerator, folder: Path, start: TrainingState | None
) -> Checkpoints:
    """Say where the run is saved, and what it goes on from, if that is still the same run.

    Raises:
        ConfigError: the data, the weights or the number format are others.
    """
    # Checkpoints leave out what never moves, so it must come again. Now, because a replay takes parts out of the model.
    resting = {name: parameter for name, parameter in plan.model.named_parameters() if name not in plan.moving}

    @functools.cache
    def identity() -> dict[str, dict[str, Any]]:
        splits = prepared.splits.report.splits
        return {
            "contents": {
                **{f"data.{name} (contents)": split.fingerprint for name, split in splits.items()},
                "source.name (weights)": digest_tensors(resting),
                CHOSEN: accelerator.mixed_precision,
            },
            "about": {"processes": accelerator.num_processes, **describe_environment()["packages"]},
        }

    if start is not None:
        before = start.values["identity"]
        refuse_changes(before["contents"], identity()["contents"], folder)
        if before["about"] != identity()["about"] and accelerator.is_main_process:
            log.warning("resumed with other versions or processes: the result may differ in its last digits")
    settings = prepared.config.training.checkpoint
    last = start.path if start else None
    return Checkpoints(folder / CHECKPOINTS, identity, **dict(settings), start=start, last=last)


def train(
    prepared: Prepared,
    plan: Plan,
    accelerator: Accelerator,
    folder: Path,
    checkpoints: Checkpoints,
    *,
    progress: bool,
) -> History:
    """Run the phases; every epoch is written to history.jsonl, logged and tracked."""
    if accelerator.is_main_process:  # an earlier attempt may have got further than its last checkpoint
        known = checkpoints.start.values["history"]["epochs"] if checkpoints.start else []
        write_whole(folder / HISTORY, "".join(json.dumps(one) + "\n" for one in known))
    rows, validation = prepared.splits.validation, prepared.encoded["validation"]
    if prepared.task.sample and len(rows) > prepared.task.sample:
        rows = rows.shuffle(seed=0).select(range(prepared.task.sample))
        validation = prepared.task.encode(rows, prepared.tokenizers)

    with open_trackers(accelerator), note_signals() as signals:
        trainer = Trainer(
            plan=plan,
            task=prepared.task,
            train=prepared.encoded["train"],
            validation=validation,
            validation_rows=rows,
            tokenizers=prepared.tokenizers,
            accelerator=accelerator,
            settings=_make_settings(prepared.config.training, progress=progress),
            record=functools.partial(_record, plan, accelerator, folder / HISTORY),
            checkpoints=checkpoints,
            signals=signals,
        )
        return trainer.fit()


def _make_settings(training: TrainingConfig, *, progress: bool) -> Settings:
    return Settings(
        batch_size=training.batch_size,
        accumulation=training.accumulation,
        weight_decay=training.weight_decay,
        clip=training.clip,
        patience=training.patience,
        label_smoothing=training.label_smoothing,
        seed=training.seed,
        cache=find_cache_folder(),
        progress=progress,
    )


def _record(plan: Plan, accelerator: Accelerator, path: Path, facts: dict[str, Any]) -> None:
    """Write, log and track what an epoch has brought, and say how long the rest of its phase may take."""
    if not accelerator.is_main_process:
        return
    line = json.dumps(facts) + "\n"
    with guard_writing(path, len(line)), path.open("a", encoding="utf-8") as file:
        file.write(line)
    shown = {**{k: facts[k] for k in ("loss",) if k in facts}, **facts["validation"]}
    epochs = next(phase.epochs for phase in plan.phases if phase.name == facts["phase"])
    left = (epochs - facts["epoch"]) * facts["seconds"]
    outlook = f"; about {format_duration(left)} to go in this phase" if left else ""
    log.info("%s epoch %s: %s%s", facts["phase"], facts["epoch"], format_scores(shown), outlook)
    accelerator.log({f"validation/{k}": v for k, v in facts["validation"].items()}, step=facts["step"])


@contextlib.contextmanager
def open_trackers(accelerator: Accelerator) -> Iterator[None]:
    """Keep the trackers asked for open, and close them also when the training fails or is stopped."""
    if accelerator.log_with:
        accelerator.init_trackers("nlp-transfer")
    try:
        yield
    finally:
        for tracker in accelerator.trackers:  # end_training would also part the processes, who have more to do
            tracker.finish()
