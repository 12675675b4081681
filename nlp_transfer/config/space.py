"""Read what a search may try: dotted keys of the configuration, each with choices or a range."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator

from nlp_transfer.config.base import Section
from nlp_transfer.config.load import load_config
from nlp_transfer.config.messages import explain
from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.yaml_file import read_yaml
from nlp_transfer.errors import ConfigError
from nlp_transfer.system.received import refuse_no_path

NEEDED = "write KEY: [CHOICE, ...], as training.batch_size: [16, 32]"
FORM = "expected a list of choices, or a range {low: 1e-5, high: 1e-3, log: true}"


class Range(Section):
    """Numbers from `low` to `high`, both included; whole ones if both are whole. `log`: even in their logarithm."""

    low: int | float
    high: int | float
    log: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are meant."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @model_validator(mode="after")
    def _agree(self) -> "Range":
        if self.low >= self.high:
            raise ValueError(f"low {self.low} must be less than high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"log: true needs numbers above 0, and low is {self.low}")
        return self


Space = dict[str, Range | list[Any]]


def read_space(given: Mapping[str, Any] | str | Path) -> Space:
    """Read a space from a YAML file or a mapping.

    Raises:
        ConfigError: it is empty, or a key has neither choices nor a range.
    """
    if isinstance(given, Mapping):
        values, where = given, "space"
    else:
        refuse_no_path(given, "space")
        values, where = read_yaml(Path(given), needed=NEEDED), str(given)
    if not values:
        raise ConfigError(f"{where}: names nothing to try; {NEEDED}")
    return {str(key): _read_one(value, f"{where}: {key}") for key, value in values.items()}


def _read_one(value: Any, where: str) -> Range | list[Any]:
    if isinstance(value, list):
        try:
            different = len({json.dumps(one) for one in value})
        except TypeError as error:  # such as a date
            raise ConfigError(f"{where}: {error}; write a choice as a text, a number, a list or a section") from None
        if len(value) < 2 or different < len(value):
            raise ConfigError(f"{where}: expected two different choices or more, received {value!r:.60}")
        return value
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: {FORM}, received {value!r:.60}")
    try:
        return Range.model_validate(dict(value), strict=True)
    except ValidationError as error:
        raise ConfigError(f"{where}: {'; '.join(explain(error, Range, value))}. {FORM}") from None


def apply_values(config: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """Set dotted keys, in their order, in a configuration.

    Raises:
        ConfigError: naming the values, if the result cannot be run, or is no longer measured as the configuration is.
    """
    named = ", ".join(name_values(values))
    try:
        changed = load_config(config, [f"{key}={json.dumps(value)}" for key, value in values.items()])
    except ConfigError as error:
        raise ConfigError(f"with {named}: {error}") from None
    if _list_measured(changed) != _list_measured(config):
        raise ConfigError(f"with {named}: a search compares runs on the same task, rows, seeds and score; leave it out")
    return changed


def _list_measured(config: RunConfig) -> list[Any]:
    """List what has to be the same for the scores of two runs to be comparable."""
    task, training = config.task_class, config.training
    return [config.task.name, config.data, task.roles, task.selection, training.seed, training.seeds, config.output]


def name_values(values: Mapping[str, Any]) -> list[str]:
    """Write values as KEY=VALUE for people, numbers with three digits."""
    return [f"{key}={_name_value(value)}" for key, value in values.items()]


def _name_value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return value if isinstance(value, str) else json.dumps(value)


def check_space(config: RunConfig, space: Space, where: str = "space") -> None:
    """Check every choice and both ends of every range, and every pair of these, where keys contradict each other.

    Raises:
        ConfigError: as `apply_values`, with `where` in front.
    """
    for values in _list_corners({key: _list_ends(one) for key, one in space.items()}):
        try:
            apply_values(config, values)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None


def _list_ends(one: Range | list[Any]) -> list[Any]:
    return [one.low, one.high] if isinstance(one, Range) else one


def _list_corners(ends: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """List the values to check: two keys take all pairs of theirs, and the others the first."""
    first = {key: values[0] for key, values in ends.items()}
    if len(ends) == 1:
        yield from ({key: value} for key, values in ends.items() for value in values)
    for one, other in itertools.combinations(ends, 2):
        for pair in itertools.product(ends[one], ends[other]):
            yield {**first, **dict(zip((one, other), pair, strict=True))}
