"""What a run goes on from, and what must not have changed meanwhile."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from nlp_transfer.errors import ConfigError
from nlp_transfer.system.layout import CHECKPOINTS
from nlp_transfer.training.checkpoint_files import TrainingState, find_newest, load_checkpoint

# How a batch is cut, where results go and how often they are saved do not change what is learned.
HARMLESS = (
    "output",
    "training.accumulation",
    "training.checkpoint",
    "training.gradient_checkpointing",
    "training.threads",
    "training.tracker",
)


def find_start(folder: Path, named: Path | None) -> TrainingState | None:
    """Load the checkpoint that was named, or the newest whole one; all processes load the same.

    Raises:
        CheckpointError: the one that was named is damaged.
    """
    state = PartialState()
    found = None
    if state.is_main_process:
        found = load_checkpoint(named) if named else find_newest(folder / CHECKPOINTS)
    path: Path | None = broadcast_object_list([found.path if found else None])[0]
    return load_checkpoint(path) if path and not state.is_main_process else found


def refuse_changes(before: Mapping[str, Any], now: Mapping[str, Any], where: Path) -> None:
    """Refuse to go on with another configuration or other data.

    Raises:
        ConfigError: listing the keys that differ.
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
    return text if len(text) <= 60 else f"{text[:57]}..."


def flatten(values: Any, path: str = "") -> dict[str, Any]:
    """Turn nested sections into dotted keys, as training.epochs -> 3; lists are values."""
    if not isinstance(values, Mapping) or not values:
        return {path: list(values) if isinstance(values, Sequence) and not isinstance(values, str) else values}
    return {
        key: value
        for name, child in values.items()
        for key, value in flatten(child, f"{path}.{name}" if path else str(name)).items()
    }
