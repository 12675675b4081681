"""Train a source with more and more of its lowest layers frozen, on the most rows of a learning curve."""

from collections.abc import Sequence
from dataclasses import dataclass

from nlp_transfer.config.load import check_values
from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.sources import CheckpointSource
from nlp_transfer.errors import ConfigError
from nlp_transfer.evaluation.verdicts import name_source
from nlp_transfer.models.anatomy import list_blocks
from nlp_transfer.runs.alike import name_fault
from nlp_transfer.runs.check import estimate_needs
from nlp_transfer.runs.curves.plan import Contender, train_by_steps
from nlp_transfer.runs.prepare import prepare
from nlp_transfer.strategies.summary import count_parameters


@dataclass(frozen=True)
class Freezing:
    """A run with frozen layers that is to come.

    Attributes:
        contender: the run, of one of the curves where that freezes as many.
        source: its name for people.
        layers: how many are frozen.
        memory: bytes that it needs.
        trainable: the number of parameters that move.
    """

    contender: Contender
    source: str
    layers: int
    memory: int
    trainable: int


def plan_freezing(contenders: Sequence[Contender], layers: Sequence[int], size: int) -> list[Freezing]:
    """Plan the runs of every checkpoint with so many frozen layers; where all are frozen, the strategy is `frozen`.

    Raises:
        ConfigError: no checkpoint is given, a number is wrong, or a model has fewer layers.
    """
    if not layers:
        return []
    if wrong := [one for one in layers if isinstance(one, bool) or not isinstance(one, int) or one < 0]:
        raise ConfigError(f"freeze: expected numbers of layers, such as 0,2,4, received {wrong[0]!r}")

    templates: dict[str, Contender] = {}
    for one in sorted(contenders, key=lambda one: one.config.strategy.kind != "full"):
        if one.control and isinstance(one.config.source, CheckpointSource):
            templates.setdefault(one.control, one)
    if not templates:
        raise ConfigError("freeze: layers are those of a checkpoint, and none of the configurations has one")
    return [_plan(one, count, size) for one in templates.values() for count in sorted(set(layers))]


def _plan(template: Contender, layers: int, size: int) -> Freezing:
    name = f"{template.name}-freeze-{layers}"
    with name_fault(name):
        whole = prepare(Contender(name, _freeze(template.config, 0)).at(size, 1))
        depth = len(list_blocks(whole.loaded.model, whole.loaded.unread)) - 2  # without embeddings and head
        if layers > depth:
            raise ConfigError(f"freeze: {layers} layers, but {name_source(template.config.source)} has {depth}")

        config = _freeze(template.config, layers, all_of_them=layers == depth)
        contender = template if config == template.config else Contender(name, config, template.control)
        prepared = prepare(contender.at(size, 1))
        plan = prepared.adapt()
        need = max(estimate_needs(prepared, plan), key=lambda need: need.total)
        moving = count_parameters(plan)["trainable"]
    return Freezing(contender, name_source(template.config.source), layers, need.total, moving)


def _freeze(config: RunConfig, layers: int, *, all_of_them: bool = False) -> RunConfig:
    """Configure the run, by the options of its own strategy if that trains in full."""
    if all_of_them:
        return check_values({**config.model_dump(), "strategy": {"kind": "frozen"}}, task=config.task_class)
    own = config.strategy.model_dump() if config.strategy.kind == "full" else {"kind": "full"}
    return train_by_steps(config, strategy={**own, "freeze_below": layers})
