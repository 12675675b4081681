"""The typed description of a run: frozen pydantic sections, YAML in, YAML out.

Nothing here imports torch, so a wrong configuration is answered at once.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    BaseModel,
    Field,
    SerializeAsAny,
    ValidationError,
    WrapValidator,
    model_validator,
)
from pydantic_core import ErrorDetails

from nlp_transfer.errors import TOKEN, ConfigError, suggest
from nlp_transfer.task import Section, TaskOptions, find_task

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Rate = Annotated[float, Field(gt=0.0, le=1.0)]


class CheckpointSource(Section):
    """A pretrained transformer: bundled name, local folder or Hub id."""

    kind: Literal["checkpoint"] = "checkpoint"
    name: str = Field("minilm", description="Bundled name, local folder or Hub id.")
    revision: str | None = Field(None, description="Branch, tag or commit on the Hub.")
    scratch: bool = Field(False, description="Same architecture, random weights: the control.")


class VectorsSource(Section):
    """A table of static word vectors, with an optional contextualizer above it."""

    kind: Literal["vectors"]
    name: str = Field("glove-50d", description="Bundled name, vector file, or imported folder.")
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


class FullStrategy(Section):
    """Every parameter moves, but for layers frozen on request."""

    kind: Literal["full"] = "full"
    freeze_below: int = Field(0, ge=0, description="Freeze the embeddings and this many lowest layers.")
    layer_decay: float = Field(1.0, gt=0.0, le=1.0, description="Learning-rate factor per layer, from the top down.")
    head_learning_rate: Rate | None = Field(None, description="Rate of newly initialised modules; the same if unset.")
    cache: Literal["disk", "memory", "none"] = Field("memory", description="Where frozen activations are kept.")


class LoraStrategy(Section):
    """Low-rank adapters (Hu et al. 2021) beside frozen weights; new modules are trained in full."""

    kind: Literal["lora"]
    rank: Positive = 16
    alpha: Positive = Field(32, description="Scale of the update: alpha / rank (or / sqrt(rank) with `rslora`).")
    dropout: Share = 0.05
    targets: Literal["all-linear"] | list[str] = Field(
        "all-linear", description="`all-linear`, or endings of module names such as `query`."
    )
    embeddings: bool | None = Field(None, description="Adapt the word embeddings too; by default for static vectors.")
    rslora: bool = False
    dora: bool = False
    init: Literal["default", "pissa"] = "default"
    head_learning_rate: Rate | None = Field(None, description="Rate of newly initialised modules; the same if unset.")


class FrozenStrategy(Section):
    """The pretrained part never moves: its features are computed once and a head is trained on them."""

    kind: Literal["frozen"]
    solver: Literal["auto", "lbfgs", "gradient"] = Field(
        "auto", description="L-BFGS solves a linear head exactly; anything else takes gradient steps."
    )
    cache: Literal["disk", "memory"] = Field("disk", description="`disk` keeps the features for the next run.")


class GradualStrategy(Section):
    """Several phases: ULMFiT's top-down unfreezing, or linear probing then fine-tuning (LP-FT)."""

    kind: Literal["gradual"]
    schedule: Literal["ulmfit", "lp_ft"] = Field(
        "ulmfit", description="Howard & Ruder 2018, section 3.3; or Kumar et al. 2022."
    )
    blocks_per_phase: Positive = Field(2, description="Blocks (layers) unfrozen at the start of each phase.")
    phase_epochs: Positive = Field(1, description="Epochs of each phase but the last, which takes training.epochs.")
    rate_decay: float = Field(2.6, ge=1.0, description="A block learns this many times slower than the one above.")
    cache: Literal["disk", "memory", "none"] = Field("memory", description="Where frozen activations are kept.")


Strategy = Annotated[FullStrategy | LoraStrategy | FrozenStrategy | GradualStrategy, Field(discriminator="kind")]


class DataConfig(Section):
    """Where the examples are; a missing split is cut from `train`."""

    train: str = Field(description="FILE, FOLDER, HUB_ID, or bundled:NAME.")
    validation: str | None = None
    test: str | None = None
    columns: dict[str, str] = Field(default_factory=dict, description="Role in the task -> column in the file.")
    validation_share: Share = Field(0.1, gt=0.0, description="Share of train cut off when `validation` is missing.")
    test_share: Share = Field(0.1, gt=0.0, description="Share of train cut off when `test` is missing.")
    split_seed: int = Field(0, ge=0, description="Seed of the cut and of `limit`; not the training seed.")
    limit: Positive | None = Field(None, description="Use at most this many training rows (stratified, seeded).")
    on_missing: Literal["drop", "error"] = Field("drop", description="Rows with an empty text or a missing label.")
    revision: str | None = Field(None, description="Revision of a Hub data set.")


