"""What a task declares, and how one is found: by name, so a new one is one file; see tasks/README.md.

Nothing here imports torch.
"""

import functools
import importlib
import inspect
import pkgutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Literal, Self

from nlp_transfer.config.base import Metric, TaskOptions
from nlp_transfer.errors import ConfigError, suggest

Scores = dict[str, Any]
RoleKind = Literal["text", "texts", "label", "labels", "number"]
LABELLED: frozenset[RoleKind] = frozenset({"label", "labels"})
SolvedAs = Literal["softmax", "sigmoid", "identity"]
SCORED = ("validation", "test")  # splits
PACKAGE = "nlp_transfer_tasks"
OWN = "A task of your own goes by its dotted module, such as mine.task."
HOME = Path(__file__).parents[2]
HOMES = (HOME, HOME / "tasks")  # where that package stands: installed, and in the repository


class TaskDeclaration(ABC):
    """What a task says of itself: its data, its options, its scores and its card.

    `roles` names what a row must hold and of which kind: a `text`, `texts` (one or a list, such as sentences or
    references; always arriving as a list), a `label`, `labels`, of which a row has any number, none included, or a
    `number`. Data arrives with the roles as column names, labels already as integers into `labels`, those of a row of
    several as a sorted list. `inputs` names the roles that are read to predict, all of them of texts: by default the
    first role.
    `selection` names the validation score (higher is better) that chooses the checkpoint, `selectable` those that a
    user may name instead (by default what is shown); `shown` the scores of a table, where they were measured, `points`
    the factor from score to points (100 for shares), `compared` what `hits` measures where that is another score than
    `selection`, `ceilings` those of the `baselines` that know the answers.
    `metrics` and `functions` are those of `task.metrics`, which `add_metrics` sets; see there.
    `logits_only` says that `loss` and `infer` read nothing of a classifier but its logits, so that what these do not
    depend on need not be computed.
    `solved_as` says that `loss` is one for which a linear head on fixed features need not be trained by steps: the
    weighted cross-entropy under a `softmax` (multinomial logistic regression), the binary ones under a `sigmoid` for
    each output (one logistic regression each), or the squared error of the outputs themselves (`identity`: ridge
    regression). Targets are class ids for the first, (outputs,) numbers a unit for the others. None: by steps, as also
    where a task overrides the `loss` of another and does not declare it again.
    `probabilities` says that those of the answers are the `softmax` of the mean of the logits that `infer` gives for
    the units of an example, or the `sigmoid` of each. Then a temperature is fitted on validation, which becomes part of
    the model's last layer, and confidence is measured on test. None: neither is done, as also where a task overrides
    the `infer` or `decode` of another and does not declare it again.
    `spoils_inputs` says that `loss` changes what the model reads, otherwise each time, so that no activations of it can
    be stored.
    `untrained` names a baseline that is the model itself before its training; None: there is none.
    `length_option` names the option that says how many tokens of an input are read.
    `settled` names the options that may be `auto`, and are then decided by `settle`.
    `calibrated` names the options that may be `auto`, and are then decided by `calibrate` on validation.
    For the model card: the Hub's `pipeline_tag` of the task, its name for a score where that is another than ours
    (`hub_metrics`), and an input to show the use with, the `example`: a text; role -> text where there are several
    inputs.
    """

    Options: ClassVar[type[TaskOptions]] = TaskOptions
    roles: ClassVar[Mapping[str, RoleKind]]
    inputs: ClassVar[tuple[str, ...]] = ()
    selection: ClassVar[str]
    selectable: ClassVar[Sequence[str]] = ()
    shown: ClassVar[Sequence[str]]
    points: ClassVar[float] = 100.0
    metrics: ClassVar[tuple[Metric, ...]] = ()
    functions: ClassVar[Mapping[Metric, Callable[..., Any]]] = {}
    compared: ClassVar[str | None] = None
    ceilings: ClassVar[Sequence[str]] = ()
    logits_only: ClassVar[bool] = False
    solved_as: ClassVar[SolvedAs | None] = None
    probabilities: ClassVar[Literal["softmax", "sigmoid"] | None] = None
    spoils_inputs: ClassVar[bool] = False
    untrained: ClassVar[str | None] = None
    length_option: ClassVar[str | None] = None
    settled: ClassVar[Sequence[str]] = ()
    calibrated: ClassVar[Sequence[str]] = ()
    pipeline_tag: ClassVar[str | None] = None
    hub_metrics: ClassVar[Mapping[str, str]] = {}
    example: ClassVar[str | Mapping[str, str]] = "A short text."

    def __init__(self, options: Any, labels: tuple[str, ...] = ()) -> None:
        """Keep the checked options and the label names (empty for tasks without labels)."""
        self.options = options
        self.labels = labels

    @classmethod
    def measured(cls, *scores: Scores) -> list[str]:
        """Select the `shown` scores that at least one of these results has."""
        return [name for name in cls.shown if any(name in one for one in scores)]

    @classmethod
    @functools.cache  # so that configurations that choose alike are equal
    def selecting_by(cls, score: str) -> "type[Self]":
        """Derive a task that chooses its checkpoint by another score; what `hits` measures stays.

        Raises:
            ConfigError: it has no such score to choose by.
        """
        if score == cls.selection:
            return cls
        if score not in (known := cls.selectable or cls.shown):
            raise ConfigError(f"'{score}' is no score to choose by. {suggest(score, known)}")
        shown = cls.shown if score in cls.shown else (*cls.shown, score)
        changed = {"selection": score, "shown": shown, "compared": cls.compared or cls.selection}
        return type(cls.__name__, (cls,), {"__module__": cls.__module__, "__doc__": cls.__doc__, **changed})

    @classmethod
    def for_options(cls, options: Any) -> "type[Self]":  # noqa: ARG003 - for those with an option that decides
        """Choose the class that does what the options ask for: this one, or one derived from it in the same file.

        For tasks of which an option decides what they declare, as their roles.
        """
        return cls

    @classmethod
    def input_roles(cls) -> tuple[str, ...]:
        """Name the roles that are read to predict."""
        return cls.inputs or tuple(cls.roles)[:1]

    @classmethod
    def read_input(cls, row: Mapping[str, Any]) -> Any:
        """Take out of a row what is read to predict: the text; role -> text where there are several inputs."""
        texts = {role: row[role] for role in cls.input_roles()}
        return texts if len(texts) > 1 else next(iter(texts.values()))

    @property
    def longest(self) -> int | None:
        """How many tokens of an input are read, special ones included, by the option that the task declares for it."""
        return getattr(self.options, self.length_option) if self.length_option else None

    @property
    def undecided(self) -> list[str]:
        """The `calibrated` options that are still to be decided on validation."""
        return [name for name in self.calibrated if getattr(self.options, name) == "auto"]

    @property
    def chooses_weights(self) -> bool:
        """Whether how far classes count alike is left to the solver of a head, which tries the ways on validation."""
        return False

    @property
    @abstractmethod
    def auto_class(self) -> str:
        """Name of the `transformers` class that opens the saved model."""


