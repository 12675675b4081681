"""Choose the peak learning rates: those of the configuration, or for `auto` those that are known to be good."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from nlp_transfer.config.strategies import Strategy
from nlp_transfer.config.training import TrainingConfig
from nlp_transfer.models.anatomy import list_outside_encoder
from nlp_transfer.models.source import LoadedModel
from nlp_transfer.strategies.plan import Phase

# Pretrained layers need small rates, or they forget; new layers and adapters need larger ones.
PRETRAINED_RATES = {"full": 5e-5, "lora": 5e-4, "frozen": 1e-3, "gradual": 1e-4}
SOLVED_RATES = {"full": 1e-5, "lora": 1e-4}  # from a solved head on
SCRATCH_RATE = 1e-4  # random layers need larger steps than pretrained ones; at 3e-4 and above they did not learn
# For a new decoder or sentence scorer beside a pretrained encoder; compare Liu & Lapata 2019, section 3.2.
DEEP_RATE = 1e-3
STATIC_RATES = {"full": 1e-3, "lora": 1e-3, "frozen": 1e-3, "gradual": 1e-3}


@dataclass(frozen=True)
class Rates:
    """The peak rates of a strategy.

    Attributes:
        body: of the topmost pretrained block, or of adapters.
        head: of newly initialised parameters; None: as `body`.
        gentle: the largest rate of a pretrained part outside the encoder; None: no limit.
    """

    body: float
    head: float | None
    gentle: float | None = None

    @property
    def fresh(self) -> float:
        """The rate of newly initialised parameters."""
        return self.head or self.body


def choose_rates(
    strategy: Strategy,
    training: TrainingConfig,
    loaded: LoadedModel,
    *,
    has_layers: bool,
    scratch: bool,
    gently: bool = False,
) -> Rates:
    """Choose the rates of the configuration, or for `auto` those that are known to be good.

    `gently` limits those of layers whose head is solved already.
    """
    head = strategy.head_learning_rate
    if not isinstance(training.learning_rate, str):
        return Rates(training.learning_rate, head)

    body = (PRETRAINED_RATES if has_layers else STATIC_RATES)[strategy.kind]
    gentle = SCRATCH_RATE if scratch else PRETRAINED_RATES["full"]
    if scratch and has_layers and strategy.kind in ("full", "gradual"):
        body = SCRATCH_RATE
    if gently:
        body = SOLVED_RATES[strategy.kind]
    if loaded.deep and has_layers and strategy.kind == "frozen":
        body = gentle  # it trains a pretrained decoder beside the frozen encoder
    if loaded.deep and head is None:
        head = max(body, DEEP_RATE)

    return Rates(body, head, None if has_layers else gentle)


def hold_back(phase: Phase, rates: Rates, loaded: LoadedModel) -> Phase:
    """Limit the rate of a pretrained decoder to `gentle`, because the table of vectors beside it learns faster."""
    if rates.gentle is None:
        return phase
    warm = {*list_outside_encoder(loaded.model)} - loaded.new
    return replace(phase, rates=_limit_rates(rates.gentle, phase, warm))


def _limit_rates(most: float, phase: Phase, names: Collection[str]) -> dict[str, float]:
    return {name: min(rate, most) if name in names else rate for name, rate in phase.rates.items()}
