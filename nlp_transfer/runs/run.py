"""Run in a folder: train one model as configured, or one for each seed. Begin anew, resume, or find all done."""

import contextlib
import dataclasses
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from accelerate.state import PartialState
from accelerate.utils import broadcast_object_list

from nlp_transfer.config.load import load_config, load_saved, read_task_name, render
from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.yaml_file import read_yaml
from nlp_transfer.data.given import take_splits
from nlp_transfer.errors import ConfigError, DiskError, ExhaustedError, LostError, StoppedError, TrainingError
from nlp_transfer.runs.combine import combine, read_finished
from nlp_transfer.runs.folder import WAY_OUT, find_place, has_begun, make_folder
from nlp_transfer.runs.measure import SimpleMethods
from nlp_transfer.runs.one_run import run_one
from nlp_transfer.runs.prepare import keep_decided
from nlp_transfer.runs.result import RunResult
from nlp_transfer.runs.resume import flatten, refuse_changes
from nlp_transfer.system.alone import claim_process
from nlp_transfer.system.disk import write_whole
from nlp_transfer.system.layout import FINISHED
from nlp_transfer.system.memory import WAYS_OUT, is_out_of_memory
from nlp_transfer.system.processes import gather_everywhere, is_lost_process, join_processes
from nlp_transfer.system.progress import Series
from nlp_transfer.system.received import HeldRows, refuse_no_path
from nlp_transfer.system.room import guard_writing
from nlp_transfer.training.sharded import check_launch

log = logging.getLogger(__name__)
PEER_PATIENCE = timedelta(minutes=10)  # how long a process waits for another that does not answer
BEGUN_WITH = ("config.yaml",)  # the files that show that an earlier attempt has begun to train


def run(
    config: RunConfig | Mapping[str, Any] | str | Path,
    overrides: Sequence[str] = (),
    *,
    data: Any = None,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    progress: bool = True,
) -> RunResult:
    """Train one model as configured, or one per seed.

    Args:
        config: a file, the name of a shipped configuration, a mapping, or a checked configuration.
        overrides: dotted KEY=VALUE pairs.
        data: split -> rows in memory, or a place to read them from, instead of those that the configuration names; or
            rows of train alone. Rows are a frame of pandas or polars, an Arrow table, a data set of Hugging Face, a
            list of mappings column -> cell, or a mapping column -> cells. A `DatasetDict` is taken whole.
        output: the run folder; by default `output` of the configuration, else the first free runs/NAME.
        resume: go on with an unfinished run: `auto` with the one in `output`, if there is one; or a run folder, or one
            of its checkpoints.
        progress: show bars.

    Raises:
        StoppedError: a signal ended the training; a checkpoint was written.
        ConfigError: another training is at work in this process.
        TransferError: a subclass says what is wrong, where, and the way out. A folder without metrics.json is that of
            an unfinished run.
    """
    refuse_no_path(output, "output", optional=True)
    refuse_no_path(resume, "resume", optional=True)
    checked = load_config(config, overrides, take_splits(data))
    series = Series(len(checked.each_seed()), progress=progress)

    whole = "a run of several seeds" if checked.training.seeds else ""
    wanted, named = find_place(resume, output or checked.output, whole=whole)

    name = Path(config).stem if isinstance(config, str | Path) else f"{checked.task.name}-{checked.strategy.kind}"
    left = BEGUN_WITH if resume is not None else ()
    with claim_process(), hold_folder(wanted, name, left=left) as folder, advise(folder, again=resume == "auto"):
        return run_in(folder, checked, series, named, simple=SimpleMethods(), progress=progress)


def run_in(
    folder: Path,
    config: RunConfig,
    series: Series,
    named: Path | None = None,
    *,
    simple: SimpleMethods,
    progress: bool,
) -> RunResult:
    """Run in a folder that this process holds, as one run of a series.

    A finished run in the folder is not repeated: its result is read and returned.

    Args:
        folder: of the run, see `hold_folder`.
        config: what to run.
        series: counts the runs of a command and shows how many are left.
        named: the checkpoint to resume from; None for the newest one, if there is one.
        simple: measures the simple methods, for all runs of a command.
        progress: show bars.

    Raises:
        ExhaustedError: there is not enough memory.
        LostError: another process has ended.
        TransferError: as `run`.
    """
    _refuse_unlike_rows(config)
    config = complete(folder, config)

    if (folder / FINISHED).exists():
        before = read_finished(config, folder)
        series.skip(len(config.each_seed()))
        said = f"{folder} holds a finished run; there is nothing to resume\n{before.summary}"
        return dataclasses.replace(before, summary=said)

    with name_causes(), use_threads(config.training.threads):
        if config.training.seeds:
            return combine(config, folder, _run_seeds(config, folder, series, simple=simple, progress=progress))
        with series.run(folder.name):
            return run_one(config, folder, series, named, simple=simple, progress=progress)


