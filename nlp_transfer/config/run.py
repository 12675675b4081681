"""Define a run: one source x strategy x task on data, and what no run can honour."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import Field, PrivateAttr, SerializeAsAny, ValidationInfo, WrapValidator, model_validator

from nlp_transfer.config.base import Section, TaskOptions
from nlp_transfer.config.data import DataConfig
from nlp_transfer.config.metrics import add_metrics
from nlp_transfer.config.sources import CheckpointSource, Source, VectorsSource
from nlp_transfer.config.strategies import FullStrategy, Strategy
from nlp_transfer.config.tasks import LABELLED, TaskDeclaration, find_task
from nlp_transfer.config.training import TrainingConfig
from nlp_transfer.errors import ConfigError, suggest


def validate_task(value: Any, handler: Any, info: ValidationInfo) -> TaskOptions:
    """Validate the task section with the class that its task declares."""
    if isinstance(value, TaskOptions):
        return value
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        return handler(value)  # type: ignore[no-any-return]
    try:
        options = _find_task_class(value["name"], info).Options
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return options.model_validate(dict(value), strict=True)


def _find_task_class(name: str, info: ValidationInfo) -> type[TaskDeclaration]:
    """Return the task that the caller gave, or else find the one of that name."""
    return (info.context and info.context.task) or find_task(name)


class Given(NamedTuple):
    """What is known beside the values: the task, and whether the modules that they name may be imported."""

    task: type[TaskDeclaration] | None
    imports: bool


class RunConfig(Section):
    """One source x strategy x task on data: everything a run folder can be made again from."""

    task: Annotated[SerializeAsAny[TaskOptions], WrapValidator(validate_task)]
    source: Source = CheckpointSource(kind="checkpoint")
    strategy: Strategy = FullStrategy(kind="full")
    data: DataConfig
    training: TrainingConfig = TrainingConfig()
    output: str | None = Field(None, description="Run folder; by default the first free `runs/NAME` of the file.")
    _task_class: type[TaskDeclaration] = PrivateAttr()

    @property
    def task_class(self) -> type[TaskDeclaration]:
        """The class of the task, which knows what chooses the checkpoint.

        It is looked up once, because in a saved configuration the name must not decide what is imported.
        """
        return self._task_class

    @model_validator(mode="after")
    def _agree(self, info: ValidationInfo) -> "RunConfig":
        """Find the task; refuse what no run can honour."""
        self._task_class = _find_task_class(self.task.name, info).for_options(self.task)
        problems, imported = [], info.context is None or info.context.imports

        try:
            self._task_class = add_metrics(self._task_class, self.task.list_metrics(), imported=imported)
        except ConfigError as error:
            problems.append(str(error))
        idle = [one.name for one in self._task_class.metrics if one not in self._task_class.functions]
        if self.training.selection not in ("auto", *idle):
            try:
                self._task_class = self._task_class.selecting_by(self.training.selection)
            except ConfigError as error:
                problems.append(f"training.selection: {error}")

        if isinstance(self.strategy, FullStrategy) and self.strategy.freeze_below and self.source.scratch:
            problems.append("strategy.freeze_below with source.scratch: true would freeze random layers")
        passes = self.training.accumulation
        if passes != "auto" and passes > self.training.batch_size:
            problems.append("training.accumulation cannot cut training.batch_size in more parts than it has examples")

        cut = {name: getattr(self.data, f"{name}_share") for name in ("validation", "test")}
        if sum(share for name, share in cut.items() if getattr(self.data, name) is None) >= 1:
            problems.append("data.validation_share and data.test_share together leave nothing of train")

        roles = self.task_class.roles
        for role in self.data.columns:
            if role not in roles:
                problems.append(f"data.columns.{role}: unknown role. {suggest(role, roles)}")
        problems += self._find_adaptation_faults()
        if isinstance(self.source, VectorsSource) and self.source.width % 2 and self.source.contextualizer == "bilstm":
            problems.append("source.width must be even for a bilstm: half of it runs in each direction")

        if problems:
            raise ValueError("\n  ".join(problems))
        return self

    def _find_adaptation_faults(self) -> list[str]:
        """Find what speaks against moving towards texts without labels."""
        task, way = self.task_class, self.strategy.adaptation
        if LABELLED.isdisjoint(task.roles.values()) and "number" not in task.roles.values():
            if self.data.unlabelled is None and way == "none":
                return []
            key = "data.unlabelled" if way == "none" else f"strategy.adaptation: {way}"
            return [f"{key}: is for tasks that answer with labels or numbers, and '{self.task.name}' does not"]
        if way == "none":
            return []

        faults = []
        if self.data.unlabelled is None:
            faults.append(f"strategy.adaptation: {way} reads data.unlabelled; name texts of where the model is to work")
        if way == "self_training" and task.probabilities is None:
            faults.append(
                "strategy.adaptation: self_training follows confident answers, and those of this task have no "
                "probability; take importance or coral"
            )
        if way != "mlm" and getattr(self.strategy, "solver", "") == "gradient":
            faults.append(f"strategy.adaptation: {way} needs a head that is solved, and strategy.solver is gradient")
        return faults

    def each_seed(self) -> "list[RunConfig]":
        """Split a run of several `training.seeds` into runs of one seed; without them, return the run itself."""
        return [
            self.model_copy(update={"training": self.training.model_copy(update={"seed": seed, "seeds": None})})
            for seed in self.training.seeds or ()
        ] or [self]
