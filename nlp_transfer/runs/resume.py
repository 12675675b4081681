"""Find the checkpoint to resume from, and refuse to resume after changes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from nlp_transfer.errors import ConfigError
from nlp_transfer.system.layout import CHECKPOINTS
from nlp_transfer.training.checkpoint_files import TrainingState, find_newest, load_checkpoint

# These keys may change: they do not affect what is learned, only where it is written, how often it is saved, and so on.
HARMLESS = (
    "output",
    "training.accumulation",
    "training.checkpoint",
    "training.gradient_checkpointing",
    "training.graphs",
    "training.threads",
    "training.tracker",
)


def find_start(folder: Path, named: Path | None) -> TrainingState | None:
    """Load the checkpoint that was named, or the newest whole one. All processes load the same one.

    Raises:
        CheckpointError: the checkpoint that was named is damaged.
    """
    state = PartialState()
    found = None
    if state.is_main_process:
        found = load_checkpoint(named) if named else find_newest(folder / CHECKPOINTS)
    path: Path | None = broadcast_object_list([found.path if found else None])[0]
    return load_checkpoint(path) if path and not state.is_main_process else found


def refuse_changes(before: Mapping[str, Any], now: Mapping[str, Any], where: Path) -> None:
    """Refuse to resume with another configuration or other data.

    Raises:
        ConfigError: the message lists the keys that differ.
    """
    changed = [
        f"{key}: {_shorten(before.get(key))} before, {_shorten(now.get(key))} now"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and not key.startswith(HARMLESS)
    ]

    if changed:
        listed = "\n  ".join(changed)
        raise ConfigError(
            f"{where} was trained otherwise; resume with what it was, or choose another --output\n  {listed}"
        )


def _shorten(value: Any) -> str:
    text = "unset" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:28]}...{text[-29:]}"  # the end tells rows in memory apart


def flatten(values: Any, path: str = "") -> dict[str, Any]:
    """Turn nested sections into dotted keys, such as `training.epochs` -> 3. Lists are values."""
    if not isinstance(values, Mapping) or not values:
        return {path: list(values) if isinstance(values, Sequence) and not isinstance(values, str) else values}
    return {
        key: value
        for name, child in values.items()
        for key, value in flatten(child, f"{path}.{name}" if path else str(name)).items()
    }
