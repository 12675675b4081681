"""`gradual`: train the head first, then deeper blocks too."""

from nlp_transfer.config.strategies import GradualStrategy
from nlp_transfer.models.anatomy import list_blocks
from nlp_transfer.models.source import LoadedModel
from nlp_transfer.strategies.frozen import is_solvable
from nlp_transfer.strategies.length import Length
from nlp_transfer.strategies.plan import Adapted, Phase
from nlp_transfer.strategies.rates import Rates


def apply_gradual(strategy: GradualStrategy, loaded: LoadedModel, rates: Rates, length: Length) -> Adapted:
    """Unfreeze top-down with discriminative rates (Howard & Ruder 2018, section 3.3), or LP-FT (Kumar et al. 2022).

    `length.epochs` are those of the last phase, in which everything moves.
    """
    make = _probe_then_tune if strategy.schedule == "lp_ft" else _unfreeze
    return Adapted(loaded.model, tuple(make(strategy, loaded, rates, length)), strategy.cache)


def _unfreeze(strategy: GradualStrategy, loaded: LoadedModel, rates: Rates, length: Length) -> list[Phase]:
    """Plan ULMFiT's phases: first the new parameters, then some more blocks in each phase, with smaller rates below."""
    stack, before = list_blocks(loaded.model, loaded.unread), strategy.phase_epochs * length.stretch
    moving = {name: rates.fresh for names in stack for name in names if name in loaded.new}
    # If nothing is new, there is no phase of the head: the top blocks are trained first.
    phases = [Phase("head", before, dict(moving))] if moving else []

    below = [names for names in stack if not set(names) <= set(moving)][::-1]
    step = strategy.blocks_per_phase
    for start in range(0, len(below), step):
        for depth, names in enumerate(below[start : start + step], start):
            rate = rates.body / strategy.rate_decay**depth
            moving |= {name: rate for name in names if name not in moving}

        last = start + step >= len(below)
        name = "all" if last else f"top {start + step}"
        phases.append(Phase(name, length.epochs if last else before, dict(moving)))
    return phases


def _probe_then_tune(strategy: GradualStrategy, loaded: LoadedModel, rates: Rates, length: Length) -> list[Phase]:
    """Plan LP-FT's phases: first the head on frozen features, then everything."""
    stack = list_blocks(loaded.model, loaded.unread)
    solved = is_solvable(loaded)

    # A checkpoint with a head of its own has nothing new: its top block takes the place of the head.
    probed = sorted(loaded.new or stack[-1])
    probe = Phase(
        name="linear probe",
        epochs=1 if solved else strategy.phase_epochs * length.stretch,
        rates=dict.fromkeys(probed, rates.body if solved else rates.head or 10 * rates.body),
        solver="lbfgs" if solved else "gradient",
    )

    everything = {name: rates.fresh if name in loaded.new else rates.body for names in stack for name in names}
    return [probe, Phase("fine-tuning", length.epochs, everything)]
