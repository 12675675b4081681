"""What a task does: the one interface between the library and the files of `nlp_transfer_tasks`.

Nothing here imports torch.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from nlp_transfer.config.base import TaskOptions
from nlp_transfer.config.tasks import SCORED, Scores, TaskDeclaration
from nlp_transfer.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import PreTrainedModel

    from nlp_transfer.data.splits import Splits
    from nlp_transfer.models.encoding.batches import Batch, Encoded
    from nlp_transfer.models.encoding.tokenizers import Tokenizers
    from nlp_transfer.models.source import LoadedModel, Source

T = TypeVar("T")
Prediction = dict[str, Any]


class Baseline(dict[str, list[T]]):
    """What a simple method predicts, by split; and what it `chosen` of its settings in words, where it had a choice."""

    def __init__(self, by_split: Mapping[str, list[T]], *, chosen: str = "") -> None:
        """Keep both."""
        super().__init__(by_split)
        self.chosen = chosen


class Task(TaskDeclaration):
    """Examples, model, loss, decoding and score of one kind of work."""

    def __init_subclass__(cls, **settings: Any) -> None:
        """Forget how the head of another task is solved where the loss is not that task's."""
        super().__init_subclass__(**settings)
        if "loss" in vars(cls) and "solved_as" not in vars(cls):
            cls.solved_as = None

    @property
    def sample(self) -> int | None:
        """How many validation examples are enough to judge an epoch; None for all."""
        return None

    def settle(self, rows: "Dataset") -> Any:  # noqa: ARG002 - for those who have something to decide
        """Decide by the rows of train what the `settled` options leave to them; give back the options.

        They are saved with the run, so that prediction does as training did.
        """
        return self.options

    def calibrate(self, results: Sequence[Sequence[Any]], rows: "Dataset") -> Any:  # noqa: ARG002 - see `settle`
        """Decide by the raw results for rows of validation what the `calibrated` options leave to them; give them back.

        They are decided anew whenever an epoch is judged, and saved with the run as the best state has them.
        """
        return self.options

    @abstractmethod
    def build(self, source: "Source", rows: "Dataset", *, frozen: bool) -> "LoadedModel":
        """Build the model, with a target tokenizer where the task writes text.

        Args:
            source: where the pretrained part comes from.
            rows: of train, for what is fitted before training, such as a target vocabulary.
            frozen: the pretrained part will not move.
        """

    @abstractmethod
    def encode(self, rows: "Dataset", tokenizers: "Tokenizers", *, training: bool = False) -> "Encoded":
        """Turn rows into model inputs, with targets where the rows have them; an example may become several units."""

    @abstractmethod
    def loss(self, model: "torch.nn.Module", batch: "Batch", *, smoothing: float) -> "torch.Tensor":
        """Compute the weighted **sum** of the losses of a batch's units; the loop divides by the batch's weight."""

    @abstractmethod
    def infer(self, model: "PreTrainedModel", batch: "Batch", *, quick: bool = False) -> list[Any]:
        """Compute one raw result per unit, on the CPU; called without gradients and in eval mode.

        `quick` asks for the cheap way, to judge an epoch.
        """

    @abstractmethod
    def decode(self, results: Sequence[Sequence[Any]], rows: "Dataset", tokenizers: "Tokenizers") -> list[Prediction]:
        """Make one prediction per example from its row and the raw results of its units."""

    @abstractmethod
    def score(self, predictions: Sequence[Prediction], rows: "Dataset") -> Scores:
        """Score predictions against rows; at least the `selection` key."""

    @abstractmethod
    def hits(self, predictions: Sequence[Prediction], rows: "Dataset") -> list[float]:
        """Score each example alone by `selection` (for accuracy 1 or 0), to compare two models pair by pair."""

    def simple(self, rows: "Dataset") -> "dict[str, list[Prediction]]":  # noqa: ARG002 - for those who have some
        """Predict with simple methods that need no training, for rows that have the answers: name -> predictions."""
        return {}

    def references(self, rows: "Dataset") -> "list[Prediction] | None":  # noqa: ARG002 - for those who write
        """Return the references as predictions, if the task writes text that its tokenizer may be unable to write."""
        return None

    def baselines(self, splits: "Splits") -> "Mapping[str, Mapping[str, list[Prediction]]]":
        """Predict validation and test rows with simple methods: name -> split -> predictions.

        By default those of `simple`; a task whose methods are fitted on train has its own. A `Baseline` in place of the
        inner dict tells what a method chose, where it had a choice.
        """
        found: dict[str, dict[str, list[Prediction]]] = {}
        for split in SCORED:
            for name, said in self.simple(getattr(splits, split)).items():
                found.setdefault(name, {})[split] = said
        return found


def calibrate(task: Task, results: Sequence[Sequence[Any]], rows: "Dataset") -> Task:
    """Make the same task with its `calibrated` options decided by the raw results for rows of validation."""
    return type(task)(task.calibrate(results, rows), task.labels) if task.undecided else task


def make_task(kind: type[TaskDeclaration], options: TaskOptions, labels: tuple[str, ...] = ()) -> Task:
    """Make a task of a class that was found by its name.

    Raises:
        ConfigError: the class declares a task, and is none.
    """
    task = kind(options, labels)
    if not isinstance(task, Task):
        raise ConfigError(f"Task {kind.__name__} of '{kind.__module__}' is no nlp_transfer.Task; derive it from that")
    return task
