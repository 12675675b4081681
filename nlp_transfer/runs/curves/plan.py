"""Plan a learning curve: a scratch control for each source, and every run at every size."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlp_transfer.config.load import check_values
from nlp_transfer.config.run import RunConfig
from nlp_transfer.errors import ConfigError

SCRATCH = "scratch"


@dataclass(frozen=True)
class Contender:
    """A source x strategy that is trained at every size.

    Attributes:
        name: of its folders.
        config: without a size.
        control: the name of its scratch control; empty if it is one.
    """

    name: str
    config: RunConfig
    control: str = ""

    def at(self, size: int, seeds: int) -> RunConfig:
        """Configure its run on `size` rows of train, which each of the seeds draws anew."""
        config = self.config
        data = config.data.model_copy(update={"limit": size, "limit_seed": "seed"})
        several = list(range(seeds)) if seeds > 1 else None
        training = config.training.model_copy(update={"seed": 0, "seeds": several})
        return config.model_copy(update={"data": data, "training": training, "output": None})


def plan_contenders(checked: Mapping[str, RunConfig]) -> list[Contender]:
    """Give each configuration its control, the same architecture with random weights and trained in full.

    A source has one control: a configuration that is given with `source.scratch: true`; else one that is made from the
    first of its configurations that trains in full, or from its first.

    Raises:
        ConfigError: nothing that is pretrained is given; or a control has the name of a configuration, is one of two
            for a source, or belongs to none.
    """
    runs = {name: config for name, config in checked.items() if not config.source.scratch}
    if not runs:
        raise ConfigError("curve: all configurations are scratch controls; name one that starts from something")

    controls = _find_controls(checked, {_name_source(config) for config in runs.values()})
    templates: dict[str, str] = {}
    for name, config in sorted(runs.items(), key=lambda one: one[1].strategy.kind != "full"):
        if _name_source(config) not in controls:
            templates.setdefault(_name_source(config), name)

    made = {}
    for source, template in templates.items():
        controls[source] = SCRATCH if len(templates) == 1 else f"{SCRATCH}-{template}"
        made[controls[source]] = _make_control(runs[template])
    if taken := sorted(made.keys() & checked.keys()):
        raise ConfigError(f"curve: {taken[0]} is the name of a control here; rename that configuration")

    planned = [Contender(name, config, controls[_name_source(config)]) for name, config in runs.items()]
    return [*planned, *(Contender(name, checked.get(name) or made[name]) for name in dict.fromkeys(controls.values()))]


def _find_controls(checked: Mapping[str, RunConfig], sources: Collection[str]) -> dict[str, str]:
    """Find the controls that are given: source -> name.

    Raises:
        ConfigError: one is the control of nothing here, or of a source that has another already.
    """
    found: dict[str, str] = {}
    for name, config in checked.items():
        source = _name_source(config)
        if not config.source.scratch:
            continue
        if source not in sources:
            raise ConfigError(f"curve: {name} is a control, but nothing here starts from its source; leave it out")
        if source in found:
            raise ConfigError(f"curve: {found[source]} and {name} are controls of one source; leave one out")
        found[source] = name
    return found


def _name_source(config: RunConfig) -> str:
    """Name a source with its settings, by which a control knows its own."""
    return str(sorted({**config.source.model_dump(), "scratch": True}.items()))


def _make_control(config: RunConfig) -> RunConfig:
    source = {**config.source.model_dump(), "scratch": True}
    return train_by_steps(config, source=source, strategy={"kind": "full"})


def train_by_steps(config: RunConfig, **changes: Mapping[str, Any]) -> RunConfig:
    """Change sections of a configuration so that it trains by steps.

    What `task.class_weights: auto` chooses as a head is solved, `training.rebalance: auto` chooses after the steps.
    """
    values = {**config.model_dump(), **changes}
    if values["task"].get("class_weights") == "auto":
        values["task"] |= {"class_weights": "none"}
        values["training"] |= {"rebalance": "auto"}
    return check_values(values, task=config.task_class)


def check_sizes(sizes: Sequence[int], rows: int) -> tuple[int, ...]:
    """Check the numbers of rows to train on, and put them in order.

    Raises:
        ConfigError: there are fewer than two, one is no number of rows, or train has fewer.
    """
    received: Any = sizes
    if isinstance(received, str) or not isinstance(received, Iterable):
        raise ConfigError(f"sizes: expected numbers of rows, such as [16, 64], received {received!r:.60}")
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ConfigError(f"sizes: {size!r} is no number of rows, which is 1 or more")
    if len(set(sizes)) < 2:
        raise ConfigError(f"sizes: expected two or more numbers of rows, such as 16,64,256, received {list(sizes)}")
    if max(sizes) > rows:
        raise ConfigError(f"sizes: {max(sizes)} rows, but train has {rows}; leave it out")
    return tuple(sorted(set(sizes)))
