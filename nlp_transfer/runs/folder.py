"""Choose and make the run folder, and let only one run at a time use it."""

import contextlib
import fcntl
import itertools
import json
import logging
import os
import platform
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from nlp_transfer.errors import ConfigError, DiskError, LostError, StoppedError
from nlp_transfer.system.disk import expand_home
from nlp_transfer.system.layout import CHECKPOINTS, COMPARISON, CURVE, FINISHED, LOCK, RANKING, SEARCH, SHIFT, TASKS
from nlp_transfer.system.room import is_full, make_full_error

log = logging.getLogger(__name__)
WAY_OUT = "choose another with --output"
BEFORE_TRAINING = ("config.yaml", "environment.json")  # what a run writes before it trains
SIZE = "rows-"  # begins the name of a folder with runs on so many rows of train


def find_place(
    resume: str | Path | None, output: str | Path | None, *, whole: str = ""
) -> tuple[str | Path | None, Path | None]:
    """Find the folder to work in, and the checkpoint to resume from; None stands for the newest one.

    Args:
        resume: None to begin, `auto`, a run folder, the one of its checkpoints, or one of these.
        output: the folder that `--output` or the configuration names.
        whole: what cannot resume from one of its checkpoints, for the message; empty where it can.

    Raises:
        ConfigError: no folder to resume in is named, or `output` is another one; or a checkpoint is named of what goes
            on as a whole.
    """
    if resume is None:
        return output, None
    if resume == "auto":
        if output is None:
            raise ConfigError("--resume auto: which run? name its folder with --output, or write --resume FOLDER")
        return expand_home(output), None

    path = expand_home(resume)
    if not path.is_dir():
        raise ConfigError(f"--resume {path}: no such run folder or checkpoint")
    if path.absolute().name == CHECKPOINTS:
        path = path.parent

    named = path.absolute().parent.name == CHECKPOINTS
    folder = path.parent.parent if named else path
    if output is not None and expand_home(output).resolve() != folder.resolve():
        raise ConfigError(f"--resume {path} goes on in {folder}, but --output says {output}; leave one out")
    if named and whole:
        raise ConfigError(f"--resume {path}: {whole} goes on as a whole; name its folder")
    return folder, path if named else None


def warn_of_outputs(named: Iterable[str | None], output: str | Path | None, whole: str) -> None:
    """Say that what configurations name as `output` is not used where several runs go to a folder together.

    Args:
        named: the `output` of each.
        output: the folder that was named for all of them; then nothing is to be said.
        whole: what is written, as `a comparison`.
    """
    if output is None and (unused := list(dict.fromkeys(filter(None, named)))):
        log.warning(
            "output: %s is the place of a run of its own, and not used here; --output names the folder of %s",
            ", ".join(unused),
            whole,
        )


@contextlib.contextmanager
def make_folder(
    wanted: str | Path | None, name: str, *, left: Collection[str] = (), way: str = WAY_OUT
) -> Iterator[Path]:
    """Make the run folder before anything expensive happens, and keep other runs out of it.

    Args:
        wanted: the user's choice; None takes the first free runs/NAME, runs/NAME-2, ...
        name: of the configuration.
        left: file names; a folder that holds one of them may be resumed. Empty where nothing is to be resumed.
        way: how to name another folder, for messages.

    Raises:
        ConfigError: the place is a file, cannot be written, is in use, or holds something already.
        DiskError: there is no room.
    """
    with contextlib.ExitStack() as stack:
        try:
            folder = _make_first_free(name) if wanted is None else expand_home(wanted)
            if wanted is None or not folder.exists():
                stack.callback(_remove_empty, folder)

            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(hold_lock(folder, way))
        except OSError as error:
            place = expand_home(wanted or "runs")
            if is_full(error):
                raise make_full_error(error, place, way=f"make room, or {way}") from None
            raise ConfigError(f"output folder {place} cannot be written: {error.strerror}; {way}") from None

        _refuse_contents(folder, left, way)
        with contextlib.nullcontext() if has_begun(folder) else _tidy_after_failure(folder):
            yield folder


