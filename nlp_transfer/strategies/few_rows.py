"""Of few rows a new head is solved first, and then everything moves from there, more gently.

Steps that begin at a random head spend few labels on finding it, and distort the states on their way (Kumar et al.
2022, section 3.3). From the solution on little is left to learn, so fewer steps do.
"""

from dataclasses import replace

from nlp_transfer.config.strategies import FullStrategy, LoraStrategy, Strategy
from nlp_transfer.config.training import TrainingConfig
from nlp_transfer.models.source import LoadedModel
from nlp_transfer.strategies.frozen import is_solvable
from nlp_transfer.strategies.plan import Adapted, Phase, is_fresh

FEW = 500  # rows of train, or windows of long ones
SOLVED_STEPS = 60  # fewest optimizer steps from a solved head on


def begins_solved(strategy: Strategy, training: TrainingConfig, loaded: LoadedModel, units: int) -> bool:
    """Tell whether the head is solved before the rest moves; `epochs: auto` leaves that to the rows of train."""
    few = training.epochs == "auto" and units < FEW
    return few and isinstance(strategy, FullStrategy | LoraStrategy) and is_solvable(loaded)


def solve_first(adapted: Adapted, loaded: LoadedModel) -> Adapted:
    """Put a phase that solves the head before the others."""
    head = {name: rate for name, rate in adapted.phases[0].rates.items() if is_fresh(name, loaded.new)}
    return replace(adapted, phases=(Phase("linear probe", 1, head, "lbfgs"), *adapted.phases))
