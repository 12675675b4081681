"""Define what a task does: the one interface between the library and the files of `nlp_transfer_tasks`.

This module does not import torch.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from nlp_transfer.config.base import TaskOptions
from nlp_transfer.config.tasks import SCORED, Scores, TaskDeclaration
from nlp_transfer.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from nlp_transfer.data.rows import TaskRows
    from nlp_transfer.data.splits import Splits
    from nlp_transfer.models.encoding.batches import Batch, Encoded
    from nlp_transfer.models.encoding.tokenizers import Tokenizers
    from nlp_transfer.models.source import LoadedModel, Source

T = TypeVar("T")
Prediction = dict[str, Any]


class Spent(NamedTuple):
    """What a simple method took: seconds to fit, milliseconds a text `alone` and in a `batch`, and megabytes."""

    seconds: float
    alone: float
    together: float
    batch: int
    megabytes: float


class Baseline(dict[str, list[T]]):
    """The predictions of a simple method: split -> predictions.

    `chosen` says which settings it chose, if any, and `spent` what it took, if that was measured.
    """

    def __init__(self, by_split: Mapping[str, list[T]], *, chosen: str = "", spent: Spent | None = None) -> None:
        """Keep predictions by split, the choice in words, and what it took."""
        super().__init__(by_split)
        self.chosen = chosen
        self.spent = spent

    def convert(self, change: Callable[[T], Prediction]) -> "Baseline[Prediction]":
        """Turn each answer into a prediction, and keep the rest."""
        by_split = {split: [change(one) for one in said] for split, said in self.items()}
        return Baseline(by_split, chosen=self.chosen, spent=self.spent)


class Task(TaskDeclaration):
    """One kind of work: it builds the model, encodes, computes the loss, decodes and scores."""

    def __init_subclass__(cls, **settings: Any) -> None:
        """Reset what was declared of methods of a parent that a class overrides, for it may not fit them.

        For example, a class with a loss of its own has no `solved_as` until it declares it.
        """
        super().__init_subclass__(**settings)
        if "loss" in vars(cls) and "solved_as" not in vars(cls):
            cls.solved_as = None
        if not {"infer", "decode"}.isdisjoint(vars(cls)) and "probabilities" not in vars(cls):
            cls.probabilities = None

    @property
    def sample(self) -> int | None:
        """The number of validation examples that judge an epoch; None for all."""
        return None

    def settle(self, rows: "TaskRows") -> Any:  # noqa: ARG002 - for tasks with something to choose
        """Choose the values of the `settled` options from the rows of train, and return all options.

        For example, `language: auto` becomes `language: de`. The options are saved with the run, so that prediction
        does the same as training.
        """
        return self.options

    def calibrate(self, results: Sequence[Sequence[Any]], rows: "TaskRows") -> Any:  # noqa: ARG002 - see `settle`
        """Choose the values of the `calibrated` options, such as thresholds, from the raw results for validation.

        They are chosen again whenever an epoch is judged. Those of the best state are saved with the run.

        Returns:
            All options.
        """
        return self.options

    @abstractmethod
    def build(self, source: "Source", rows: "TaskRows", *, frozen: bool) -> "LoadedModel":
        """Build the model; for a task that writes text, also a target tokenizer.

        Args:
            source: the pretrained part.
            rows: of train; for example, a target vocabulary is learned from them.
            frozen: whether the pretrained part will not be trained.
        """

    @abstractmethod
    def encode(self, rows: "TaskRows", tokenizers: "Tokenizers", *, training: bool = False) -> "Encoded":
        """Turn rows into model inputs, and answers into targets if there are any. An example may have several units."""

    @abstractmethod
    def loss(self, model: "torch.nn.Module", batch: "Batch", *, smoothing: float) -> "torch.Tensor":
        """Compute the weighted **sum** of the losses of a batch's units, (). The training divides it by a weight."""

    @abstractmethod
    def infer(self, model: "PreTrainedModel", batch: "Batch", *, quick: bool = False) -> list[Any]:
        """Compute a raw result for each unit, on the CPU. It is called without gradients and in eval mode.

        `quick` asks for a cheap way, such as greedy search, to judge an epoch.
        """

    @abstractmethod
    def decode(self, results: Sequence[Sequence[Any]], rows: "TaskRows", tokenizers: "Tokenizers") -> list[Prediction]:
        """Make a prediction for each example from its row and the raw results of its units."""

    @abstractmethod
    def score(self, predictions: Sequence[Prediction], rows: "TaskRows") -> Scores:
        """Score predictions against rows. The scores must have the key `selection`."""

    @abstractmethod
    def hits(self, predictions: Sequence[Prediction], rows: "TaskRows") -> list[float]:
        """Score each example alone, for accuracy by 1 or 0, so that two models can be compared example by example."""

    def simple(self, rows: "TaskRows") -> "dict[str, list[Prediction]]":  # noqa: ARG002 - for tasks that have some
        """Predict by simple methods that need no training, from rows with answers: name -> predictions."""
        return {}

    def references(self, rows: "TaskRows") -> "list[Prediction] | None":  # noqa: ARG002 - for tasks that write
        """Return the references as predictions, for a task that writes text; None for others.

        They show how much of the references the tokenizer can write.
        """
        return None

    def baselines(self, splits: "Splits") -> "Mapping[str, Mapping[str, list[Prediction]]]":
        """Predict validation and test by simple methods: name -> split -> predictions.

        By default these are the methods of `simple`. A task whose methods are fitted on train overrides this. It may
        return a `Baseline` instead of the inner dict, to say which settings a method chose. Runs of a command that
        share rows and options ask once, so nothing may depend on the seed of the training.
        """
        found: dict[str, dict[str, list[Prediction]]] = {}
        for split in SCORED:
            for name, said in self.simple(getattr(splits, split)).items():
                found.setdefault(name, {})[split] = said
        return found


def apply_calibration(task: Task, results: Sequence[Sequence[Any]], rows: "TaskRows") -> Task:
    """Return the task with its `calibrated` options chosen from the raw results for validation."""
    return type(task)(task.calibrate(results, rows), task.labels) if task.undecided else task


def make_task(kind: type[TaskDeclaration], options: TaskOptions, labels: tuple[str, ...] = ()) -> Task:
    """Make a task of a class that was found by its name.

    Raises:
        ConfigError: the class is a `TaskDeclaration`, but no `Task`.
    """
    task = kind(options, labels)
    if not isinstance(task, Task):
        raise ConfigError(f"Task {kind.__name__} of '{kind.__module__}' is no nlp_transfer.Task; derive it from that")
    return task
