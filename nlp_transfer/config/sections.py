"""Define the typed description of a run: frozen pydantic sections, read from YAML and written to it.

Nothing here imports torch, so a wrong configuration is answered at once.
"""

import re
import reprlib
from collections.abc import Mapping, Sequence
from datetime import date
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    InstanceOf,
    PlainSerializer,
    PrivateAttr,
    SerializationInfo,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from nlp_transfer.config.base import Section, TaskOptions
from nlp_transfer.config.dialect import Quoting, read_delimiter, read_encoding
from nlp_transfer.config.messages import explain
from nlp_transfer.config.metrics import add_metrics
from nlp_transfer.config.shipped import find_config
from nlp_transfer.config.tasks import LABELLED, TaskDeclaration, find_task, is_shipped, task_names, whole_task
from nlp_transfer.config.yaml_file import dump_yaml, parse_yaml, read_yaml, refuse_token
from nlp_transfer.errors import CheckpointError, ConfigError, suggest
from nlp_transfer.system.disk import expand_home
from nlp_transfer.system.received import HeldRows, find_place_fault, is_table, name_kind

COMMIT = re.compile(r"[0-9a-f]{40}")
Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Rate = Annotated[float, Field(gt=0.0, le=1.0)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # the range that NumPy accepts
SourceName = Annotated[str, AfterValidator(lambda name: str(expand_home(name)) if name.startswith("~") else name)]
Column = Annotated[
    str,
    BeforeValidator(lambda name: str(name) if type(name) is int else name),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0}]}),
]


def _check_place(value: Any) -> Any:
    """Refuse objects that hold data and are not described, and turn paths into texts."""
    if isinstance(value, HeldRows | str | int | float | date | None):  # what YAML can hold is checked by the type
        return value
    if fault := find_place_fault(value):
        raise ValueError(fault)
    return {column: str(file) for column, file in value.items()} if isinstance(value, Mapping) else str(value)


def _dump_place(place: Any, info: SerializationInfo) -> Any:
    """Write the description of rows in memory where only text can be written."""
    return str(place) if isinstance(place, HeldRows) and info.mode_is_json() else place


Files = Annotated[dict[str, str], Field(min_length=2)]  # column -> text file
Place = Annotated[  # one name, several files, or rows that Python code holds
    str | Files | SkipJsonSchema[InstanceOf[HeldRows]],
    BeforeValidator(_check_place),
    PlainSerializer(_dump_place),
]


def _check_commit(value: Any) -> Any:
    """Refuse whatever could mean other code tomorrow than today."""
    if value is not None and not (isinstance(value, str) and COMMIT.fullmatch(value)):
        raise ValueError(
            f"expected a full commit hash, 40 hex digits (in quotes if all are numbers), received {value!r:.60}; a "
            "branch, a tag or `true` could mean other code tomorrow"
        )
    return value


def _check_prompt(value: Any) -> Any:
    """Refuse what YAML makes of a prompt that ends in a colon and stands in no quotes, as `query: `."""
    if value and isinstance(value, dict):
        raise ValueError(f"expected a text, received {value!r:.60}; put it in quotes of its own, as '\"query: \"'")
    return value


class CheckpointSource(Section):
    """A pretrained transformer: bundled name, local folder or Hub id."""

    kind: Literal["checkpoint"]
    name: SourceName = Field("minilm", description="Bundled name, local folder (a run's too) or Hub id.")
    revision: str | None = Field(None, description="Branch, tag or commit on the Hub.")
    prompt: Annotated[str | None, BeforeValidator(_check_prompt)] = Field(
        None,
        description="Put before every text: a text such as `'query: '`, or the name of a prompt of the checkpoint's. "
        "Unset: the default of a sentence-transformers folder, if it has one; `''`: none.",
    )
    trust_remote_code: Annotated[str | None, BeforeValidator(_check_commit)] = Field(
        None,
        description="Run the code that a checkpoint on the Hub brings for its architecture, as it is at this commit of "
        "the repository that holds it: the full hash; `revision` is the same unless set. Read it first. Unset: never.",
    )
    scratch: bool = Field(False, description="Same architecture, random weights: the control.")


