"""Define the interface of all sources, and the model that a source gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from logging import ERROR, LogRecord, getLogger
from typing import Any, Literal, Protocol, TypeVar

import torch
from torch import Tensor
from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from nlp_transfer.errors import SourceError

T = TypeVar("T")


@dataclass(frozen=True)
class LoadedModel:
    """A model that was built from a source.

    Attributes:
        model: the model to train.
        new: names of the parameters without pretrained weights.
        target_tokenizer: of the texts that it writes, if they have a vocabulary of their own.
        deep: whether a whole network stands on the encoder, such as a decoder, and not one or two layers.
        settled: whether all new parameters are a head on pretrained states, whose scale can be measured in advance.
        note: a note on the head that the checkpoint brought, for the user; empty if it brought none.
        unread: names of parameters that do not affect the answers; they are not trained.
        solvable: whether the task declares how a linear head is solved; see `TaskDeclaration.solved_as`.
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
        """Collect the configuration of this encoder as plain values, for the configuration of the model around it."""
        config = self.model.config
        return {**config.to_diff_dict(), "model_type": config.model_type}

    def under(self, model: PreTrainedModel, *, deep: bool = False) -> "LoadedModel":
        """Describe a model with this encoder inside and a new head; `deep` as in the attributes."""
        held = {name for name, _ in model.named_parameters()}  # the encoder's own pooler is not among them
        head = {name for name in held if name.startswith("head.")}
        below = held & {f"encoder.{name}" for name in self.new}
        return LoadedModel(model, frozenset(head | below), deep=deep, settled=not below)


@dataclass(frozen=True)
class OwnEmbedding:
    """The modules that a sentence-transformers folder has behind its encoder.

    Attributes:
        values: of a `SentenceEmbedding`; without a pooling there is none.
        tensors: the weights of its layers, by their names in there.
        longest: the most tokens that it was made for; None if it does not say.
        strange: modules that are not computed here, by folder and kind.
    """

    values: dict[str, Any]
    tensors: Mapping[str, Tensor]
    longest: int | None = None
    strange: Sequence[str] = ()

    @property
    def note(self) -> str:
        """Say what a head on it reads, and what else it could."""
        parts = ", ".join([*self.values["pooling"], *(step["name"] for step in self.values["steps"])])
        return (
            f"head: reads the embedding that the checkpoint's own encode gives ({parts}); task.head.layers=last_four "
            "reads its layers instead, often better where meaning is not all"
        )

    @property
    def whole(self) -> bool:
        """Tell whether all modules are computed here, so that the embedding is the folder's own."""
        return bool(self.values["pooling"]) and not self.strange


class Source(Protocol):
    """A pretrained part: a tokenizer and a model. Nothing is read before one of them is asked for.

    Every member may raise a `SourceError` that says what is wrong with the files.
    """

    @property
    def name(self) -> str:
        """The name that the user gave: of a bundled source, a path, or an id on the Hub."""

    @property
    def scratch(self) -> bool:
        """Whether only the architecture is used, with random weights."""

    @property
    def has_layers(self) -> bool:
        """Whether the encoder is a stack of layers, among which a head may choose, and not a table of vectors."""

    @property
    def pooling(self) -> Literal["cls", "mean", "max"]:
        """How the states of a text are pooled by default."""

    @property
    def embedding(self) -> OwnEmbedding | None:
        """The modules of its own that make an embedding of a text, if it has some."""

    @property
    def advice(self) -> Sequence[str]:
        """What its files say of its use and the configuration does not follow, a line each."""

    @property
    def unused(self) -> Mapping[str, str]:
        """Keys of the section `source` that have no effect here -> why, such as `not used by a bag`."""

    @property
    def config(self) -> PretrainedConfig:
        """The architecture."""

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of the input."""

    @property
    def target_tokenizer(self) -> PreTrainedTokenizerBase | None:
        """The tokenizer of the texts to write, if the source has one for them."""

    def encoder(self) -> LoadedModel:
        """Load the encoder without a head."""

    def offers(self, auto: str) -> bool:
        """Tell whether it has a model of a `transformers` Auto class, such as `AutoModelForSequenceClassification`."""

    def model(self, auto: Any, **settings: Any) -> LoadedModel:
        """Load the model of an Auto class. Rows of its head are matched to the labels in `settings` by name."""

    def beside(self, name: str) -> "Source":
        """Open the checkpoint `name`, whose decoder will stand beside this encoder; both or none are `scratch`."""


def run_quietly(load: Callable[[], T]) -> T:
    """Run a function without the report and bars of transformers; our own report says what is new and trains."""
    # Handlers are told, not the logger: else every logger of the process would forget what it lets through. Those of
    # the root have the reports too where the logger of transformers passes them on, as under CI.
    handlers = [*transformers_logging.get_logger().handlers, *getLogger().handlers]
    loud = [handler for handler in handlers if _is_wanted not in handler.filters]
    bars = transformers_logging.is_progress_bar_enabled()
    for handler in loud:
        handler.addFilter(_is_wanted)
    transformers_logging.disable_progress_bar()

    try:
        return load()
    finally:
        for handler in loud:
            handler.removeFilter(_is_wanted)
        if bars:
            transformers_logging.enable_progress_bar()


def _is_wanted(record: LogRecord) -> bool:
    """Tell an error from the reports of transformers; a handler may have the records of others too."""
    return record.levelno >= ERROR or not record.name.startswith("transformers")


def refuse_nonfinite(model: torch.nn.Module, what: str) -> None:
    """Refuse NaN and infinity in weights, because on some paths they still give finite outputs.

    Raises:
        SourceError: naming the tensor and the number of such values.
    """
    for name, tensor in model.named_parameters():
        if torch.isfinite(tensor.detach().sum()):  # then all values are, and adding them up is twenty times faster
            continue
        bad = int((~torch.isfinite(tensor)).sum())
        if bad:
            raise SourceError(f"{what}: {name} holds {bad} values that are NaN or infinite")
