"""The rows that a run was trained on, read again: simple methods are fitted on them wherever the run is measured."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlp_transfer.config.sections import RunConfig
from nlp_transfer.data.splits import Splits, load_splits
from nlp_transfer.errors import DataError
from nlp_transfer.system.layout import FINISHED


@dataclass(frozen=True)
class Origin:
    """The configuration of a finished run, and what it measured."""

    config: RunConfig
    metrics: Mapping[str, Any]

    @classmethod
    def of(cls, root: Path, config: RunConfig) -> "Origin | None":
        """That of a run folder; None where there is none, as of an unfinished run."""
        try:
            metrics = json.loads((root / FINISHED).read_text(encoding="utf-8"))
            return cls(config, metrics) if {"seed", "baselines", "data"} <= metrics.keys() else None
        except (OSError, ValueError, AttributeError):
            return None

    @property
    def baselines(self) -> set[str]:
        """The names of its simple methods."""
        return set(self.metrics["baselines"])

    def splits(self) -> Splits:
        """Read its rows again.

        Raises:
            DataError: they are not there, or not what they were.
        """
        splits = load_splits(self.config.data, self.config.task_class.roles, seed=self.metrics["seed"])
        for name, before in self.metrics["data"]["splits"].items():
            now = splits.report.splits[name]
            if now.fingerprint != before["fingerprint"]:
                raise DataError(f"{now.place}: the {name} rows are not those that the run was trained with")
        return splits