class VectorsSource(Section):
    """A table of static word vectors, with an optional contextualizer above it."""

    kind: Literal["vectors"]
    name: SourceName = Field("glove-50d", description="Bundled name, vector file, or imported folder.")
    contextualizer: Literal["bag", "cnn", "bilstm", "transformer"] = Field(
        "bag", description="What stands above the table; all but `bag` are newly initialised."
    )
    width: Positive = Field(100, description="CNN filters per kernel size, LSTM or Transformer units.")
    layers: Positive = Field(1, description="Layers of the BiLSTM or Transformer.")
    vocabulary: Literal["all", "data"] | Positive = Field(
        "all", description="`all` rows, the `data`'s words only, or the first N rows of the file."
    )
    scratch: bool = Field(False, description="Same architecture, random vectors: the control.")


Source = Annotated[CheckpointSource | VectorsSource, Field(discriminator="kind")]
FRESH = (
    "Rate of newly initialised modules. Unset: the same; with `learning_rate: auto` at least 1e-3 for a decoder or a "
    "sentence scorer; ten times the rate in an LP-FT probe that takes gradient steps."
)


MIXED: Any = Field(
    "none",
    description="`mlm`: each step also predicts masked words of `data.unlabelled` (UDALM, Karouzos et al. 2021), and "
    "the mixed loss on held-out rows, of which none needs a label of there, chooses the state.",
)


class FullStrategy(Section):
    """Every parameter moves, but for layers frozen on request."""

    kind: Literal["full"]
    freeze_below: int = Field(0, ge=0, description="Freeze the embeddings and this many lowest layers.")
    layer_decay: float = Field(1.0, gt=0.0, le=1.0, description="Learning-rate factor per layer, from the top down.")
    head_learning_rate: Rate | None = Field(None, description=FRESH)
    cache: Literal["disk", "memory", "none"] = Field("memory", description="Where frozen activations are kept.")
    adaptation: Literal["none", "mlm"] = MIXED


class LoraStrategy(Section):
    """Low-rank adapters (Hu et al. 2021) beside frozen weights; new modules are trained in full."""

    kind: Literal["lora"]
    rank: Positive = Field(16, description="Inner size of the two factors of an update.")
    alpha: Positive = Field(32, description="Scale of the update: alpha / rank (or / sqrt(rank) with `rslora`).")
    dropout: Share = Field(0.05, description="Of the input of the adapters.")
    targets: Literal["all-linear"] | list[str] = Field(
        "all-linear", description="`all-linear`, or endings of module names such as `query`."
    )
    embeddings: bool | None = Field(
        None, description="Adapt the word embeddings too; by default where nothing linear is pretrained: word vectors."
    )
    rslora: bool = Field(False, description="Scale by the square root of the rank (Kalajdzievski 2023).")
    dora: bool = Field(False, description="Learn length and direction of the weights apart (Liu et al. 2024).")
    init: Literal["default", "pissa"] = Field(
        "default", description="`pissa`: start from the principal parts of the weights (Meng et al. 2024)."
    )
    head_learning_rate: Rate | None = Field(None, description=FRESH)
    adapter: Literal["shared", "each"] = Field(
        "shared", description="Of several `tasks`: one for all, or one for each on the same frozen weights."
    )
    adaptation: Literal["none", "mlm"] = MIXED


class FrozenStrategy(Section):
    """The pretrained part never moves: its features are computed once and a head is trained on them."""

    kind: Literal["frozen"]
    solver: Literal["auto", "lbfgs", "gradient"] = Field(
        "auto",
        description="`lbfgs`: a linear head is solved exactly (for numbers in closed form); `gradient`: by steps. "
        "auto: solved where it can be.",
    )
    head_learning_rate: Rate | None = Field(None, description=FRESH)
    cache: Literal["disk", "memory"] = Field("disk", description="`disk` keeps the features for the next run.")
    adaptation: Literal["none", "self_training", "importance", "coral"] = Field(
        "none",
        description="How a solved head moves towards `data.unlabelled`. `self_training`: by its own most confident "
        "answers there; `importance`: rows of train weigh as much as they look like those; `coral`: features of train "
        "are given their covariance (Sun et al. 2016).",
    )
    rounds: Positive = Field(7, description="Of `self_training`; each solves the head again.")
    confident: list[Rate] = Field(
        [0.2, 0.5],
        min_length=2,
        max_length=2,
        description="Of `self_training`: which share of the texts of each predicted label, the most confident ones, is "
        "learned from in the first round and in the last (Zou et al. 2018, section 5).",
    )
    clip: float = Field(10.0, gt=1.0, description="Of `importance`: the largest weight, where the mean is 1.")