@contextlib.contextmanager
def name_causes() -> Iterator[None]:
    """Name the cause of a fault of torch: too little memory, or another process that has ended.

    Raises:
        ExhaustedError: there is not enough memory.
        LostError: another process has ended.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise ExhaustedError(f"out of memory; try {WAYS_OUT}") from error
        if is_lost_process(error):
            raise LostError("another process has ended, or cannot be reached") from error
        raise


def complete(folder: Path, config: RunConfig) -> RunConfig:
    """Complete a configuration with the values that an earlier attempt in the folder has found out from the data.

    For example, `task.head: auto` becomes the head that the earlier attempt has chosen.

    Raises:
        ConfigError: the folder was begun with another configuration; the message lists the keys that differ.
    """
    path = folder / "config.yaml"
    if not path.exists():
        return config

    # The task's name is compared first: the class of another task may not be importable here.
    name = read_task_name(read_yaml(path))
    if name != config.task.name:
        refuse_changes({"task.name": name}, {"task.name": config.task.name}, folder)

    task = config.task_class
    started = load_saved(folder, task)
    decided = keep_decided(config, started, (*task.settled, *task.calibrated))
    refuse_changes(_flatten_config(started), _flatten_config(decided), folder)
    # Unless the run is finished, validation decides again: epochs must be judged as they were before.
    return decided if (folder / FINISHED).exists() else keep_decided(config, started, task.settled)


def _refuse_unlike_rows(config: RunConfig) -> None:
    """Refuse rows in memory that are not the same in all processes. Every process must call this.

    Raises:
        ConfigError: saying what this process and the others hold.
    """
    held = "; ".join(str(place) for place in config.data.places if isinstance(place, HeldRows))
    if len(unlike := sorted(set(gather_everywhere(held)))) > 1:
        raise ConfigError(f"the processes hold different rows: {' | '.join(unlike)}; give the same to each")


@contextlib.contextmanager
def use_threads(count: int | None) -> Iterator[None]:
    """Let torch use `count` threads on the CPU for a while; None leaves the number as it is."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _flatten_config(config: RunConfig) -> dict[str, Any]:
    return flatten(config.model_dump(mode="json"))


@contextlib.contextmanager
def advise(folder: Path, *, again: bool = False, flag: str = "--resume") -> Iterator[None]:
    """Add to the error of a stopped run, or of one that filled the disk after it began, how to resume it.

    An interruption between two trainings ends the process; there the advice goes to the log.

    Args:
        folder: of the run.
        again: the same command goes on by itself.
        flag: names the folder to go on in.
    """
    way = "go on with the same command" + ("" if again else f" and {flag} {folder}")
    try:
        with guard_writing(folder, full=True):  # other libraries write into the folder too
            yield
    except (SystemExit, KeyboardInterrupt):
        if has_begun(folder):
            log.warning(way)
        raise
    except (StoppedError, LostError, DiskError) as ended:
        if not isinstance(ended, DiskError) or has_begun(folder):
            ended.args = (f"{ended}; {way}",)
        raise


@contextlib.contextmanager
def hold_folder(
    wanted: str | Path | None, name: str, *, left: Collection[str] = (), way: str = WAY_OUT
) -> Iterator[Path]:
    """Make the run folder. The main process holds its lock, and tells the others where it is; see `make_folder`.

    Raises:
        TrainingError: the main process could not make it; its own error says why.
    """
    check_launch()
    join_processes(PEER_PATIENCE)
    state = PartialState()

    with make_folder(wanted, name, left=left, way=way) if state.is_main_process else contextlib.nullcontext() as made:
        folder: Path | None = broadcast_object_list([made])[0]
        if folder is None:
            raise TrainingError("the main process did not say where the run folder is")
        yield folder


def _run_seeds(
    config: RunConfig, folder: Path, series: Series, *, simple: SimpleMethods, progress: bool
) -> list[RunResult]:
    """Run each seed in a subfolder; read the results of seeds that an earlier attempt has finished."""
    if PartialState().is_main_process:
        write_whole(folder / "config.yaml", render(config))

    results = []
    for planned in config.each_seed():
        part = folder / f"seed-{planned.training.seed}"
        part.mkdir(exist_ok=True)
        one = complete(part, planned)

        if (part / FINISHED).exists():
            series.skip(1)
            results.append(read_finished(one, part))
        else:
            with series.run(f"{folder.name}, seed {one.training.seed}"):
                results.append(run_one(one, part, series, simple=simple, progress=progress))
    return results