@contextlib.contextmanager
def _tidy_after_failure(folder: Path) -> Iterator[None]:
    """Empty a folder, which was empty before, if the body fails before it has trained anything.

    What goes on later keeps its folder: a run that was stopped, or that has filled the disk.
    """
    try:
        yield
    except (StoppedError, LostError, DiskError):
        raise
    except Exception:
        held = [path for path in folder.rglob("*") if path != folder / LOCK]
        if all(path.is_dir() or path.name in BEFORE_TRAINING or not path.stat().st_size for path in held):
            for path in reversed(held):  # what is in a folder comes after it
                path.rmdir() if path.is_dir() else path.unlink()
        raise


def has_begun(folder: Path) -> bool:
    """Tell whether a run or a comparison has left something in its folder."""
    return any(path.name != LOCK for path in folder.glob("*"))


def _remove_empty(folder: Path) -> None:
    """Remove the folder of a run that was refused before it wrote anything."""
    with contextlib.suppress(OSError):
        folder.rmdir()


def _make_first_free(name: str) -> Path:
    """Make the first runs/NAME, runs/NAME-2, ... that is free; two runs that start together get different ones."""
    Path("runs").mkdir(exist_ok=True)
    for count in itertools.count(1):
        folder = Path("runs", name if count == 1 else f"{name}-{count}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
            return folder
    raise AssertionError  # the numbers do not end


def _refuse_contents(folder: Path, left: Collection[str], way: str) -> None:
    held = {path.name for path in folder.iterdir()} - {LOCK}
    if not held or not held.isdisjoint(left):
        return

    what, way_out = "files already", way
    if FINISHED in held:
        what = "a finished run"
    elif TASKS in held:
        what = "several finished tasks"
    elif RANKING in held:
        what, way_out = "a finished ranking", f"add sources to it by --resume {folder}, or {way_out}"
    elif SHIFT in held:
        what = "the figures of a shift"
    elif SEARCH in held:
        what = "a finished search"
    elif CURVE in held or any(name.startswith(SIZE) for name in held):
        what, way_out = "a learning curve", f"go on with it, also with more sizes, by --resume {folder}, or {way_out}"
    elif "config.yaml" in held:
        what, way_out = "an unfinished run", f"go on with --resume {folder}, or {way_out}"
    elif COMPARISON in held:
        what = "a finished comparison"
    elif any((folder / name / "config.yaml").is_file() for name in held):
        what, way_out = "runs", f"name a new folder in it, or go on with a comparison by --resume {folder}"
    elif CHECKPOINTS in held:
        what = "checkpoints of a run, but not its config.yaml"
        way_out = f"put that back to go on with --resume {folder}, or {way_out}"
    raise ConfigError(f"output folder {folder} holds {what}; {way_out}")


@contextlib.contextmanager
def hold_lock(folder: Path, way: str = WAY_OUT) -> Iterator[None]:
    """Keep other runs out of a folder. If this process dies, the system frees the lock; `way` as in `make_folder`.

    Raises:
        ConfigError: another run is at work in the folder; the message names its process and host.
    """
    path = folder / LOCK
    with path.open("ab+", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise ConfigError(
                f"output folder {folder} is in use by {_name_holder(file.read())}; wait for it, or {way}"
            ) from None

        # The run that held the lock may have ended and removed the file meanwhile: then this lock is on no file.
        if not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino:
            raise ConfigError(f"output folder {folder} was in use until now; try again")

        file.truncate(0)
        try:
            file.write(json.dumps({"pid": os.getpid(), "host": platform.node()}).encode())
            yield
        finally:
            path.unlink(missing_ok=True)


def _name_holder(text: bytes) -> str:
    try:
        holder = json.loads(text)
        return f"process {holder['pid']} on {holder['host']}"
    except (ValueError, KeyError, TypeError):
        return "another process"  # it has locked the file, but not yet written its name
