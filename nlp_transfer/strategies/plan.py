"""What a strategy decides, and the finished plan of a training: phases, each a constant set of moving parameters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import nn
from transformers import PreTrainedModel

Solver = Literal["gradient", "lbfgs"]
Cache = Literal["disk", "memory", "none"]


@dataclass(frozen=True)
class Phase:
    """A stretch of epochs in which the set of moving parameters is constant.

    Attributes:
        name: shown and logged.
        epochs: passes over the training data; 1 for a solver that needs no passes.
        rates: name of each moving parameter -> its peak learning rate; all others are frozen.
        solver: gradient steps, or an exact solution of a linear head on frozen features.
    """

    name: str
    epochs: int
    rates: Mapping[str, float]
    solver: Solver = "gradient"


@dataclass(frozen=True)
class Schedule:
    """How rates go over the steps of each phase.

    Attributes:
        warmup: share of the phase's steps with a rising rate.
        head_warmup: the same for newly initialised parameters; as `warmup` if None.
        shape: of the rate after the warm-up.
    """

    warmup: float
    head_warmup: float | None
    shape: Literal["linear", "cosine", "constant"]

    def rise(self, *, head: bool) -> float:
        """Give the share of the steps in which a rate rises."""
        return self.head_warmup if head and self.head_warmup is not None else self.warmup


def return_plain(model: nn.Module) -> PreTrainedModel:
    """Return the model itself, for strategies that did not wrap it."""
    assert isinstance(model, PreTrainedModel)  # noqa: S101 - holds by construction
    return model


@dataclass(frozen=True)
class Adapted:
    """What a strategy decides.

    Attributes:
        model: what is trained.
        phases: in order.
        cache: where activations of frozen parts are kept: disk, memory or none.
        finish: trained model -> plain `transformers` model (LoRA merges here).
        adapter: the model holds a LoRA adapter to be saved beside the merged model.
    """

    model: nn.Module
    phases: tuple[Phase, ...]
    cache: Cache
    finish: Callable[[nn.Module], PreTrainedModel] = return_plain
    adapter: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan(Adapted):
    """What a strategy decides, and what the model and the configuration add to it: all that a training needs.

    Attributes:
        schedule: of the rates in every phase.
        new: names of the parameters that no pretrained weights were found for, before LoRA wraps the model.
        settled: all of them are a head on states that are not new.
        head: what becomes of the head that a checkpoint brought, in words; empty where it brought none.
    """

    schedule: Schedule
    new: frozenset[str]
    settled: bool
    head: str

    @property
    def moving(self) -> frozenset[str]:
        """Names of the parameters that move in any phase."""
        return frozenset(name for phase in self.phases for name in phase.rates)

    def fresh(self, phase: Phase) -> frozenset[str]:
        """Name the newly initialised parameters of a phase; LoRA trains copies of them, its adapters are no head."""
        return frozenset(name for name in phase.rates if name in self.new or "modules_to_save" in name)
