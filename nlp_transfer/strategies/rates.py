"""Peak learning rates: those that the configuration names, or known-good ones for `auto`."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from nlp_transfer.config.sections import Strategy, TrainingConfig
from nlp_transfer.models.anatomy import list_outside_encoder
from nlp_transfer.models.source import LoadedModel
from nlp_transfer.strategies.plan import Phase

# A checkpoint's layers are tuned gently, fresh layers and adapters are not.
PRETRAINED_RATES = {"full": 5e-5, "lora": 5e-4, "frozen": 1e-3, "gradual": 1e-4}
SCRATCH_RATE = 1e-4  # random layers need larger steps than pretrained ones; at 3e-4 and above they did not learn
# Of a decoder or a scorer from nothing beside a pretrained encoder; cf. Liu & Lapata 2019, section 3.2.
DEEP_RATE = 1e-3
STATIC_RATES = {"full": 1e-3, "lora": 1e-3, "frozen": 1e-3, "gradual": 1e-3}


@dataclass(frozen=True)
class Rates:
    """Peak rates that a strategy works with.

    Attributes:
        body: of the topmost pretrained block, or of adapters.
        head: of newly initialised parameters; None where nobody has said so.
        gentle: the most that a pretrained part outside the encoder may learn at; None: as the body.
    """

    body: float
    head: float | None
    gentle: float | None = None

    @property
    def fresh(self) -> float:
        """The rate of newly initialised parameters."""
        return self.head or self.body


def choose_rates(
    strategy: Strategy, training: TrainingConfig, loaded: LoadedModel, *, has_layers: bool, scratch: bool
) -> Rates:
    """Take the rates that the configuration names, and for `auto` those that are known to be good."""
    head = strategy.head_learning_rate
    if not isinstance(training.learning_rate, str):
        return Rates(training.learning_rate, head)

    body = (PRETRAINED_RATES if has_layers else STATIC_RATES)[strategy.kind]
    gentle = SCRATCH_RATE if scratch else PRETRAINED_RATES["full"]
    if scratch and has_layers and strategy.kind in ("full", "gradual"):
        body = SCRATCH_RATE
    if loaded.deep and has_layers and strategy.kind == "frozen":
        body = gentle  # of a pretrained decoder beside the encoder
    if loaded.deep and head is None:
        head = max(body, DEEP_RATE)

    return Rates(body, head, None if has_layers else gentle)


def hold_back(phase: Phase, rates: Rates, loaded: LoadedModel) -> Phase:
    """Let a pretrained decoder learn no faster than is gentle, where a table of vectors beside it learns fast."""
    if rates.gentle is None:
        return phase
    warm = {*list_outside_encoder(loaded.model)} - loaded.new
    return replace(phase, rates=_limit(rates.gentle, phase, warm))


def _limit(most: float, phase: Phase, names: Collection[str]) -> dict[str, float]:
    return {name: min(rate, most) if name in names else rate for name, rate in phase.rates.items()}