class TrainingConfig(Section):
    """How the loop runs."""

    epochs: Positive = 3
    batch_size: Positive = Field(32, description="Examples per optimizer step, over all processes.")
    accumulation: Positive = Field(1, description="Cut each batch in this many forward passes.")
    learning_rate: Literal["auto"] | Rate = Field("auto", description="`auto`: a known-good rate per strategy.")
    weight_decay: float = Field(0.01, ge=0.0, description="Not applied to biases, norms and embeddings.")
    warmup: Share = Field(0.1, description="Share of the steps with a rising rate.")
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    clip: float = Field(1.0, gt=0.0, description="Largest gradient norm.")
    patience: Positive | None = Field(None, description="Stop after this many epochs without a better validation.")
    label_smoothing: Share = 0.0
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field("auto", description="`auto`: bf16 on a GPU that has it.")
    seed: int = Field(0, ge=0)
    seeds: list[Annotated[int, Field(ge=0)]] | None = Field(
        None, min_length=2, description="Run once per seed; report mean and standard deviation."
    )
    tracker: Literal["none", "tensorboard", "trackio"] = "none"
    threads: Positive | None = Field(None, description="CPU threads; by default the usable cores.")


def _task_options(value: Any, handler: Any) -> TaskOptions:
    """Validate the task section by the class that the named task declares."""
    if isinstance(value, TaskOptions):
        return value
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        return handler(value)  # type: ignore[no-any-return]
    try:
        options = find_task(value["name"]).Options
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return options.model_validate(dict(value))


