"""What a strategy hands to the training loop: phases, each a constant set of moving parameters and their rates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import nn
from transformers import PreTrainedModel

Solver = Literal["gradient", "lbfgs"]
Schedule = Literal["linear", "cosine", "constant"]


@dataclass(frozen=True)
class Phase:
    """A stretch of epochs in which the set of moving parameters is constant.

    Attributes:
        name: shown and logged.
        epochs: passes over the training data; 1 for a solver that needs no passes.
        rates: name of each moving parameter -> its peak learning rate; all others are frozen.
        solver: gradient steps, or an exact solution of a linear head on frozen features.
        warmup: share of the phase's steps with a rising rate.
        head: names of the newly initialised among them.
        head_warmup: the same for those; as `warmup` if unset.
        schedule: shape of the rate after the warm-up.
    """

    name: str
    epochs: int
    rates: Mapping[str, float]
    solver: Solver = "gradient"
    warmup: float = 0.1
    head: frozenset[str] = frozenset()
    head_warmup: float | None = None
    schedule: Schedule = "linear"


@dataclass(frozen=True)
class Plan:
    """A model made ready, its phases in order, and how to turn it back into a plain model.

    Attributes:
        model: what is trained.
        phases: in order.
        cache: where activations of frozen parts are kept: disk, memory or none.
        finish: trained model -> plain `transformers` model (LoRA merges here).
        adapter: the model holds a LoRA adapter to be saved beside the merged model.
        new: names of the parameters that no pretrained weights were found for, before LoRA wraps the model.
        settled: all of them are a head on states that are not new.
        head: what becomes of the head that a checkpoint brought, in words; empty where it brought none.
    """

    model: nn.Module
    phases: tuple[Phase, ...]
    cache: str
    finish: Callable[[nn.Module], PreTrainedModel]
    adapter: bool = False
    new: frozenset[str] = frozenset()
    settled: bool = False
    head: str = ""

    @property
    def moving(self) -> frozenset[str]:
        """Names of the parameters that move in any phase."""
        return frozenset(name for phase in self.phases for name in phase.rates)


def plain(model: nn.Module) -> PreTrainedModel:
    """The model itself, for strategies that did not wrap it."""
    assert isinstance(model, PreTrainedModel)  # noqa: S101 - holds by construction
    return model
