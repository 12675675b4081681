"""Record what a training has done so far, and where it stands."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from nlp_transfer.config.tasks import Scores


@dataclass
class History:
    """The epochs so far, the best state on validation, and the place where the training stands.

    Attributes:
        epochs: the facts of each finished epoch.
        best: the best value of the selection score so far, or the last one.
        kept: which state is kept, the best or the last.
        scores: all scores of that state.
        state: its tensors by name.
        steps: optimizer steps so far, over all phases.
        waited: looks at validation since the best one.
        trained: epochs so far, over all phases; `epochs` has those that were judged.
        phase: number of the phase in progress, from 0.
        epoch: number of the epoch in progress, from 1 in each phase.
        losses: of the batches of this epoch so far.
        seconds: how long earlier attempts trained.
    """

    epochs: list[dict[str, Any]] = field(default_factory=list)
    best: float = -math.inf
    kept: Literal["best", "last"] = "best"
    scores: Scores = field(default_factory=dict)
    state: dict[str, Tensor] = field(default_factory=dict)
    steps: int = 0
    waited: int = 0
    trained: int = 0
    phase: int = 0
    epoch: int = 1
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0
    _started: float = field(default_factory=time.perf_counter)

    @property
    def learned_all(self) -> bool:
        """Whether a head was solved again, on the rows of validation too, after these had judged it."""
        return any("again" in epoch.get("solver", {}) for epoch in self.epochs)

    @property
    def class_weights(self) -> dict[str, Any] | None:
        """How far classes count alike, where that was chosen as a head was solved; see `solver.Choice`."""
        return next(
            (epoch["solver"]["class_weights"] for epoch in self.epochs if "class_weights" in epoch.get("solver", {})),
            None,
        )

    def collect_values(self) -> dict[str, Any]:
        """Collect all values but the tensors, ready for JSON."""
        kept = {name: value for name, value in vars(self).items() if name not in ("state", "_started")}
        kept["seconds"] += time.perf_counter() - self._started
        return {**kept, "best": None if self.best == -math.inf else self.best}

    @classmethod
    def restore(cls, values: Mapping[str, Any], state: dict[str, Tensor]) -> "History":
        """Restore a history from `collect_values`."""
        trained = {"trained": len(values["epochs"])}  # in checkpoints of versions that judged every epoch
        return cls(
            **{**trained, **values, "best": -math.inf if values["best"] is None else values["best"], "state": state}
        )