class RunConfig(Section):
    """One source x strategy x task on data: everything a run folder can be made again from."""

    task: Annotated[SerializeAsAny[TaskOptions], WrapValidator(_task_options)]
    source: Source = CheckpointSource()
    strategy: Strategy = FullStrategy()
    data: DataConfig
    training: TrainingConfig = TrainingConfig()
    output: str | None = Field(None, description="Run folder; by default runs/<name of the config>.")

    @model_validator(mode="after")
    def _agree(self) -> "RunConfig":
        """Refuse what no run can honour."""
        problems = []
        if isinstance(self.strategy, FullStrategy) and self.strategy.freeze_below and self.source.scratch:
            problems.append("strategy.freeze_below with source.scratch: true would freeze random layers")
        if isinstance(self.source, VectorsSource) and self.source.width % 2 and self.source.contextualizer == "bilstm":
            problems.append("source.width must be even for a bilstm: half of it runs in each direction")
        if problems:
            raise ValueError("; ".join(problems))
        return self


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses duplicate keys and aliases and reads 3e-4 as a number."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping; raise on a key that appears twice."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise ConfigError(f"line {key.start_mark.line + 1}: key '{key.value}' appears twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse aliases: a few lines of them can expand to gigabytes."""
        if self.check_event(yaml.AliasEvent):
            line = self.peek_event().start_mark.line + 1  # type: ignore[no-untyped-call]
            raise ConfigError(f"line {line}: YAML aliases (*name) are not supported; write the value out")
        return super().compose_node(parent, index)


# YAML 1.1 wants a dot and a signed exponent in floats; people write 3e-4.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a configuration file.

    Raises:
        ConfigError: missing, not UTF-8, not YAML, empty, or not a mapping at its root; names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text: {error}") from None
    try:
        value = _parse(text)
    except ConfigError as error:
        raise ConfigError(f"{path}, {error}") from None
    if value is None:
        raise ConfigError(f"{path}: the file is empty; it needs at least `task:` and `data:`")
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: expected `key: value` sections at the root, found a {type(value).__name__}")
    return value


def _parse(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"line {line}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"line 1: {error}") from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"line 1: {error}") from None


def apply_overrides(values: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Set dotted KEY=VALUE pairs, values read as YAML; returns a new mapping.

    Raises:
        ConfigError: an override without `=`, or a key below something that is not a section.
    """
    result = {key: dict(value) if isinstance(value, dict) else value for key, value in values.items()}
    for override in overrides:
        key, sign, value = override.partition("=")
        if not sign or not key:
            raise ConfigError(f"'{override}' is not KEY=VALUE; for example training.epochs=5")
        *parents, last = key.strip().split(".")
        section = result
        for parent in parents:
            child = section.setdefault(parent, {})
            if not isinstance(child, dict):
                raise ConfigError(f"'{override}': '{parent}' is a value, not a section")
            section[parent] = section = dict(child)
        try:
            section[last] = _parse(value) if value else None
        except ConfigError as error:
            raise ConfigError(f"'{override}': {error}") from None
    return result


def load_config(config: "RunConfig | Mapping[str, Any] | str | Path", overrides: Sequence[str] = ()) -> RunConfig:
    """Turn a file, a mapping or a finished config, plus overrides, into a checked `RunConfig`.

    Raises:
        ConfigError: every problem found, one line each, with dotted path and nearest known name.
    """
    if isinstance(config, RunConfig):
        if not overrides:
            return config
        config = config.model_dump(mode="json")
    where = "" if isinstance(config, Mapping) else f"{config}: "
    values = dict(config) if isinstance(config, Mapping) else read_yaml(Path(config))
    values = apply_overrides(values, overrides)
    if secret := TOKEN.search(str(values)):
        raise ConfigError(
            f"{where}a Hub token ({secret.group()[:6]}...) stands in the configuration; use `hf auth login` instead"
        )
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        lines = _explain(error, values)
        count = "" if len(lines) == 1 else f"{len(lines)} problems\n  "
        raise ConfigError(f"{where}{count}" + "\n  ".join(lines)) from None


def _explain(error: ValidationError, values: Mapping[str, Any]) -> list[str]:
    return [_line(detail, ".".join(_path(detail, values)), values) for detail in error.errors()]


def _path(detail: ErrorDetails, values: Any) -> list[str]:
    """The location in the user's own keys: without the names of union members that pydantic puts between."""
    keys: list[int | str] = []
    for part in detail["loc"]:
        here = values
        for key in keys:
            here = here.get(key, {}) if isinstance(here, Mapping) else {}
        last = part == detail["loc"][-1]
        if not isinstance(part, str) or last or (isinstance(here, Mapping) and part in here):
            keys.append(part)
    return [str(key) for key in keys]


def _line(detail: ErrorDetails, path: str, values: Mapping[str, Any]) -> str:  # noqa: PLR0911 - one per kind
    received = detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            *section, key = detail["loc"]
            return f"{path}: unknown key. {suggest(str(key), _fields(section, values))}"
        case "missing":
            return f"{path}: is required"
        case "union_tag_invalid":
            known = [tag.strip(" '") for tag in detail["ctx"]["expected_tags"].split(",")]
            return f"{path}.kind: unknown kind '{detail['ctx']['tag']}'. {suggest(detail['ctx']['tag'], known)}"
        case "union_tag_not_found":
            return f"{path}.kind: is required"
        case "literal_error":
            known = [tag.strip(" '") for tag in re.split(r",| or ", detail["ctx"]["expected"])]
            return f"{path}: {received!r} is not a choice. {suggest(str(received), known)}"
        case "value_error":
            return f"{path}: {detail['ctx']['error']}" if path else str(detail["ctx"]["error"])
        case _:
            return f"{path}: {detail['msg']} (received {received!r})"


def _fields(section: list[int | str], values: Mapping[str, Any]) -> list[str]:
    """The keys that a section knows; its location is made of keys and of kinds of a union."""
    here: list[type[BaseModel]] = [RunConfig]
    for part in section:
        inside = [model.model_fields[part] for model in here if part in model.model_fields]
        kinds = [
            model
            for model in here
            if "kind" in model.model_fields and part in get_args(model.model_fields["kind"].annotation)
        ]
        here = [model for field in inside for model in _models(field.annotation)] or kinds
        if here == [TaskOptions]:
            here = [find_task(values["task"]["name"]).Options]
    return sorted({name for model in here for name in model.model_fields})


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The sections among the members of a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for member in get_args(annotation) for model in _models(member)]


def render(config: RunConfig) -> str:
    """Write the configuration as YAML with every default filled in; `load_config` reads it back to an equal one."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def config_schema() -> dict[str, Any]:
    """The JSON schema of a configuration file, with the options of the shipped tasks."""
    schema = RunConfig.model_json_schema()
    options = find_task("sentiment").Options.model_json_schema(ref_template="#/$defs/{model}")
    schema["$defs"].update(options.pop("$defs", {}))
    schema["$defs"][options["title"]] = options
    schema["properties"]["task"] = {"$ref": f"#/$defs/{options['title']}"}
    return schema