class GradualStrategy(Section):
    """Several phases: ULMFiT's top-down unfreezing, or linear probing then fine-tuning (LP-FT)."""

    kind: Literal["gradual"]
    schedule: Literal["ulmfit", "lp_ft"] = Field(
        "ulmfit", description="Howard & Ruder 2018, section 3.3; or Kumar et al. 2022."
    )
    blocks_per_phase: Positive = Field(2, description="Blocks (layers) unfrozen at the start of each phase.")
    phase_epochs: Positive = Field(1, description="Epochs of each phase but the last, which takes training.epochs.")
    head_learning_rate: Rate | None = Field(None, description=FRESH)
    rate_decay: float = Field(2.6, ge=1.0, description="A block learns this many times slower than the one above.")
    cache: Literal["disk", "memory", "none"] = Field("memory", description="Where frozen activations are kept.")
    adaptation: Literal["none", "mlm"] = MIXED


Strategy = Annotated[FullStrategy | LoraStrategy | FrozenStrategy | GradualStrategy, Field(discriminator="kind")]


class DataConfig(Section):
    """Where the examples are; a missing split is cut from `train`."""

    train: Place = Field(description="File, folder, Hub id, `bundled:NAME`, or a text file for each column.")
    validation: Place | None = Field(None, description="The same; unset: cut from `train`, if it has none with labels.")
    test: Place | None = Field(None, description="The same; unset: cut from `train`, if it has none with labels.")
    unlabelled: Place | None = Field(
        None,
        description="Texts of the place where the model is to work, for `strategy.adaptation`: only the columns that "
        "are read to predict, or lines. `limit` leaves them as they are; of a place with splits it is train.",
    )
    columns: dict[str, Column] = Field(
        default_factory=dict, description="Role in the task -> column in the file; its number from 0 without a header."
    )
    header: bool = Field(True, description="Of .csv and .tsv: the first row names the columns.")
    delimiter: Annotated[str, AfterValidator(read_delimiter)] | None = Field(
        None,
        description="Between cells; unset: a comma in .csv, a tab in .tsv. Other text is a table where it is set.",
    )
    encoding: Annotated[str, AfterValidator(read_encoding)] | None = Field(
        None, description="Of text files of any kind, as cp1252 or utf-16; unset: UTF-8."
    )
    quoting: Quoting = Field(
        "auto",
        description="`minimal`: a cell may stand in quotes; `none`: a quote is a character. `auto`: `minimal`, but "
        "between tabs only where all of the file is written so.",
    )
    validation_share: Share = Field(0.1, gt=0.0, description="Share of train cut off when `validation` is missing.")
    test_share: Share = Field(0.1, gt=0.0, description="Share of train cut off when `test` is missing.")
    group: Column | None = Field(None, description="Column whose equal values stay in one split when splits are cut.")
    split_seed: Seed | Literal["seed"] = Field(
        0,
        description="Seed of the cut and of `limit`. `seed`: that of the training, so that each seed has its own cut.",
    )
    limit: Positive | None = Field(None, description="Use at most this many training rows (stratified, seeded).")
    limit_seed: Seed | Literal["seed"] | None = Field(
        None, description="Seed of `limit` alone, in the same words; the same as `split_seed` if unset."
    )
    on_missing: Literal["drop", "error"] = Field("drop", description="Rows with an empty text or a missing label.")
    labels: Literal["merged", "exact"] = Field(
        "merged",
        description="`merged`: spellings that differ by case, blanks, invisible characters or how an accent or a "
        "whole number is written are one label; `exact`: each is one.",
    )
    label_separator: Annotated[str, Field(min_length=1)] = Field(
        ",", description="Between the labels of a cell, for a task whose rows have several; not in lists."
    )
    max_labels: Annotated[int, Field(ge=2)] | None = Field(
        None, description="More are taken for a column of text. Unset: 1,000, and half as many as rows from 21 on."
    )
    on_unknown_label: Literal["error", "drop"] = Field(
        "error", description="Rows of validation and test whose label train does not have; `drop` leaves them out."
    )
    subset: str | None = Field(None, description="Which configuration of a Hub data set that has several.")
    revision: str | None = Field(None, description="Revision of a Hub data set.")

    @property
    def places(self) -> tuple[Place, ...]:
        """All places that are named."""
        return tuple(filter(None, (self.train, self.validation, self.test, self.unlabelled)))

    @property
    def follows_seed(self) -> bool:
        """Whether the rows of a split depend on the seed of the training."""
        return "seed" in (self.split_seed, self.limit_seed)


