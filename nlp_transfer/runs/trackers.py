"""Send scores to trackers too, through Accelerate: each writes below the run folder, and to nowhere else."""

import contextlib
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import GeneralTracker

from nlp_transfer.config.base import Section
from nlp_transfer.config.training import TrainingConfig
from nlp_transfer.errors import ConfigError, explain_missing
from nlp_transfer.runs.resume import flatten

log = logging.getLogger(__name__)
PROJECT = "nlp-transfer"


def list_trackers(training: TrainingConfig) -> list[str]:
    """List the trackers of a configuration.

    Raises:
        ConfigError: one is not installed.
    """
    given = training.tracker
    names = [one for one in ([given] if isinstance(given, str) else given) if one != "none"]
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise ConfigError(f"training.tracker: {explain_missing(name)}")
    return list(dict.fromkeys(names))


@contextlib.contextmanager
def open_trackers(accelerator: Accelerator, config: Section, folder: Path) -> Iterator[None]:
    """Open the trackers of an accelerator, tell them the configuration, and close them even if the body fails.

    Only the main process writes. What they say on standard output goes to the error stream. One that fails as it is
    closed is warned of.

    Raises:
        ConfigError: one does not start.
    """
    names = [str(one) for one in accelerator.log_with]
    if not names or not accelerator.is_main_process:
        yield
        return

    place = folder.absolute()
    values = {key: _simplify(one) for key, one in flatten(config.model_dump(mode="json")).items()}
    if "trackio" in names:
        _forget_trackio()
    before = _find_mlflow(names)  # while the environment is still the user's
    with _set_environment(_list_variables(place)), _point_mlflow(before, place):
        try:
            with contextlib.redirect_stdout(sys.stderr):
                accelerator.init_trackers(PROJECT, init_kwargs=_list_settings(place, values))
                for tracker in accelerator.trackers:
                    if tracker.name in ("tensorboard", "mlflow"):
                        tracker.store_init_configuration(values)
        except Exception as error:  # whatever a library of other people's does
            raise ConfigError(f"training.tracker: {', '.join(names)} does not start: {error}") from error
        try:
            yield
        finally:
            with contextlib.redirect_stdout(sys.stderr):
                for tracker in accelerator.trackers:  # not end_training, which would also end the group of processes
                    with _warn(tracker):
                        _close(tracker)


def send(accelerator: Accelerator, values: Mapping[str, Any], *, step: int) -> None:
    """Send scores to the open trackers; one that fails is warned of each time, for no tracker is worth a run."""
    for tracker in accelerator.trackers:
        with _warn(tracker):
            tracker.log(values, step=step)


@contextlib.contextmanager
def _warn(tracker: GeneralTracker) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever a library of other people's does
        log.warning("training.tracker: %s has failed: %s", tracker.name, " ".join(str(error).split()))


def _list_settings(place: Path, values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """List what each tracker is opened with.

    Two are given the configuration here: Accelerate's way of telling Trackio puts a key of its own into it.
    """
    return {
        "trackio": {"name": place.name, "config": dict(values), "embed": False},
        "wandb": {"name": place.name, "config": dict(values), "dir": str(place), "mode": "offline"},
        "mlflow": {"run_name": place.name, "logging_dir": str(place / "mlruns")},
    }


def _list_variables(place: Path) -> dict[str, str | None]:
    """List the variables that keep trackers in the folder and off the network; None: it must not be set."""
    below = place / "wandb"
    return {
        "TRACKIO_DIR": str(place / "trackio"),
        # Trackio sends everything to the place that one of these names; even an empty name would count.
        **dict.fromkeys(f"TRACKIO_{one}" for one in ("SPACE_ID", "SERVER_URL", "BUCKET_ID", "DATASET_ID")),
        "MLFLOW_RUN_ID": None,  # of a run that this file does not have
        "MLFLOW_TRACKING_URI": _locate_mlflow(place),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "WANDB_MODE": "offline",  # told to `init` alone, it asks its server before it reads that
        "WANDB_DIR": str(place),
        **{f"WANDB_{one.upper()}_DIR": str(below / one) for one in ("cache", "config", "data", "artifact")},
        **dict.fromkeys(("WANDB_SILENT", "WANDB_DISABLE_GIT", "WANDB_DISABLE_CODE"), "true"),
        "WANDB_CONSOLE": "off",
    }


def _find_mlflow(names: Sequence[str]) -> str | None:
    """Find where MLflow writes in this process; None if it is not asked for, or was not imported before."""
    mlflow = sys.modules.get("mlflow") if "mlflow" in names else None
    return mlflow.get_tracking_uri() if mlflow else None


@contextlib.contextmanager
def _point_mlflow(before: str | None, place: Path) -> Iterator[None]:
    """Point MLflow below the run where the process may have told it of another place: that counts above variables."""
    if before is None:
        yield
        return
    mlflow = sys.modules["mlflow"]
    mlflow.set_tracking_uri(_locate_mlflow(place))
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


def _locate_mlflow(place: Path) -> str:
    return f"sqlite:///{place / 'mlflow.db'}"


@contextlib.contextmanager
def _set_environment(variables: Mapping[str, str | None]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    _put_environment(variables)
    try:
        yield
    finally:
        _put_environment(before)


def _put_environment(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _close(tracker: GeneralTracker) -> None:
    if tracker.name != "trackio":
        tracker.finish()
        return
    sys.modules["trackio"].finish()  # else it would be closed once more at exit, and say so on standard output
    _forget_trackio()


def _forget_trackio() -> None:
    """Let the next run import Trackio anew, for it reads where its folder is once, when it is imported."""
    for name in [one for one in sys.modules if one.partition(".")[0] == "trackio"]:
        del sys.modules[name]


def _simplify(value: Any) -> Any:
    """Write what is no plain value as text."""
    return value if isinstance(value, str | int | float) else str(value)
