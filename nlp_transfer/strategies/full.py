"""`full`: train every parameter, but for the lowest layers if they are to stay frozen."""

from nlp_transfer.config.strategies import FullStrategy
from nlp_transfer.errors import ConfigError
from nlp_transfer.models.anatomy import list_blocks
from nlp_transfer.models.source import LoadedModel
from nlp_transfer.strategies.plan import Adapted, Phase
from nlp_transfer.strategies.rates import Rates


def apply_full(strategy: FullStrategy, loaded: LoadedModel, rates: Rates, epochs: int) -> Adapted:
    """Fine-tune (Devlin et al. 2019), optionally with layer-wise rates (Sun et al. 2019, section 5.3.4).

    Raises:
        ConfigError: `freeze_below` would freeze the whole encoder.
    """
    stack = list_blocks(loaded.model, loaded.unread)
    layers = len(stack) - 2  # without the embeddings below and the head above them
    if strategy.freeze_below and strategy.freeze_below >= layers:
        raise ConfigError(
            f"strategy.freeze_below: {strategy.freeze_below} of {layers} layers; to train the head "
            "only, use strategy.kind=frozen"
        )

    lowest = strategy.freeze_below + 1 if strategy.freeze_below else 0
    moving: dict[str, float] = {}
    for depth, names in enumerate(stack[lowest:], lowest):
        rate = rates.body * strategy.layer_decay ** max(0, layers - depth)
        moving |= {name: rates.fresh if name in loaded.new else rate for name in names}
    return Adapted(loaded.model, (Phase("full", epochs, moving),), strategy.cache)
