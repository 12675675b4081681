"""Read configurations from files, mappings and run folders, with overrides, and write them.

Nothing here imports torch, so a wrong configuration is answered at once.
"""

import contextlib
import functools
import json
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nlp_transfer.config.base import Section
from nlp_transfer.config.messages import explain
from nlp_transfer.config.run import Given, RunConfig
from nlp_transfer.config.shipped import find_config
from nlp_transfer.config.tasks import TaskDeclaration, is_shipped, task_names, whole_task
from nlp_transfer.config.yaml_file import dump_yaml, parse_yaml, read_yaml, refuse_token
from nlp_transfer.errors import CheckpointError, ConfigError
from nlp_transfer.system.received import is_table, name_kind


def apply_overrides(values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Set dotted KEY=VALUE pairs, with values read as YAML, in a copy of a mapping.

    Raises:
        ConfigError: an override is not KEY=VALUE, holds a token, or names a key below a value that is no section.
    """
    if isinstance(overrides, str):
        raise ConfigError(f"overrides: expected a list of KEY=VALUE, received one text; write [{overrides!r:.80}]")

    result = dict(values)
    for override in overrides:
        if not isinstance(override, str):
            raise ConfigError(f"overrides: expected KEY=VALUE, received {name_kind(override)}")
        refuse_token(override, "override")
        key, sign, value = override.partition("=")
        *parents, last = key.strip().split(".")
        if not sign or not all((*parents, last)):
            raise ConfigError(f"'{override}' is not KEY=VALUE; for example training.epochs=5")

        section = result
        for depth, parent in enumerate(parents, 1):
            child = section.get(parent, {})
            if not isinstance(child, Mapping):
                path = ".".join(parents[:depth])
                what = f"a list of {len(child)}" if isinstance(child, list) else f"a value ({reprlib.repr(child)})"
                way = f"set it by {path}=VALUE, or change it in the file"
                raise ConfigError(f"'{override}': {path} is {what}, not a section with keys; {way}")
            section[parent] = section = dict(child)

        try:
            section[last] = parse_yaml(value) if value else None
        except ConfigError as error:
            way = "; in a shell, put all of KEY=VALUE in quotes" if value[:1] in {"{", "["} else ""
            raise ConfigError(f"'{override}': {str(error).removeprefix('line 1: ')}{way}") from None
    return result


def load_config(
    config: RunConfig | Mapping[str, Any] | str | Path,
    overrides: Sequence[str] = (),
    data: Mapping[str, Any] | None = None,
) -> RunConfig:
    """Check a file, a shipped name, a mapping or a finished config, and return a `RunConfig`.

    Args:
        config: what to check.
        overrides: dotted KEY=VALUE pairs.
        data: split -> a place to put in `data`: a name, files, or `HeldRows`.

    Raises:
        ConfigError: every problem that was found, in one line each, with its dotted path and the nearest known name.
    """
    if isinstance(config, RunConfig):
        if not overrides and not data:
            return config
        config = config.model_dump()

    if is_table(config) or not isinstance(config, Mapping | str | PathLike):
        raise ConfigError(
            f"expected a configuration (a YAML file, a mapping or a RunConfig), received {name_kind(config)}; data are "
            "named in it, as data.train"
        )
    changed = f" with {' '.join(map(str, overrides))}" if overrides else ""
    where = "" if isinstance(config, Mapping) else f"{config}{changed}: "
    values = apply_overrides(config if isinstance(config, Mapping) else read_yaml(find_config(config)), overrides)
    if "tasks" in values and "task" not in values:
        raise ConfigError(f"{where}it lists several tasks; the verbs run, check and compare take these, and run_tasks")
    return check_values(_put_data(values, data or {}, overrides), where)


def _put_data(values: Mapping[str, Any], data: Mapping[str, Any], overrides: Sequence[str]) -> Mapping[str, Any]:
    """Put places in the section `data` of unchecked values.

    Raises:
        ConfigError: an override says the same.
    """
    section = values.get("data") or {}
    if not data or not isinstance(section, Mapping):
        return values
    said = {override.partition("=")[0].strip() for override in overrides}
    if twice := said & {"data", *(f"data.{split}" for split in data)}:
        raise ConfigError(f"data and the override {min(twice)}=... say the same twice; leave one out")
    return {**values, "data": {**section, **data}}


def check_values(
    values: Mapping[str, Any], where: str = "", task: type[TaskDeclaration] | None = None, *, imports: bool = True
) -> RunConfig:
    """Check values and return a `RunConfig`; give the task if its name in the values must not be looked up.

    Without `imports` the functions of `task.metrics` are not looked up either.

    Raises:
        ConfigError: as `load_config`.
    """
    refuse_token(str(values), "configuration")
    try:
        return RunConfig.model_validate(values, strict=True, context=Given(task, imports))
    except ValidationError as error:
        lines = explain(error, RunConfig, values, task)
        count = "" if len(lines) == 1 else f"{len(lines)} problems\n  "
        raise ConfigError(f"{where}{count}" + "\n  ".join(lines)) from None


def load_saved(folder: Path, task: type[TaskDeclaration] | None = None) -> RunConfig:
    """Read the configuration of a run folder. Anybody may have made the folder, so no name in it is imported.

    Args:
        folder: the folder of the run.
        task: the task to use instead of the one that is named there.

    Raises:
        CheckpointError: the file is not as a run writes it; or the named task is not shipped, and none is given.
        ConfigError: it does not fit the given task.
    """
    path = folder / "config.yaml"
    with blame_the_file():
        values = read_yaml(path)
    name = read_task_name(values)

    if task is None and name is not None and not is_shipped(name):
        raise CheckpointError(
            f"{path}: the task '{name}' is none of ours ({', '.join(task_names())}), and what a run folder names is "
            "not imported; if you trust it, name its module: --task MODULE, or load(folder, task=CLASS)"
        )
    if task is None:
        with blame_the_file():
            return check_values(values, f"{path}: ", imports=False)
    whole = whole_task(task)
    return check_values(
        values, f"{path}, a run of task '{name}' read as one of {whole.__name__}: ", whole, imports=False
    )


@contextlib.contextmanager
def blame_the_file() -> Iterator[None]:
    """Report what would be wrong with a user's configuration as damage of a run folder."""
    try:
        yield
    except ConfigError as error:
        raise CheckpointError(f"{error}; no run wrote this file, or it was cut or changed since") from None


def read_task_name(values: Mapping[str, Any]) -> str | None:
    """Find the name of the task in unchecked values; None if there is none, which the check will report."""
    section = values.get("task")
    name = section.get("name") if isinstance(section, Mapping) else None
    return name if isinstance(name, str) else None


def render(config: Section) -> str:
    """Write the configuration as YAML with every default; `load_config` reads it back to an equal one."""
    return _write_once(json.dumps(config.model_dump(mode="json")))


@functools.lru_cache(maxsize=8)  # a run writes its configuration at its start, at its end and in its report
def _write_once(values: str) -> str:
    return dump_yaml(json.loads(values))
