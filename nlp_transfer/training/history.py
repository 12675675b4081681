"""What a training has done so far and where it stands."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from nlp_transfer.config.tasks import Scores


@dataclass
class History:
    """What happened, epoch by epoch, the best state seen on validation, and where the training stands.

    `waited` counts the epochs without a better validation; `phase` (counted from 0) and `epoch` (within it, from 1) are
    those in progress; `losses` are those of the batches of this epoch so far; `seconds` are those of earlier attempts.
    """

    epochs: list[dict[str, Any]] = field(default_factory=list)
    best: float = -math.inf
    scores: Scores = field(default_factory=dict)
    state: dict[str, Tensor] = field(default_factory=dict)
    steps: int = 0
    waited: int = 0
    phase: int = 0
    epoch: int = 1
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0
    _started: float = field(default_factory=time.perf_counter)

    def values(self) -> dict[str, Any]:
        """Collect everything but the tensors, ready for JSON."""
        kept = {name: value for name, value in vars(self).items() if name not in ("state", "_started")}
        kept["seconds"] += time.perf_counter() - self._started
        return {**kept, "best": None if self.best == -math.inf else self.best}

    @classmethod
    def restored(cls, values: Mapping[str, Any], state: dict[str, Tensor]) -> "History":
        """Restore a history from `values`."""
        return cls(**{**values, "best": -math.inf if values["best"] is None else values["best"], "state": state})
