"""Load configurations whose runs stand side by side: of one task, on the same data."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nlp_transfer.config.load import load_config
from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.several import TAKEN, check_name, refuse_same_names
from nlp_transfer.data.locations import Place
from nlp_transfer.errors import ConfigError, TransferError
from nlp_transfer.runs.resume import flatten
from nlp_transfer.system.received import list_paths

Config = RunConfig | Mapping[str, Any] | str | Path  # as `run` takes it
Configs = str | Path | Sequence[str | Path] | Mapping[str, Config]


def load_alike(
    verb: str, configs: Configs, overrides: Sequence[str], data: Mapping[str, Place] | None
) -> dict[str, RunConfig]:
    """Load the configurations, and check that they can be compared; name of the run -> configuration.

    Args:
        verb: for the messages.
        configs: files, or names of shipped configurations, whose last parts name the runs; a single one may stand
            alone. Or name of the run -> configuration.
        overrides: dotted KEY=VALUE pairs, for all of them.
        data: split -> a place to put in `data` of all of them.

    Raises:
        ConfigError: they differ in task, data or selection, or two have one name, or one that no folder can have.
    """
    checked = {}
    for name, config in _name(verb, configs).items():
        is_named = isinstance(config, str | Path)  # by messages about a file
        with contextlib.nullcontext() if is_named else name_fault(name):
            checked[name] = load_config(config, overrides, data)

    (known, first), *others = checked.items()
    for name, other in others:
        ours, theirs = _list_shared(other), _list_shared(first)
        if ours != theirs:
            keys = sorted(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
            raise ConfigError(f"{verb}: {name} has another task or other data than {known}: {', '.join(keys)}")
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


def _name(verb: str, configs: Configs) -> Mapping[str, Config]:
    """Name the runs: by the caller, or by the files of their configurations."""
    if isinstance(configs, Mapping) and not configs:
        raise ConfigError(f"{verb}: no configuration is given; give {{NAME: configuration}}")
    if isinstance(configs, Mapping) and "task" not in configs:
        try:
            refuse_same_names([check_name(name) for name in configs])
        except ValueError as error:
            raise ConfigError(f"{verb}: {error}") from None
        return configs

    files = list_paths(configs, verb, "a configuration's file (or give {NAME: configuration})")
    named = {Path(file).stem: file for file in files}
    if len(named) != len(files):
        raise ConfigError(f"{verb}: two configurations have one file name ({', '.join(map(str, files))}); rename one")
    if written := [file for name, file in named.items() if Path(name).suffix and TAKEN.fullmatch(name)]:
        raise ConfigError(f"{verb}: {written[0]}: its run's folder would be named as a file beside it; rename it")
    return named


def _list_shared(config: RunConfig) -> dict[str, Any]:
    """List what runs must share to be compared: dotted key -> value.

    Texts without labels are left out: by them a run with adaptation differs from one without.
    """
    columns = {role: config.data.columns.get(role, role) for role in config.task_class.roles}
    data = config.data.model_copy(update={"unlabelled": None, "columns": columns})
    return flatten({"task.name": config.task.name, "data": data.model_dump()})


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
