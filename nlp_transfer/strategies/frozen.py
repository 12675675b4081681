"""`frozen`: keep the pretrained part as it is, and train new parameters on its features."""

import logging

from nlp_transfer.config.strategies import FrozenStrategy
from nlp_transfer.errors import ConfigError
from nlp_transfer.models.anatomy import list_blocks, list_outside_encoder
from nlp_transfer.models.portable.pooled import PooledClassifier
from nlp_transfer.models.source import LoadedModel
from nlp_transfer.strategies.plan import Adaptation, Adapted, Phase
from nlp_transfer.strategies.rates import Rates

log = logging.getLogger(__name__)


def is_linear_on_features(loaded: LoadedModel) -> bool:
    """Tell whether one linear layer on fixed features is all that is new."""
    model = loaded.model
    return (
        isinstance(model, PooledClassifier)
        and not model.config.hidden
        and model.config.combine != "mix"
        and all(name.startswith("head.") for name in loaded.new)
    )


def is_solvable(loaded: LoadedModel) -> bool:
    """Tell whether the head can be solved: it is linear, on fixed features, and the task says how, by `solved_as`."""
    linear = is_linear_on_features(loaded)
    if linear and not loaded.solvable:
        log.info("the linear head is trained by steps, for the task does not declare how it is solved (solved_as)")
    return linear and loaded.solvable


def _list_beside_encoder(loaded: LoadedModel) -> list[str]:
    """List the parameters outside the encoder, and the new ones inside it."""
    wanted = {*list_outside_encoder(loaded.model), *loaded.new}
    return [name for names in list_blocks(loaded.model, loaded.unread) for name in names if name in wanted]


def apply_frozen(strategy: FrozenStrategy, loaded: LoadedModel, rates: Rates, epochs: int) -> Adapted:
    """Train only the new parameters; of an encoder with a decoder or a pooled head, all that is outside the encoder.

    A linear head on fixed features is solved, and needs no epochs.

    Raises:
        ConfigError: `solver: lbfgs` asks for a solution where there is none, or nothing is new.
    """
    whole = loaded.model.config.is_encoder_decoder or isinstance(loaded.model, PooledClassifier)
    moving = _list_beside_encoder(loaded) if whole else sorted(loaded.new)
    if not moving:
        raise ConfigError(
            "strategy.kind: frozen leaves nothing to train, for the checkpoint brings its own head; "
            "use task.head.kind=pooled, or another strategy"
        )

    # Whether it is solved.
    solved = strategy.solver != "gradient" and is_solvable(loaded)
    if strategy.solver == "lbfgs" and not solved:
        lacking = "a linear pooled head on frozen features"
        if is_linear_on_features(loaded):
            lacking = "a task that declares solved_as"
        raise ConfigError(f"strategy.solver: lbfgs needs {lacking}; use gradient or auto")
    if strategy.adaptation != "none" and not solved:
        raise ConfigError(f"strategy.adaptation: {strategy.adaptation} needs a linear pooled head, which is solved")

    phase = Phase(
        name="frozen",
        epochs=1 if solved else epochs,
        rates={name: rates.fresh if name in loaded.new else rates.body for name in moving},
        solver="lbfgs" if solved else "gradient",
    )
    return Adapted(loaded.model, (phase,), strategy.cache, adaptation=_read_adaptation(strategy))


def _read_adaptation(strategy: FrozenStrategy) -> Adaptation | None:
    """Read how the head moves towards texts without labels."""
    if strategy.adaptation == "none":
        return None
    first, last = strategy.confident
    return Adaptation(strategy.adaptation, strategy.rounds, (first, last), strategy.clip)
