"""Choose how long a training lasts: `training.epochs`, or for `auto` by the rows of train and by what is to be learned.

A pretrained network needs a few epochs, but never fewer optimizer steps than it takes to move at all: three epochs of
sixteen rows are three steps (Mosbach et al. 2021, section 6). What begins at random numbers, or at a table of vectors
alone, learns for longer, and validation says when it has learned enough.
"""

import math
from dataclasses import dataclass, replace

from nlp_transfer.config.training import TrainingConfig
from nlp_transfer.models.source import LoadedModel
from nlp_transfer.strategies.plan import Phase

PRETRAINED = 3  # epochs of a pretrained network under a new head
UNTRAINED = 20  # of networks that hold random layers, and of tables of vectors
STEPS = 200  # fewest optimizer steps
LOOKS = 20  # most looks at validation in a phase
PATIENCE = 5  # looks without a better score, after which a phase ends


@dataclass(frozen=True)
class Length:
    """How long the phases last.

    Attributes:
        epochs: of the last phase.
        stretch: how many times longer than told the phases before it are.
        looks: most looks at validation in a phase; None: one after each epoch.
    """

    epochs: int
    stretch: int = 1
    looks: int | None = None

    def set_looks(self, phase: Phase) -> Phase:
        """Set how often a phase is judged."""
        return replace(phase, judged=math.ceil(phase.epochs / self.looks)) if self.looks else phase


def choose_length(
    training: TrainingConfig, loaded: LoadedModel, units: int, *, pretrained: bool, steps: int | None = None
) -> Length:
    """Choose the length of a training.

    Args:
        training: of the configuration.
        loaded: the model; one with a deep head, such as a new decoder, learns that for longer.
        units: texts of train, or windows of long ones.
        pretrained: the encoder is a network with pretrained weights.
        steps: fewest optimizer steps; by default `STEPS`.
    """
    if training.epochs != "auto":
        return Length(training.epochs)

    usual = PRETRAINED if pretrained and not loaded.deep else UNTRAINED
    batches = math.ceil(units / training.batch_size)
    stretch = math.ceil((steps or STEPS) / (usual * batches))
    return Length(usual * stretch, stretch, LOOKS)
