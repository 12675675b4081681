"""Read the rows again that a run was trained on: simple methods are fitted on them when it is evaluated on a file."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nlp_transfer.config.run import RunConfig
from nlp_transfer.data.folders import SPLIT_NAMES
from nlp_transfer.data.locations import refuse_gone
from nlp_transfer.data.report import may_be_same
from nlp_transfer.data.splits import Splits, load_splits
from nlp_transfer.errors import CheckpointError, DataError
from nlp_transfer.evaluation.metrics_file import read_metrics
from nlp_transfer.system.layout import FINISHED

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Origin:
    """The configuration and data that a finished run was made from.

    Attributes:
        config: the configuration of the run.
        seed: the seed of its training.
        baselines: the names of its simple methods.
        fingerprints: split -> the digest of its rows.
    """

    config: RunConfig
    seed: int
    baselines: frozenset[str]
    fingerprints: Mapping[str, str]

    @classmethod
    def read(cls, root: Path, config: RunConfig) -> "Origin | None":
        """Read the origin of a run from its folder; None if the run is unfinished, or, with a warning, damaged."""
        try:
            metrics = read_metrics(root)
            fingerprints = {name: metrics.data.splits[name].fingerprint for name in SPLIT_NAMES}
        except OSError:
            return None
        except CheckpointError as error:
            log.warning("%s; scored without the simple methods that the run had", error)
            return None
        except LookupError as error:
            place = f"{root / FINISHED}: damaged (data.splits.{error.args[0]}: missing)"
            log.warning("%s; scored without the simple methods that the run had", place)
            return None
        return cls(config, metrics.seed, frozenset(metrics.baselines), fingerprints)

    def read_splits(self) -> Splits:
        """Read the rows again.

        Raises:
            DataError: they are gone, or have changed since the training.
        """
        data, task = self.config.data, self.config.task_class
        refuse_gone(data.train, data.validation, data.test)
        splits = load_splits(data, task.roles, inputs=task.input_roles(), seed=self.seed)
        for name, before in self.fingerprints.items():
            now = splits.report.splits[name]
            if not may_be_same(before, now.fingerprint):
                raise DataError(f"{now.place}: the {name} rows are not those that the run was trained with")
        return splits