def _refuse_repeated(seeds: list[int]) -> list[int]:
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"a seed stands twice in {seeds}; it would only run the same again")
    return seeds


class CheckpointConfig(Section):
    """When a training is saved so that it can be resumed; a finished run keeps no checkpoints."""

    steps: Positive | None = Field(None, description="Every so many optimizer steps.")
    minutes: float | None = Field(10.0, gt=0.0, description="Every so many minutes.")
    keep_last: Positive = Field(2, description="How many are kept; older ones are removed.")


Tracker = Literal["tensorboard", "trackio", "mlflow", "wandb"]


class TrainingConfig(Section):
    """How the loop runs."""

    epochs: Literal["auto"] | Positive = Field(
        "auto",
        description="Passes over the training rows; a solved head needs none. `auto`: enough for 200 optimizer steps, "
        "and 3 or more for pretrained networks, 20 for others, until validation stops getting better; of fewer than "
        "500 rows `full` and `lora` solve a new linear head first, and 60 steps are enough.",
    )
    batch_size: Positive = Field(32, description="Texts, or windows of long ones, per step, over all processes.")
    accumulation: Literal["auto"] | Positive = Field(
        "auto", description="Cut each batch in this many forward passes; `auto`: where they need much memory."
    )
    learning_rate: Literal["auto"] | Rate = Field(
        "auto", description="`auto`: a known-good rate per strategy. A solved head has none."
    )
    weight_decay: float = Field(0.01, ge=0.0, description="Not applied to biases, norms and embeddings.")
    warmup: Share = Field(0.1, description="Share of the steps with a rising rate.")
    head_warmup: Share | None = Field(
        None, description="The same for newly initialised modules (Liu & Lapata 2019, section 3.2); the same if unset."
    )
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", description="How the rate falls after the warm-up."
    )
    clip: float = Field(1.0, gt=0.0, description="Largest gradient norm.")
    selection: str = Field(
        "auto",
        description="Score on validation that chooses the checkpoint: `accuracy`, `macro_f1` or `mcc`; `chrf` or "
        "`bleu`; `rouge1`, `rouge2` or `rougeL`; `spearman` or `pearson`; `micro_f1`, `macro_f1`, `example_f1` or "
        "`subset_accuracy`; or one of `task.metrics`. `auto`: the first.",
    )
    patience: Positive | None = Field(None, description="Stop after this many epochs without a better validation.")
    sampling: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        1.0,
        description="Of several `tasks`: a task of n units gives batches in proportion to n to this power. 1: all of "
        "its rows once an epoch; 0: each task as many batches as any other.",
    )
    keep: Literal["shared", "each"] = Field(
        "shared",
        description="Of several `tasks`: the state with the best mean rank on validation, or for each its own best.",
    )
    label_smoothing: Share = Field(0.0, description="Share of the target spread over the other labels.")
    temperature: Literal["auto", "none"] = Field(
        "auto",
        description="`auto`: confidence is set by a temperature that validation fits, if it has 100 rows and can tell "
        "one, and without label_smoothing. It is part of the saved weights; which label is the likeliest stays.",
    )
    rebalance: Literal["none", "auto"] = Field(
        "none",
        description="`auto`, for labels of unlike frequency: logits are lowered by that share of the label's "
        "log-frequency, from 0 to 1, which validation likes best by `selection`, such as macro_f1; it needs 100 rows.",
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="`auto`: bf16 where a short trial shows the device to be faster with it."
    )
    seed: Seed = Field(0, description="Of new weights, dropout and the order of the rows.")
    seeds: Annotated[list[Seed], AfterValidator(_refuse_repeated)] | None = Field(
        None, min_length=2, description="Run once per seed; report mean and standard deviation."
    )
    gradient_checkpointing: bool = Field(False, description="Less memory for a third more time: layers run twice.")
    checkpoint: CheckpointConfig = Field(CheckpointConfig(), description="When to save, to be resumed.")
    tracker: Literal["none"] | Tracker | list[Tracker] = Field(
        "none",
        description="Where else to write losses, scores and configuration, each below the run folder and offline; one, "
        "or a list. history.jsonl always has the scores.",
    )
    threads: int | None = Field(None, ge=1, le=1024, description="CPU threads; by default the usable cores.")
    graphs: Literal["auto", "none"] = Field(
        "auto", description="`auto`: on a CUDA GPU steps are replayed as CUDA graphs, where that is possible and pays."
    )


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


