"""Describe a training of several tasks that share one source: each task has data of its own, the rest is common."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, SerializeAsAny, ValidationError, WrapValidator

from nlp_transfer.config.base import Section, TaskOptions
from nlp_transfer.config.data import DataConfig
from nlp_transfer.config.load import apply_overrides, blame_the_file, check_values
from nlp_transfer.config.messages import explain
from nlp_transfer.config.run import RunConfig, validate_task
from nlp_transfer.config.shipped import find_config
from nlp_transfer.config.sources import CheckpointSource, Source
from nlp_transfer.config.strategies import FullStrategy, LoraStrategy, Strategy
from nlp_transfer.config.training import TrainingConfig
from nlp_transfer.config.yaml_file import find_line, read_yaml, refuse_token
from nlp_transfer.errors import ConfigError
from nlp_transfer.system.layout import CHECKPOINTS

NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}")
# What the training itself may leave beside the folders of the tasks, and others know them by.
TAKEN = re.compile(rf"{CHECKPOINTS}|seed-\d+|.*\.(?:json|jsonl|yaml|md|png|html)")


def check_name(name: Any) -> str:
    """Refuse what cannot name a folder of its own.

    Raises:
        ValueError: with the name, and what to take.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name) or TAKEN.fullmatch(name):
        raise ValueError(f"{name!r:.80} cannot name a folder beside those of the training; take letters and digits")
    return name


class TaskEntry(Section):
    """One of several tasks: its folder's name, what it does, and its data."""

    name: Annotated[str, AfterValidator(check_name)] = Field(description="Of its run folder, below the output.")
    task: Annotated[SerializeAsAny[TaskOptions], WrapValidator(validate_task)]
    data: DataConfig


def refuse_same_names(names: Iterable[str]) -> None:
    """Refuse names that are equal, or would be on a disk that does not tell case apart.

    Raises:
        ValueError: with the name.
    """
    name, count = Counter(map(str.lower, names)).most_common(1)[0]
    if count > 1:
        raise ValueError(f"the name '{name}' stands {count} times; each names a folder of its own, whatever its case")


def _refuse_same_tasks(tasks: list[TaskEntry]) -> list[TaskEntry]:
    refuse_same_names(one.name for one in tasks)
    return tasks


class SeveralConfig(Section):
    """Several tasks x one source x one strategy."""

    tasks: Annotated[list[TaskEntry], Field(min_length=1), AfterValidator(_refuse_same_tasks)]
    source: Source = CheckpointSource(kind="checkpoint")
    strategy: Strategy = FullStrategy(kind="full")
    training: TrainingConfig = TrainingConfig()
    output: str | None = Field(None, description="Folder of all; by default the first free `runs/NAME` of the file.")

    @property
    def is_joint(self) -> bool:
        """Tell whether the tasks move something together: the encoder, or an adapter on it.

        Tasks that share only what never moves do not touch each other, and train one after the other.
        """
        if isinstance(self.strategy, LoraStrategy):
            return self.strategy.adapter == "shared"
        return self.strategy.kind != "frozen"

    def each_task(self) -> dict[str, RunConfig]:
        """Describe each task as a run of its own: name -> configuration.

        What several tasks need to train together is left out where they do not.

        Raises:
            ConfigError: an entry contradicts itself or what is common; one line for each fault.
        """
        together = {"training": ("sampling", "keep"), "strategy": ("adapter",)}
        common = {key: getattr(self, key).model_dump() for key in ("source", "strategy", "training")}
        if not self.is_joint:
            for section, keys in together.items():
                common[section] = {key: value for key, value in common[section].items() if key not in keys}
        found, faults = {}, []
        if self.is_joint and self.strategy.adaptation != "none":
            faults.append(
                f"strategy.adaptation: {self.strategy.adaptation} is for one task; adapt the source before "
                "(nlp-transfer adapt), or train each task by itself"
            )
        for one in self.tasks:
            own = {"task": one.task.model_dump(), "data": one.data.model_dump()}
            try:
                found[one.name] = check_values({**own, **common})
            except ConfigError as error:
                faults.append(f"task '{one.name}': {error}")
        if faults:
            raise ConfigError("\n  ".join(faults))
        return found

    def each_seed(self) -> "list[SeveralConfig]":
        """Split a training of several seeds into trainings of one; without them, return the training itself."""
        return [
            self.model_copy(update={"training": self.training.model_copy(update={"seed": seed, "seeds": None})})
            for seed in self.training.seeds or ()
        ] or [self]


def has_tasks(config: Any, overrides: Sequence[str] = ()) -> bool:
    """Tell whether a configuration lists several tasks.

    Raises:
        ConfigError: a file is named that cannot be read.
    """
    if isinstance(config, SeveralConfig):
        return True
    if any(one.partition("=")[0].strip() == "tasks" for one in overrides if isinstance(one, str)):
        return True
    if isinstance(config, str | Path):
        config = read_yaml(find_config(config))
    return isinstance(config, Mapping) and "tasks" in config


def load_several(
    config: "SeveralConfig | Mapping[str, Any] | str | Path", overrides: Sequence[str] = ()
) -> SeveralConfig:
    """Check a configuration of several tasks.

    Args:
        config: a file, the name of a shipped configuration, a mapping, or a checked configuration.
        overrides: dotted KEY=VALUE pairs, for what the tasks have in common.

    Raises:
        ConfigError: every problem that was found, in one line each, with file and line.
    """
    if isinstance(config, SeveralConfig):
        if not overrides:
            return config
        config = config.model_dump()
    if isinstance(config, Mapping):
        return _check(apply_overrides(config, overrides), None)
    path = find_config(config)
    return _check(apply_overrides(read_yaml(path), overrides), path)


def load_saved_several(folder: Path) -> SeveralConfig:
    """Read the configuration that a training of several tasks left in its folder."""
    with blame_the_file():
        return load_several(folder / "config.yaml")


def _check(values: Mapping[str, Any], path: Path | None) -> SeveralConfig:
    refuse_token(str(values), "configuration")
    try:
        checked = SeveralConfig.model_validate(values, strict=True)
        checked.each_task()
    except ValidationError as error:
        lines = explain(error, SeveralConfig, values)
        where = [find_line(path, line.partition(":")[0]) for line in lines] if path else []
        lines = [f"{path}{place}: {line}" for place, line in zip(where, lines, strict=True)] if path else lines
        raise ConfigError("\n  ".join(lines)) from None
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}" if path else str(error)) from None
    return checked
