"""What a checkpoint of a training holds: weights, moments, random numbers, position; and what must not have changed."""

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn

from nlp_transfer.errors import ConfigError, TrainingError
from nlp_transfer.system.layout import CHECKPOINTS
from nlp_transfer.training.checkpoint_files import Checkpoint, load_checkpoint, newest_checkpoint, save_checkpoint
from nlp_transfer.training.sharded import gather, place_like

log = logging.getLogger(__name__)
WORTH = 60.0  # seconds of training
# How a batch is cut, where results go and how often they are saved do not change what is learned.
HARMLESS = (
    "output",
    "training.accumulation",
    "training.checkpoint",
    "training.gradient_checkpointing",
    "training.threads",
    "training.tracker",
)


@dataclass
class Checkpoints:
    """When and where a training is saved, and what it starts from.

    Attributes:
        folder: of all checkpoints of the run.
        identity: gives data, weights and versions, as plain values; asked when first needed.
        steps: optimizer steps between two checkpoints; None: not counted.
        minutes: the same in time.
        keep_last: how many stay.
        start: what to resume from.
        last: the newest one of this training.
    """

    folder: Path
    identity: Callable[[], Mapping[str, Any]]
    steps: int | None = None
    minutes: float | None = None
    keep_last: int = 2
    start: Checkpoint | None = None
    last: Path | None = None
    _saved: float = field(default_factory=time.monotonic)

    def due(self, step: int) -> bool:
        """Tell whether to save after this optimizer step of the run."""
        late = self.minutes is not None and time.monotonic() - self._saved >= 60 * self.minutes
        return late or (self.steps is not None and step % self.steps == 0)

    def worth(self) -> bool:
        """Tell whether more has been trained since the last one than should be lost to what follows a training."""
        return (self.minutes or self.steps) is not None and time.monotonic() - self._saved >= WORTH

    def save(self, step: int, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Write one; see `save_checkpoint`."""
        bad = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
        if bad:
            raise TrainingError(f"{bad[0]} is not finite at step {step}; no checkpoint was written")
        values = {**values, "identity": self.identity()}
        self.last = save_checkpoint(self.folder, step, values, tensors, keep_last=self.keep_last)
        self._saved = time.monotonic()
        log.info("checkpoint: %s", self.last)


def group(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put tensors under a common prefix."""
    return {f"{name}/{key}": tensor for key, tensor in tensors.items()}


def ungroup(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Select the tensors under a prefix, and drop it."""
    return {key.removeprefix(f"{name}/"): tensor for key, tensor in tensors.items() if key.startswith(f"{name}/")}


def optimizer_state(optimizer: torch.optim.Optimizer, trained: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """Collect AdamW's moments and step counts, by parameter name and kind."""
    return {
        f"{name}/{kind}": gather(tensor.detach()).cpu()
        for name, parameter in trained.items()
        for kind, tensor in optimizer.state[parameter].items()
    }


def load_optimizer_state(
    optimizer: torch.optim.Optimizer, trained: Mapping[str, nn.Parameter], state: Mapping[str, Tensor]
) -> None:
    """Give the optimizer its moments back."""
    for key, tensor in state.items():
        name, _, kind = key.rpartition("/")
        optimizer.state[trained[name]][kind] = place_like(tensor, trained[name].detach())


def random_state() -> dict[str, Tensor]:
    """Tell where every generator of this process stands."""
    version, numbers, gauss = random.getstate()
    _, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    state = {
        "torch": torch.get_rng_state(),
        "numpy": torch.from_numpy(np.array([*keys, position, has_gauss], dtype=np.int64)),
        "numpy_gauss": torch.tensor(cached, dtype=torch.float64),
        "python": torch.tensor([version, *numbers]),
        "python_gauss": torch.tensor([] if gauss is None else [gauss], dtype=torch.float64),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def load_random_state(state: Mapping[str, Tensor]) -> None:
    """Put every generator of this process back where it stood."""
    torch.set_rng_state(state["torch"])
    *keys, position, has_gauss = state["numpy"].tolist()
    cached = float(state["numpy_gauss"])
    np.random.set_state(("MT19937", np.array(keys, dtype=np.uint32), position, has_gauss, cached))
    version, *numbers = state["python"].tolist()
    random.setstate((version, tuple(numbers), next(iter(state["python_gauss"].tolist()), None)))
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


def find_start(folder: Path, named: Path | None) -> Checkpoint | None:
    """Find the checkpoint that was named, or the newest whole one; the same for all processes.

    Raises:
        CheckpointError: the one that was named is damaged.
    """
    state = PartialState()
    found = None
    if state.is_main_process:
        found = load_checkpoint(named) if named else newest_checkpoint(folder / CHECKPOINTS)
    path: Path | None = broadcast_object_list([found.path if found else None])[0]
    return load_checkpoint(path) if path and not state.is_main_process else found


def refuse_changes(before: Mapping[str, Any], now: Mapping[str, Any], where: Path) -> None:
    """Refuse to go on with another configuration or other data.

    Raises:
        ConfigError: listing the keys that differ.
    """
    changed = [
        f"{key}: {_brief(before.get(key))} before, {_brief(now.get(key))} now"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and not key.startswith(HARMLESS)
    ]
    if changed:
        listed = "\n  ".join(changed)
        raise ConfigError(
            f"{where} was trained otherwise; resume with what it was, or choose another --output\n  {listed}"
        )


def _brief(value: Any) -> str:
    text = "unset" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def flatten(values: Any, path: str = "") -> dict[str, Any]:
    """Flatten nested sections to dotted key: value; lists are values."""
    if not isinstance(values, Mapping) or not values:
        return {path: list(values) if isinstance(values, Sequence) and not isinstance(values, str) else values}
    return {
        key: value
        for name, child in values.items()
        for key, value in flatten(child, f"{path}.{name}" if path else str(name)).items()
    }