class _Given(NamedTuple):
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


def apply_overrides(values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Set dotted KEY=VALUE pairs, with values read as YAML, in a copy of a mapping.

    Raises:
        ConfigError: an override is not KEY=VALUE, holds a token, or names a key below a value that is no section.
    """
    if isinstance(overrides, str):
        raise ConfigError(f"overrides: expected a list of KEY=VALUE, received one text; write [{overrides!r:.80}]")

    result = dict(values)
    for override in overrides:
        if not isinstance(override, str):
            raise ConfigError(f"overrides: expected KEY=VALUE, received {name_kind(override)}")
        refuse_token(override, "override")
        key, sign, value = override.partition("=")
        *parents, last = key.strip().split(".")
        if not sign or not all((*parents, last)):
            raise ConfigError(f"'{override}' is not KEY=VALUE; for example training.epochs=5")

        section = result
        for depth, parent in enumerate(parents, 1):
            child = section.get(parent, {})
            if not isinstance(child, Mapping):
                path = ".".join(parents[:depth])
                what = f"a list of {len(child)}" if isinstance(child, list) else f"a value ({reprlib.repr(child)})"
                way = f"set it by {path}=VALUE, or change it in the file"
                raise ConfigError(f"'{override}': {path} is {what}, not a section with keys; {way}")
            section[parent] = section = dict(child)

        try:
            section[last] = parse_yaml(value) if value else None
        except ConfigError as error:
            way = "; in a shell, put all of KEY=VALUE in quotes" if value[:1] in {"{", "["} else ""
            raise ConfigError(f"'{override}': {str(error).removeprefix('line 1: ')}{way}") from None
    return result


def load_config(
    config: "RunConfig | Mapping[str, Any] | str | Path",
    overrides: Sequence[str] = (),
    data: Mapping[str, Any] | None = None,
) -> RunConfig:
    """Check a file, a shipped name, a mapping or a finished config, and return a `RunConfig`.

    Args:
        config: what to check.
        overrides: dotted KEY=VALUE pairs.
        data: split -> a place to put in `data`: a name, files, or `HeldRows`.

    Raises:
        ConfigError: every problem that was found, in one line each, with its dotted path and the nearest known name.
    """
    if isinstance(config, RunConfig):
        if not overrides and not data:
            return config
        config = config.model_dump()

    if is_table(config) or not isinstance(config, Mapping | str | PathLike):
        raise ConfigError(
            f"expected a configuration (a YAML file, a mapping or a RunConfig), received {name_kind(config)}; data are "
            "named in it, as data.train"
        )
    changed = f" with {' '.join(map(str, overrides))}" if overrides else ""
    where = "" if isinstance(config, Mapping) else f"{config}{changed}: "
    values = apply_overrides(config if isinstance(config, Mapping) else read_yaml(find_config(config)), overrides)
    if "tasks" in values and "task" not in values:
        raise ConfigError(f"{where}it lists several tasks; the verbs run, check and compare take these, and run_tasks")
    return check_values(_put_data(values, data or {}, overrides), where)


def _put_data(values: Mapping[str, Any], data: Mapping[str, Any], overrides: Sequence[str]) -> Mapping[str, Any]:
    """Put places in the section `data` of unchecked values.

    Raises:
        ConfigError: an override says the same.
    """
    section = values.get("data") or {}
    if not data or not isinstance(section, Mapping):
        return values
    said = {override.partition("=")[0].strip() for override in overrides}
    if twice := said & {"data", *(f"data.{split}" for split in data)}:
        raise ConfigError(f"data and the override {min(twice)}=... say the same twice; leave one out")
    return {**values, "data": {**section, **data}}


def check_values(
    values: Mapping[str, Any], where: str = "", task: type[TaskDeclaration] | None = None, *, imports: bool = True
) -> RunConfig:
    """Check values and return a `RunConfig`; give the task if its name in the values must not be looked up.

    Without `imports` the functions of `task.metrics` are not looked up either.

    Raises:
        ConfigError: as `load_config`.
    """
    refuse_token(str(values), "configuration")
    try:
        return RunConfig.model_validate(values, strict=True, context=_Given(task, imports))
    except ValidationError as error:
        lines = explain(error, RunConfig, values, task)
        count = "" if len(lines) == 1 else f"{len(lines)} problems\n  "
        raise ConfigError(f"{where}{count}" + "\n  ".join(lines)) from None


def load_saved(folder: Path, task: type[TaskDeclaration] | None = None) -> RunConfig:
    """Read the configuration of a run folder. Anybody may have made the folder, so no name in it is imported.

    Args:
        folder: the folder of the run.
        task: the task to use instead of the one that is named there.

    Raises:
        CheckpointError: the named task is not shipped, and none is given.
        ConfigError: as `load_config`.
    """
    path = folder / "config.yaml"
    values = read_yaml(path)
    name = read_task_name(values)

    if task is None and name is not None and not is_shipped(name):
        raise CheckpointError(
            f"{path}: the task '{name}' is none of ours ({', '.join(task_names())}), and what a run folder names is "
            "not imported; if you trust it, name its module: --task MODULE, or load(folder, task=CLASS)"
        )
    if task is None:
        return check_values(values, f"{path}: ", imports=False)
    whole = whole_task(task)
    return check_values(
        values, f"{path}, a run of task '{name}' read as one of {whole.__name__}: ", whole, imports=False
    )


def read_task_name(values: Mapping[str, Any]) -> str | None:
    """Find the name of the task in unchecked values; None if there is none, which the check will report."""
    section = values.get("task")
    name = section.get("name") if isinstance(section, Mapping) else None
    return name if isinstance(name, str) else None


def render(config: Section) -> str:
    """Write the configuration as YAML with every default; `load_config` reads it back to an equal one."""
    return dump_yaml(config.model_dump(mode="json"))


def config_schema() -> dict[str, Any]:
    """Build the JSON schema of a configuration file, with the options of the shipped tasks."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **RunConfig.model_json_schema()}
    own = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "pattern": r"\."}}}
    tasks: list[dict[str, Any]] = [{**own, "description": "A task of your own, by its dotted module."}]

    for name in task_names():
        options = find_task(name).Options.model_json_schema(ref_template="#/$defs/{model}")
        options["properties"]["name"]["const"] = name
        schema["$defs"].update(options.pop("$defs", {}))
        schema["$defs"][options["title"]] = options
        tasks.append({"$ref": f"#/$defs/{options['title']}"})
    schema["properties"]["task"] = {"oneOf": tasks}

    # Several tasks stand in the place of one and its data; see `config.several`.
    entry = {"name": {"type": "string"}, "task": {"oneOf": tasks}, "data": {"$ref": "#/$defs/DataConfig"}}
    several = {"type": "object", "required": list(entry), "properties": entry, "additionalProperties": False}
    said = "Several tasks on one source, instead of `task` and `data`: each has a `name`, a `task` and `data`."
    schema["properties"]["tasks"] = {"type": "array", "minItems": 1, "items": several, "description": said}
    alone, together = {"required": schema.pop("required")}, {"required": ["tasks"]}
    neither = {"not": {"anyOf": [{"required": ["task"]}, {"required": ["data"]}]}}
    schema["oneOf"] = [{**alone, "not": together}, {**together, **neither}]
    return schema
