"""`full`: every parameter moves, but for the lowest layers frozen on request."""

from nlp_transfer.errors import ConfigError
from nlp_transfer.models.anatomy import blocks
from nlp_transfer.models.source import LoadedModel
from nlp_transfer.strategies.plan import Phase, Plan, plain


def full(
    loaded: LoadedModel,
    *,
    epochs: int,
    learning_rate: float,
    freeze_below: int = 0,
    layer_decay: float = 1.0,
    head_learning_rate: float | None = None,
    cache: str = "memory",
) -> Plan:
    """Fine-tune (Devlin et al. 2019), optionally with layer-wise rates (Sun et al. 2019, section 5.3.4).

    Args:
        loaded: the model and its new parameters.
        epochs: in the one phase.
        learning_rate: of the topmost block.
        freeze_below: freeze the embeddings and this many lowest layers; 0 freezes nothing.
        layer_decay: each block learns this much slower than the one above it.
        head_learning_rate: of newly initialised parameters.
        cache: where activations of frozen layers are kept.

    Raises:
        ConfigError: nothing of the encoder would be left to train.
    """
    stack = blocks(loaded.model, loaded.unread)
    if freeze_below and freeze_below >= len(stack) - 2:
        raise ConfigError(
            f"strategy.freeze_below: {freeze_below} of {len(stack) - 2} layers; to train the head "
            "only, use strategy.kind=frozen"
        )
    frozen = freeze_below + 1 if freeze_below else 0
    rates = {}
    for depth, names in enumerate(stack):
        if depth < frozen:
            continue
        for name in names:
            rate = learning_rate * layer_decay ** max(0, len(stack) - 2 - depth)
            rates[name] = (head_learning_rate or learning_rate) if name in loaded.new else rate
    return Plan(loaded.model, (Phase("full", epochs, rates),), cache, plain)
