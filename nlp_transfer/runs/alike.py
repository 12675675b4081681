"""Load configurations whose runs stand side by side: of one task, on the same data."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from nlp_transfer.config.data import DataConfig
from nlp_transfer.config.load import load_config
from nlp_transfer.config.run import RunConfig
from nlp_transfer.data.locations import Place
from nlp_transfer.errors import ConfigError, TransferError
from nlp_transfer.system.received import list_paths


def load_alike(
    verb: str, configs: str | Path | Sequence[str | Path], overrides: Sequence[str], data: Mapping[str, Place] | None
) -> dict[str, RunConfig]:
    """Load the configurations by file name, and check that they can be compared.

    Args:
        verb: for the messages.
        configs: files, or names of shipped configurations; a single one may stand alone.
        overrides: dotted KEY=VALUE pairs, for all of them.
        data: split -> a place to put in `data` of all of them.

    Raises:
        ConfigError: they differ in task, data or selection, or two have one name.
    """
    files = list_paths(configs, verb, "a configuration")
    checked = {Path(file).stem: load_config(file, overrides, data) for file in files}
    if len(checked) != len(files):
        raise ConfigError(f"{verb}: two configurations have one file name ({', '.join(map(str, files))}); rename one")

    (known, first), *others = checked.items()
    for name, other in others:
        if (other.task.name, _leave_texts(other.data)) != (first.task.name, _leave_texts(first.data)):
            raise ConfigError(f"{verb}: {name} has another task or other data than {known}")
        if other.task_class.selection != first.task_class.selection:
            raise ConfigError(
                f"{verb}: {name} chooses by {other.task_class.selection}, {known} by {first.task_class.selection}; "
                "set training.selection alike"
            )

        if first.data.follows_seed and _list_seeds(other) != _list_seeds(first):
            raise ConfigError(
                f"{verb}: {name} has other seeds than {known}, and so other rows, for these follow the seed "
                "(data.split_seed, data.limit_seed); set training.seed or training.seeds alike"
            )
    return checked


def _leave_texts(data: DataConfig) -> DataConfig:
    """Leave out the texts without labels, by which a run with adaptation differs from one without."""
    return data.model_copy(update={"unlabelled": None})


def _list_seeds(config: RunConfig) -> list[int]:
    return [one.training.seed for one in config.each_seed()]


@contextlib.contextmanager
def name_fault(name: str) -> Iterator[None]:
    """Put the name of the run in front of an error."""
    try:
        yield
    except TransferError as error:
        error.args = (f"{name}: {error}",)
        raise