def task_names() -> list[str]:
    """List the shipped tasks, which are the modules of `nlp_transfer_tasks`."""
    return sorted(module.name for module in pkgutil.iter_modules(_shipped().__path__))


def is_shipped(name: str) -> bool:
    """Tell whether a configuration means a shipped task by this name."""
    return name.removeprefix(f"{PACKAGE}.") in task_names()


def _shipped() -> ModuleType:
    """Find the package of the shipped tasks: the one beside this library, not one in the working directory."""
    if PACKAGE not in sys.modules:
        spec = PathFinder.find_spec(PACKAGE, [str(home) for home in HOMES])
        if spec is None or spec.loader is None:
            raise ConfigError(f"{PACKAGE} is not in {HOME}, where it belongs; install nlp-transfer again")
        sys.modules[PACKAGE] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[PACKAGE])
    return sys.modules[PACKAGE]


def config_folder() -> Path:
    """Find the shipped configurations: installed beside the tasks, or at the top of the source tree."""
    package = Path(next(iter(_shipped().__path__)))
    installed = package / "configs"
    return installed if installed.is_dir() else package.parents[1] / "configs"


def find_task(name: str) -> type[TaskDeclaration]:
    """Import a shipped task by name, or any dotted module of other people's that defines one `Task`.

    Raises:
        ConfigError: no such task, or a module without exactly one `Task` of its own.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        raise ConfigError(f"Unknown task '{name}'. {suggest(name, task_names())} {OWN}")
    module_name = name if "." in name else f"{PACKAGE}.{name}"
    _shipped()  # before an import could find another package of its name
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise ConfigError(f"task '{name}' cannot be imported: {error}") from error
        way = "Is its folder on PYTHONPATH?" if "." in name else f"{suggest(name, task_names())} {OWN}"
        raise ConfigError(f"Unknown task '{name}'. {way}") from None
    except Exception as error:  # whatever a module of other people's does
        raise ConfigError(f"task '{name}' cannot be imported: {type(error).__name__}: {error}") from error
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, TaskDeclaration) and value.__module__ == module.__name__
    ]
    # Those that an option chooses derive from the one that is found; see `for_options`.
    roots = [one for one in found if not set(one.__mro__[1:]) & set(found)]
    chosen = roots and "for_options" in vars(roots[0])
    if len(roots) != 1 or (len(found) > 1 and not chosen):
        raise ConfigError(f"Module '{module_name}' must define exactly one Task; it defines {len(found)}")
    return whole_task(roots[0])


def whole_task(given: Any) -> type[TaskDeclaration]:
    """Check the class that a caller gives as a task.

    Raises:
        ConfigError: it is no `Task`, or one that lacks a method or an option that it declares.
    """
    if not (inspect.isclass(given) and issubclass(given, TaskDeclaration)):
        raise ConfigError(f"task: expected a class of nlp_transfer.Task, received {given!r:.80}; import the class")
    if lacking := given.__abstractmethods__:
        raise ConfigError(f"Task {given.__name__} of '{given.__module__}' lacks {', '.join(sorted(lacking))}")
    options = given.Options.model_fields
    for name in (*given.settled, *given.calibrated, *([given.length_option] if given.length_option else [])):
        if name not in options:
            raise ConfigError(
                f"Task {given.__name__} of '{given.__module__}' declares the option '{name}', which its Options lack. "
                f"{suggest(name, options)}"
            )
    return given
