"""Load a finished run, and predict texts or score labelled files with it."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import transformers
from safetensors import SafetensorError
from transformers import AutoConfig, AutoTokenizer, PretrainedConfig, PreTrainedModel

from nlp_transfer.config.dialect import Dialect
from nlp_transfer.config.load import load_saved
from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.sources import COMMIT
from nlp_transfer.config.tasks import Scores, TaskDeclaration
from nlp_transfer.data.labels import OnUnknown
from nlp_transfer.data.naming import make_label_rules
from nlp_transfer.data.rows import TaskRows
from nlp_transfer.data.splits import make_dialect
from nlp_transfer.errors import CheckpointError, ConfigError, SourceError
from nlp_transfer.evaluation.confidence import list_log_frequencies
from nlp_transfer.evaluation.metrics_file import read_metrics
from nlp_transfer.models.anatomy import change_outputs, find_output_layer
from nlp_transfer.models.encoding.padding import read_padding_trouble
from nlp_transfer.models.encoding.pairs import open_target
from nlp_transfer.models.encoding.tokenizers import Tokenizers
from nlp_transfer.models.source import refuse_nonfinite, run_quietly
from nlp_transfer.runs.answering.origin import Origin
from nlp_transfer.runs.answering.predictor import Predictor
from nlp_transfer.sources import BUNDLED, load_source
from nlp_transfer.sources.checkpoint import Checkpoint
from nlp_transfer.sources.demands import refuse_demands
from nlp_transfer.sources.foreign_code import is_admitted
from nlp_transfer.sources.loading import find_damage, refuse_changed
from nlp_transfer.sources.shapes import find_weight_files, refuse_misshapen
from nlp_transfer.strategies.lora import put_adapter
from nlp_transfer.system.layout import ADAPTER, TARGET, explain_unfinished, find_lacking_file, is_published
from nlp_transfer.system.network import find_run
from nlp_transfer.task import Prediction, Task, make_task

T = TypeVar("T")
log = logging.getLogger(__name__)


def load(
    folder: str | Path,
    *,
    revision: str | None = None,
    task: type[TaskDeclaration] | None = None,
    precision: Literal["fp32", "auto"] = "fp32",
    trust_remote_code: str | None = None,
    least: float | None = None,
) -> Predictor:
    """Load a finished run from its folder, or from the Hub (or its cache) by the id it was published under.

    Args:
        folder: of the run; or USER/NAME on the Hub.
        revision: branch, tag or commit on the Hub.
        task: of the run, where that is none of ours: the class itself, for nothing that a folder names is imported.
        precision: `auto` answers in bf16 where that is faster and the run's own test rows are answered alike;
            `evaluate` stays in fp32.
        trust_remote_code: the commit of the code that a run was trained with, if it was; nothing in the folder decides.
        least: answer null where the confidence is less; see `Predictor.describe_withheld`.

    Raises:
        CheckpointError: no run there, or one whose files are missing or damaged, or of a task that is neither ours nor
            given.
        ConfigError: no such precision, or answers without a confidence.
    """
    if precision not in {"fp32", "auto"}:
        raise ConfigError(f"precision: expected 'fp32' or 'auto', received {precision!r}")
    root = find_run(folder, revision)
    if fault := explain_unfinished(root):
        raise CheckpointError(f"{root}: {fault}")
    predictor = open_run(root, task, trust_remote_code)
    if trouble := read_padding_trouble(predictor.model):
        log.warning("%s: %s", root, trouble)
    if precision == "auto":
        predictor.take_half_precision(root)
    if least is not None:
        predictor.require_confidence(least, read_metrics(root).confidence)
    return predictor


def open_run(root: Path, task: type[TaskDeclaration] | None = None, trust_remote_code: str | None = None) -> Predictor:
    """Load the model of a run folder, even if the run is not finished; see `load`."""
    config = load_saved(root, task)
    _require_code(root, config, trust_remote_code)
    kind = config.task_class
    if (root / ADAPTER[0]).is_file():
        return _load_or_explain(root, lambda: _open_adapter(root, config))

    folder = root if is_published(root) else root / "model"
    model, tokenizers = load_model(folder, kind(config.task).auto_class)
    _load_or_explain(root, lambda: refuse_changed(root, folder))
    names = {int(index): name for index, name in (model.config.id2label or {}).items()}
    labels = tuple(names[index] for index in sorted(names))
    return _make_predictor(root, config, make_task(kind, config.task, labels), model, tokenizers)


def _require_code(root: Path, config: RunConfig, trusted: str | None) -> None:
    """Run the code of others that a run needs, if the user names its commit; anybody may have made the folder.

    Raises:
        CheckpointError: it needs code of others, and the user names no commit, or another.
        ConfigError: what the user names is no commit.
    """
    if trusted is not None and not COMMIT.fullmatch(trusted):
        raise ConfigError(f"trust_remote_code: expected a full commit hash, 40 hex digits, received {trusted!r:.60}")
    name, commit = config.source.name, getattr(config.source, "trust_remote_code", None)
    revision = getattr(config.source, "revision", None)
    if is_admitted(name, commit):
        return
    if trusted != commit:
        raise CheckpointError(
            f"{root}: needs code of others, that of '{name}' at {commit}, which is not run unasked; read it there, and "
            f"name the commit: --trust-remote-code {commit}, or load(folder, trust_remote_code=...)"
        )
    _load_or_explain(root, lambda: Checkpoint(name, revision=revision, trust_remote_code=commit).config)


def _make_predictor(
    root: Path, config: RunConfig, task: Task, model: PreTrainedModel, tokenizers: Tokenizers
) -> Predictor:
    rules, origin = make_label_rules(config.data), Origin.read(root, config)
    dialect = replace(make_dialect(config.data), encoding=None)  # that of train says nothing about other files
    return Predictor(task, model, tokenizers, config.data.columns, rules, dialect, origin)


def _open_adapter(root: Path, config: RunConfig) -> Predictor:
    """Build the model from its source again, and load the adapter and the new modules into it."""
    metrics = read_metrics(root)
    task = make_task(config.task_class, config.task, tuple(metrics.data.splits["train"].labels))
    place = config.source.model_dump()
    bundled = BUNDLED.get(config.source.name)
    if bundled and bundled.hub and not bundled.available:
        place["name"] = bundled.hub

    source = load_source(**place)
    if isinstance(source, Checkpoint) and metrics.head is None:  # such an older run matched rows of the head by number
        source = replace(source, by_name=False)
    rows = TaskRows({role: [] for role in task.roles})
    model = put_adapter(task.build(source, rows, frozen=False).model, root)
    if (known := metrics.confidence) is not None and (last := find_output_layer(model, len(task.labels))):
        # What was fitted on validation is a part of the merged weights only.
        frequencies = list_log_frequencies(metrics.data.splits["train"].labels, task.labels)
        shift = (known.rebalanced * frequencies).tolist() if known.rebalanced else ()
        change_outputs(last[1], known.temperature, shift)
    refuse_nonfinite(model, str(root))
    tokenizer = AutoTokenizer.from_pretrained(root, trust_remote_code=False, local_files_only=True)
    return _make_predictor(root, config, task, model, Tokenizers(tokenizer))


def load_model(folder: Path, auto_class: str) -> tuple[PreTrainedModel, Tokenizers]:
    """Load a saved model and its tokenizers.

    Raises:
        CheckpointError: files are missing, damaged or do not fit together.
    """
    return _load_or_explain(folder, lambda: _open(folder, getattr(transformers, auto_class)))


def _load_or_explain(folder: Path, load: Callable[[], T]) -> T:
    try:
        return run_quietly(load)
    except SafetensorError as error:
        said = f"the weights file is malformed or cut short ({error}); bring the file back, or train again"
        raise CheckpointError(f"{folder}: {said}") from None
    except SourceError as error:
        raise CheckpointError(str(error)) from None
    except (OSError, ValueError, LookupError, RuntimeError, TypeError, ArithmeticError, AttributeError) as error:
        first = str(error).strip().splitlines() or [type(error).__name__]
        raise CheckpointError(find_damage(folder) or f"{folder}: cannot be loaded: {first[0]}") from None


def _open(folder: Path, auto: Any) -> tuple[PreTrainedModel, Tokenizers]:
    _refuse_missing(folder, "config.json", find_lacking_file(folder))  # transformers would make some of them up
    refuse_demands(PretrainedConfig.get_config_dict(folder, local_files_only=True)[0], str(folder))
    safe = {"trust_remote_code": False, "local_files_only": True}
    config = AutoConfig.from_pretrained(folder, **safe)
    refuse_misshapen(find_weight_files(str(folder)), auto.from_config, config, str(folder), head=True)
    model, report = auto.from_pretrained(folder, use_safetensors=True, output_loading_info=True, **safe)
    if report["missing_keys"]:
        raise ValueError(f"weights are missing: {sorted(report['missing_keys'])[:3]}")

    refuse_nonfinite(model, str(folder))
    if model.can_generate():  # without these files it would write, but not as it was trained to
        _refuse_missing(folder, "generation_config.json")
        if model.config.model_type == "encoder-decoder":
            lost = find_lacking_file(folder / TARGET)
            _refuse_missing(folder, f"{TARGET}/{lost}" if lost else None)
    return model, Tokenizers(AutoTokenizer.from_pretrained(folder, **safe), open_target(folder))


def _refuse_missing(folder: Path, *names: str | None) -> None:
    for name in names:
        if name is not None and not (folder / name).is_file():
            raise ValueError(f"{name} is missing")


def predict(
    folder: str | Path,
    texts: Any,
    columns: Mapping[str, str] | None = None,
    *,
    task: type[TaskDeclaration] | None = None,
    least: float | None = None,
) -> list[Prediction]:
    """Answer texts by a finished run, in their order; see `load` and `Predictor.predict`."""
    return load(folder, task=task, least=least).predict(texts, columns)


def evaluate(
    folder: str | Path,
    data: Any,
    columns: Mapping[str, str] | None = None,
    *,
    on_unknown_label: OnUnknown | None = None,
    dialect: Dialect | None = None,
    limit: int | None = None,
    task: type[TaskDeclaration] | None = None,
    trust_remote_code: str | None = None,
) -> Scores:
    """Score a finished run on other labelled rows; see `load` and `Predictor.evaluate`."""
    predictor = load(folder, task=task, trust_remote_code=trust_remote_code)
    return predictor.evaluate(data, columns, on_unknown_label=on_unknown_label, dialect=dialect, limit=limit)
