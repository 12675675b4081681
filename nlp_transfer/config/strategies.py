"""Define the section `strategy`: full, lora, frozen or gradual."""

from typing import Annotated, Any, Literal

from pydantic import Field

from nlp_transfer.config.base import Section
from nlp_transfer.config.fields import Positive, Rate, Share

FRESH = (
    "Rate of newly initialised modules. Unset: the same; with `learning_rate: auto` at least 1e-3 for a decoder or a "
    "sentence scorer; ten times the rate in an LP-FT probe that takes gradient steps."
)
MIXED: Any = Field(
    "none",
    description="`mlm`: each step also predicts masked words of `data.unlabelled` (UDALM, Karouzos et al. 2021), and "
    "the mixed loss on held-out rows, of which none needs a label of there, chooses the state.",
)


class FullStrategy(Section):
    """Every parameter moves, but for layers frozen on request."""

    kind: Literal["full"]
    freeze_below: int = Field(0, ge=0, description="Freeze the embeddings and this many lowest layers.")
    layer_decay: float = Field(1.0, gt=0.0, le=1.0, description="Learning-rate factor per layer, from the top down.")
    head_learning_rate: Rate | None = Field(None, description=FRESH)
    cache: Literal["disk", "memory", "none"] = Field("memory", description="Where frozen activations are kept.")
    adaptation: Literal["none", "mlm"] = MIXED


class LoraStrategy(Section):
    """Low-rank adapters (Hu et al. 2021) beside frozen weights; new modules are trained in full."""

    kind: Literal["lora"]
    rank: Positive = Field(16, description="Inner size of the two factors of an update.")
    alpha: Positive = Field(32, description="Scale of the update: alpha / rank (or / sqrt(rank) with `rslora`).")
    dropout: Share = Field(0.05, description="Of the input of the adapters.")
    targets: Literal["all-linear"] | list[str] = Field(
        "all-linear", description="`all-linear`, or endings of module names such as `query`."
    )
    embeddings: bool | None = Field(
        None, description="Adapt the word embeddings too; by default where nothing linear is pretrained: word vectors."
    )
    rslora: bool = Field(False, description="Scale by the square root of the rank (Kalajdzievski 2023).")
    dora: bool = Field(False, description="Learn length and direction of the weights apart (Liu et al. 2024).")
    init: Literal["default", "pissa"] = Field(
        "default", description="`pissa`: start from the principal parts of the weights (Meng et al. 2024)."
    )
    head_learning_rate: Rate | None = Field(None, description=FRESH)
    adapter: Literal["shared", "each"] = Field(
        "shared", description="Of several `tasks`: one for all, or one for each on the same frozen weights."
    )
    adaptation: Literal["none", "mlm"] = MIXED


class FrozenStrategy(Section):
    """The pretrained part never moves: its features are computed once and a head is trained on them."""

    kind: Literal["frozen"]
    solver: Literal["auto", "lbfgs", "gradient"] = Field(
        "auto",
        description="`lbfgs`: a linear head is solved exactly (for numbers in closed form); `gradient`: by steps. "
        "auto: solved where it can be.",
    )
    head_learning_rate: Rate | None = Field(None, description=FRESH)
    cache: Literal["disk", "memory"] = Field("disk", description="`disk` keeps the features for the next run.")
    adaptation: Literal["none", "self_training", "importance", "coral"] = Field(
        "none",
        description="How a solved head moves towards `data.unlabelled`. `self_training`: by its own most confident "
        "answers there; `importance`: rows of train weigh as much as they look like those; `coral`: features of train "
        "are given their covariance (Sun et al. 2016).",
    )
    rounds: Positive = Field(7, description="Of `self_training`; each solves the head again.")
    confident: list[Rate] = Field(
        [0.2, 0.5],
        min_length=2,
        max_length=2,
        description="Of `self_training`: which share of the texts of each predicted label, the most confident ones, is "
        "learned from in the first round and in the last (Zou et al. 2018, section 5).",
    )
    clip: float = Field(10.0, gt=1.0, description="Of `importance`: the largest weight, where the mean is 1.")


class GradualStrategy(Section):
    """Several phases: ULMFiT's top-down unfreezing, or linear probing then fine-tuning (LP-FT)."""

    kind: Literal["gradual"]
    schedule: Literal["ulmfit", "lp_ft"] = Field(
        "ulmfit", description="Howard & Ruder 2018, section 3.3; or Kumar et al. 2022."
    )
    blocks_per_phase: Positive = Field(2, description="Blocks (layers) unfrozen at the start of each phase.")
    phase_epochs: Positive = Field(1, description="Epochs of each phase but the last, which takes training.epochs.")
    head_learning_rate: Rate | None = Field(None, description=FRESH)
    rate_decay: float = Field(2.6, ge=1.0, description="A block learns this many times slower than the one above.")
    cache: Literal["disk", "memory", "none"] = Field("memory", description="Where frozen activations are kept.")
    adaptation: Literal["none", "mlm"] = MIXED


Strategy = Annotated[FullStrategy | LoraStrategy | FrozenStrategy | GradualStrategy, Field(discriminator="kind")]
