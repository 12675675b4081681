"""Decide which parameters move, when, and at which learning rate."""

import logging
import math

from nlp_transfer.config.strategies import FrozenStrategy, FullStrategy, GradualStrategy, LoraStrategy, Strategy
from nlp_transfer.config.training import TrainingConfig
from nlp_transfer.models.source import LoadedModel
from nlp_transfer.strategies.few_rows import SOLVED_STEPS, begins_solved, solve_first
from nlp_transfer.strategies.frozen import apply_frozen
from nlp_transfer.strategies.full import apply_full
from nlp_transfer.strategies.gradual import apply_gradual
from nlp_transfer.strategies.joint import join_plans
from nlp_transfer.strategies.length import PATIENCE, Length, choose_length
from nlp_transfer.strategies.lora import apply_lora, save_adapter
from nlp_transfer.strategies.mixing import mix
from nlp_transfer.strategies.plan import Adaptation, Adapted, Phase, Plan, Schedule
from nlp_transfer.strategies.rates import Rates, choose_rates, hold_back

log = logging.getLogger(__name__)
SOLVED = "head: solved anew, without the one that the checkpoint brings"


def make_plan(
    strategy: Strategy,
    training: TrainingConfig,
    loaded: LoadedModel,
    *,
    units: int,
    has_layers: bool,
    scratch: bool,
    masked: LoadedModel | None = None,
) -> Plan:
    """Adapt a model to a strategy, and plan the phases. This changes the model, so call it once.

    Args:
        strategy: the section of the configuration.
        training: gives the rates, their schedule, and the epochs of the last phase.
        loaded: the model and the names of its new parameters.
        units: texts of train, or windows of long ones, by which `epochs: auto` is chosen.
        has_layers: False for a table of vectors, which `learning_rate: auto` trains faster than layers.
        scratch: the weights are random.
        masked: the source with a head that finds hidden words, if it is to do so beside the task.

    Raises:
        ConfigError: the strategy does not fit the model; the message names the key to change.
    """
    pretrained = has_layers and not scratch
    begun = begins_solved(strategy, training, loaded, units)
    rates = choose_rates(
        strategy, training, loaded, has_layers=has_layers, scratch=scratch, gently=begun and pretrained
    )
    length = choose_length(training, loaded, units, pretrained=pretrained, steps=SOLVED_STEPS if begun else None)
    adapted = _adapt(strategy, loaded, rates, length)
    if begun:
        adapted = solve_first(adapted, loaded)
    if masked is not None:
        adapted = mix(adapted, masked, rates, loaded.new)
    solved = adapted.phases[0].solver == "lbfgs"
    if length.looks and adapted.takes_steps:
        steps = length.epochs * math.ceil(units / training.batch_size)
        log.info("training.epochs: %d, chosen for %d rows: at most %d steps", length.epochs, units, steps)

    return Plan(
        model=adapted.model,
        phases=tuple(hold_back(length.set_looks(phase), rates, loaded) for phase in adapted.phases),
        cache=adapted.cache,
        finish=adapted.finish,
        adapter=adapted.adapter,
        adaptation=adapted.adaptation,
        masked=adapted.masked,
        schedule=Schedule(training.warmup, training.head_warmup, training.schedule),
        new=loaded.new,
        settled=loaded.settled,
        head=SOLVED if loaded.note and solved else loaded.note,
    )


def _adapt(strategy: Strategy, loaded: LoadedModel, rates: Rates, length: Length) -> Adapted:
    match strategy:
        case FullStrategy():
            return apply_full(strategy, loaded, rates, length.epochs)
        case LoraStrategy():
            return apply_lora(strategy, loaded, rates, length.epochs)
        case FrozenStrategy():
            return apply_frozen(strategy, loaded, rates, length.epochs)
        case GradualStrategy():
            return apply_gradual(strategy, loaded, rates, length)


__all__ = ["PATIENCE", "Adaptation", "Phase", "Plan", "Schedule", "join_plans", "make_plan", "save_adapter"]
