"""Describe what a strategy decides, and the whole plan of a training: its phases and what moves in each."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import nn
from transformers import PreTrainedModel

Solver = Literal["gradient", "lbfgs"]
Cache = Literal["disk", "memory", "none"]


@dataclass(frozen=True)
class Phase:
    """Some epochs in which the same parameters move.

    Attributes:
        name: for logs and tables.
        epochs: passes over the training data; 1 if the head is solved.
        rates: name of each moving parameter -> its peak learning rate; all others are frozen.
        solver: `gradient` for optimizer steps, `lbfgs` for an exact solution of a linear head on frozen features.
        judged: epochs between two looks at validation; the last one is always judged.
    """

    name: str
    epochs: int
    rates: Mapping[str, float]
    solver: Solver = "gradient"
    judged: int = 1

    def is_judged(self, epoch: int) -> bool:
        """Tell whether the state after an epoch, counted from 1, is judged on validation."""
        return epoch % self.judged == 0 or epoch == self.epochs


@dataclass(frozen=True)
class Adaptation:
    """How a training moves towards texts without labels.

    Attributes:
        kind: `mlm` while the encoder moves; the others while a head is solved.
        rounds: of self-training.
        confident: the share of the texts of each label that self-training takes first and last.
        clip: the largest importance weight.
        share: of the labelled loss in a step of `mlm`; None: that of the labelled texts.
    """

    kind: Literal["mlm", "self_training", "importance", "coral"]
    rounds: int = 1
    confident: tuple[float, float] = (1.0, 1.0)
    clip: float = 1.0
    share: float | None = None


@dataclass(frozen=True)
class Schedule:
    """The learning rate over the steps of a phase.

    Attributes:
        warmup: share of the steps in which the rate rises.
        head_warmup: the same for newly initialised parameters; None: as `warmup`.
        shape: of the decay after the warm-up.
    """

    warmup: float
    head_warmup: float | None
    shape: Literal["linear", "cosine", "constant"]

    def choose_warmup(self, *, head: bool) -> float:
        """Choose the share of the steps in which the rate rises, for new parameters (`head`) or others."""
        return self.head_warmup if head and self.head_warmup is not None else self.warmup


def return_plain(model: nn.Module) -> PreTrainedModel:
    """Return the model itself, for strategies that do not wrap it."""
    assert isinstance(model, PreTrainedModel)  # noqa: S101 - holds by construction
    return model


@dataclass(frozen=True)
class Adapted:
    """The decisions of a strategy.

    Attributes:
        model: the model to train; LoRA wraps it.
        phases: in order.
        cache: where activations of frozen layers are kept.
        finish: turns the trained model into a plain `transformers` model; LoRA merges its updates.
        adapter: whether the model holds a LoRA adapter, which is saved beside the merged model.
        adaptation: how it moves towards texts without labels; None: it does not.
        masked: a model that finds hidden words, on the same encoder, where that is how.
    """

    model: nn.Module
    phases: tuple[Phase, ...]
    cache: Cache
    finish: Callable[[nn.Module], PreTrainedModel] = return_plain
    adapter: bool = False
    adaptation: Adaptation | None = None
    masked: PreTrainedModel | None = None

    @property
    def takes_steps(self) -> bool:
        """Tell whether a phase takes optimizer steps; a solved head needs none."""
        return any(phase.solver == "gradient" for phase in self.phases)


@dataclass(frozen=True, kw_only=True)
class Plan(Adapted):
    """The decisions of a strategy, and the facts on the model that a training needs.

    Attributes:
        schedule: of the rates in every phase.
        new: names of the parameters without pretrained weights, as they were before LoRA wrapped the model.
        settled: whether all new parameters are a head on pretrained states.
        head: a note on the head that the checkpoint brought, for the user; empty if it brought none.
    """

    schedule: Schedule
    new: frozenset[str]
    settled: bool
    head: str

    @property
    def moving(self) -> frozenset[str]:
        """Names of the parameters that move in any phase."""
        return frozenset(name for phase in self.phases for name in phase.rates)

    def select_fresh(self, phase: Phase) -> frozenset[str]:
        """Select the new parameters that move in a phase: also LoRA's copies of a head, but not its adapters."""
        return frozenset(name for name in phase.rates if is_fresh(name, self.new))


def is_fresh(name: str, new: Collection[str]) -> bool:
    """Tell whether a parameter is new: it is one of `new`, or in LoRA's copy of a module of such."""
    return name in new or "modules_to_save" in name
