"""What a model is built from: the interface of all sources, and the model that one gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

import torch
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from nlp_transfer.errors import SourceError

T = TypeVar("T")


@dataclass(frozen=True)
class LoadedModel:
    """A model made from a source.

    Attributes:
        model: to train.
        new: the names of its parameters that no pretrained weights were found for.
        target_tokenizer: of what it writes, where that has a vocabulary of its own.
        deep: on the encoder stands a network, not a layer or two.
        settled: all that is new is a head on states that are not, so their scale can be told before it trains.
        note: what became of the head that the checkpoint brought, for the user; empty where it brought none.
        unread: the names of parameters that its answers do not depend on, which stay as they are.
        solvable: the task's loss is one that a linear head can be solved for; see `TaskDeclaration.solved_as`.
    """

    model: PreTrainedModel
    new: frozenset[str]
    target_tokenizer: PreTrainedTokenizerBase | None = None
    deep: bool = False
    settled: bool = False
    note: str = ""
    unread: frozenset[str] = frozenset()
    solvable: bool = False

    def values(self) -> dict[str, Any]:
        """Write the configuration of this encoder as the one around it keeps it."""
        config = self.model.config
        return {**config.to_diff_dict(), "model_type": config.model_type}

    def under(self, model: PreTrainedModel, *, deep: bool = False) -> "LoadedModel":
        """Put this encoder inside a model; all of its head is new."""
        held = {name for name, _ in model.named_parameters()}  # an encoder's own pooler is dropped, new or not
        head = {name for name in held if name.startswith("head.")}
        below = held & {f"encoder.{name}" for name in self.new}
        return LoadedModel(model, frozenset(head | below), deep=deep, settled=not below)


class Source(Protocol):
    """Pretrained knowledge: a tokenizer, and a model made on request. Nothing is read before one of them is asked for.

    Every member may raise a `SourceError` that says what is wrong with the place.
    """

    @property
    def name(self) -> str:
        """As the user named it: bundled, a path, or an id on the Hub."""

    @property
    def scratch(self) -> bool:
        """Whether the architecture is kept and the weights are drawn anew."""

    @property
    def has_layers(self) -> bool:
        """Whether the encoder is a stack of layers, not a table: a head may choose among them, and rates are lower."""

    @property
    def pooling(self) -> Literal["mean", "max"]:
        """How the states of a text become one where nobody says otherwise."""

    @property
    def unused(self) -> Mapping[str, str]:
        """Keys of its section of the configuration that change nothing here -> why, as `not used by a bag`."""

    @property
    def config(self) -> PretrainedConfig:
        """The architecture."""

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Of the input."""

    @property
    def target_tokenizer(self) -> PreTrainedTokenizerBase | None:
        """Of what it writes, where it brings one of its own."""

    def encoder(self) -> LoadedModel:
        """Load its encoder without a head."""

    def offers(self, auto: str) -> bool:
        """Tell whether it has a model of a `transformers` Auto class, as `AutoModelForSequenceClassification`."""

    def model(self, auto: Any, **settings: Any) -> LoadedModel:
        """Load its model of an Auto class, the rows of the head under the names of the labels in `settings`."""

    def beside(self, name: str) -> "Source":
        """Name a checkpoint whose decoder stands beside this encoder, drawn anew where this one is."""


def quietly(load: Callable[[], T]) -> T:
    """Run without the loading report and bars of transformers; ours says what is new and what would train."""
    level = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        return load()
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()


def refuse_nonfinite(model: torch.nn.Module, what: str) -> None:
    """Refuse NaN and infinity in weights: on some paths they still give finite outputs.

    Raises:
        SourceError: naming the tensor and the count.
    """
    for name, tensor in model.named_parameters():
        bad = int((~torch.isfinite(tensor)).sum())
        if bad:
            raise SourceError(f"{what}: {name} holds {bad} values that are NaN or infinite")
