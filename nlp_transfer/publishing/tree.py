"""Build the exact tree of a published run, from a list of allowed files, with local paths reduced to names."""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from nlp_transfer.config.load import check_values, load_saved
from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.tasks import TaskDeclaration
from nlp_transfer.config.yaml_file import dump_yaml
from nlp_transfer.errors import TOKEN, PublishError
from nlp_transfer.evaluation.averaging import mean_scores
from nlp_transfer.evaluation.metrics_file import Metrics, read_metrics, write_metrics
from nlp_transfer.evaluation.plotting import draw_reliability, plot
from nlp_transfer.evaluation.verdicts import make_baseline, make_comparand
from nlp_transfer.models.encoding.prompts import read_saved_prompt
from nlp_transfer.models.saving import write_json
from nlp_transfer.publishing.card import build_card, check_card
from nlp_transfer.publishing.card_page import Subject
from nlp_transfer.publishing.copying import copy_exports, copy_files, refuse_link
from nlp_transfer.sources import BUNDLED
from nlp_transfer.system.disk import write_whole
from nlp_transfer.system.layout import (
    ADAPTER,
    ALLOWED,
    BEHIND,
    FINISHED,
    INDEX,
    MODEL,
    MODELLING,
    MODULE,
    PLOT,
    RELIABILITY,
    RUN,
    TARGET,
    TOKENIZER,
    VOCABULARY,
    find_lacking_file,
)
from nlp_transfer.system.received import is_held

TEXTS = (".json", ".yaml", ".md", ".py", ".txt")
PLACE = re.compile(  # a path in a text: a file URL, a share, a drive, a home folder, an absolute path
    r"""file:/\S+|\\\\[\w.-]+\\\S+|(?<!\w)[A-Za-z]:\\\S+|(?<![\w./<])(?:~[\w.-]*/[^\s/]+|(?:/[^\s/'",;:|`]+){2,})"""
)


def write_publication(
    run: Path,
    target: Path,
    repo: str,
    *,
    licence: str | None,
    adapter_only: bool,
    task: type[TaskDeclaration] | None = None,
    rate: float | None = None,
    exports: Sequence[Path] = (),
) -> None:
    """Write the tree of a published run to an empty folder.

    Args:
        run: the folder of a finished run.
        target: the folder to write to.
        repo: the Hub id, for the card.
        licence: replaces the licence of the pretrained weights.
        adapter_only: leave out the merged model.
        task: see `load_saved`.
        rate: what an hour of the machine costs, for the price of 1,000 texts on the card.
        exports: folders of exports of the run, which go up too.

    Raises:
        CheckpointError: the run's task is not shipped, and was not given.
        PublishError: the run is not finished, the card breaks a rule, or a file holds something private.
        DiskError: the disk has no room for the tree.
    """
    metrics = _read_figures(run)
    if not (run / "model" / "config.json").is_file():
        raise PublishError(f"{run}: not a finished run: it lacks model/config.json")
    config, metrics = _reduce_places(run, metrics, task)
    if adapter_only:
        _refuse_adapter(run, config, metrics)
    elif (commit := getattr(config.source, "trust_remote_code", None)) is not None:
        raise PublishError(
            f"{run}: its architecture is code of others ('{config.source.name}' at {commit}), which is not ours to "
            "publish, and without it nobody could open the model; of a LoRA run --adapter-only is possible, for there "
            "the base keeps its code"
        )

    for folder, patterns, where in _list_parts(run, adapter_only=adapter_only):
        refuse_link(run / folder)
        copy_files(run / folder, patterns, target / where)
    _require_whole(run, target, adapter_only=adapter_only)
    exported = tuple(copy_exports(exports, metrics.weights, target))

    # No path of this machine may stay in the adapter's base, the configuration or the figures.
    for adapter in target.rglob(ADAPTER[0]):
        values = json.loads(adapter.read_text(encoding="utf-8"))
        base = _find_base(config, metrics) or Path(values["base_model_name_or_path"]).name
        write_json(adapter, {**values, "base_model_name_or_path": base})

    values = config.model_dump(mode="json")
    _refuse_places(values, "config.yaml")
    _refuse_places(metrics.values(), FINISHED)
    write_metrics(target, metrics)
    write_whole(target / "config.yaml", dump_yaml(values))

    shown = gather_subject(run, config, metrics, repo=repo, licence=licence, adapter_only=adapter_only)
    diagram = draw_reliability(metrics.confidence, target / RELIABILITY)
    shown = replace(shown, pictured=_draw(shown, target / PLOT), diagram=diagram, rate=rate, exported=exported)
    text = build_card(shown)
    check_card(text, metrics.test)
    write_whole(target / "README.md", text)

    # Look at every file once more, as it will be published.
    for path in list_files(target):
        _inspect(target / path, path)


def _draw(shown: Subject, path: Path) -> bool:
    """Draw the test score beside those that the card shows: the mean of all seeds, simple methods, controls."""
    row = make_comparand(shown.name, shown.config, shown.metrics, ())
    beside = [make_baseline(name, scores, correct=()) for name, scores in shown.metrics.baselines.items()]
    beside += [make_baseline(name, scores, correct=(), scratch=True) for name, scores in shown.metrics.controls.items()]

    seeds = shown.metrics.seeds
    if seeds and not seeds.note:
        means = mean_scores(seeds)
        beside.append(replace(row, name="all seeds", seeds=seeds.values, validation=means.validation, test=means.test))
    return plot([row], beside, path, task=type(shown.task))


def _find_base(config: RunConfig, metrics: Metrics) -> str | None:
    """Find the Hub id of the very weights that a run started from; a run on this machine is not there."""
    bases = metrics.provenance.base_models
    local = metrics.provenance.chain and config.source.name not in bases
    return None if local else next(iter(bases), None)


def _refuse_adapter(run: Path, config: RunConfig, metrics: Metrics) -> None:
    """Refuse to publish an adapter alone if nobody could put it on its base again."""
    reason = None
    if not (run / "adapter").is_dir():
        reason = "there is none in this run; only one of strategy lora has one, before it is merged with others"
    elif _find_base(config, metrics) is None:
        reason = f"its base '{config.source.name}' is not on the Hub"
    elif getattr(config.strategy, "init", None) == "pissa":
        reason = "init: pissa has changed the weights that it stands beside"
    elif (run / "model" / TARGET).is_dir():
        reason = "its decoder was not on the Hub"
    if reason:
        raise PublishError(f"{run}: the adapter alone would be of no use: {reason}; leave out --adapter-only")


def _list_parts(run: Path, *, adapter_only: bool) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yield each folder of a run, the files that may leave it, and where they go."""
    yield "model", TOKENIZER if adapter_only else MODEL, ""
    yield f"model/{TARGET}", TOKENIZER, TARGET
    for module in [] if adapter_only else sorted((run / "model").glob(BEHIND)):
        yield f"model/{module.name}", MODULE, module.name
    yield "adapter", ADAPTER, "" if adapter_only else "adapter"


def _require_whole(run: Path, tree: Path, *, adapter_only: bool) -> None:
    """Refuse a tree that lacks weights, a tokenizer, or code that a configuration names."""

    def read(name: str) -> dict[str, Any]:
        found = _read_json(run / "model" / name) if (tree / name).is_file() else {}
        return found if isinstance(found, dict) else {}

    if adapter_only:
        weights = {ADAPTER[1]}
    elif (tree / INDEX).is_file():
        weights = set(read(INDEX).get("weight_map", {}).values()) or {"weight_map"}
    else:
        weights = {"model.safetensors"}

    named = [read(name).get("auto_map", {}).values() for name in ("config.json", "tokenizer_config.json")]
    code = {f"{module}.py" for module in re.findall(r"(\w+)\.\w", str(named))}
    folders = [tree, *([tree / TARGET] if (tree / TARGET).is_dir() else [])]

    missing = sorted(name for name in weights | code if not (tree / name).is_file())
    missing += [name for one in folders if (name := find_lacking_file(one))]
    if missing:
        raise PublishError(f"{run}: not a finished run: it lacks {', '.join(missing)}; train it again")


def list_files(folder: Path) -> tuple[str, ...]:
    """List the files of a tree by their relative names, in order."""
    return tuple(sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()))


def gather_subject(
    run: Path,
    config: RunConfig,
    metrics: Metrics,
    *,
    repo: str | None = None,
    licence: str | None,
    adapter_only: bool = False,
) -> Subject:
    """Gather what the card of a run is about; without `repo` the card shows its use from inside the run folder."""
    return Subject(
        config=config,
        metrics=metrics,
        environment=_read_environment(run / "environment.json"),
        name=(repo or run.name).rpartition("/")[2],
        repo=repo,
        licence=licence or metrics.provenance.licence,
        adapter_only=adapter_only,
        composed=(run / "model" / TARGET).is_dir(),
        prompt=read_saved_prompt(run / "model"),
        diagram=(run / RELIABILITY).is_file(),
        own_code=any((run / "model" / file.name).exists() for file in MODELLING),
    )


def write_card(run: Path, metrics: Metrics, task: type[TaskDeclaration] | None = None) -> None:
    """Write the card of a run that has just been measured; for `task` see `load_saved`."""
    config, metrics = _reduce_places(run, metrics, task)
    text = build_card(gather_subject(run.resolve(), config, metrics, licence=None))
    write_whole(run / "README.md", text)


def _read_figures(run: Path) -> Metrics:
    if missing := [name for name in ("config.yaml", "environment.json", FINISHED) if not (run / name).is_file()]:
        raise PublishError(f"{run}: not a finished run: it lacks {', '.join(missing)}; train it again")
    return read_metrics(run, PublishError)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PublishError(f"{path}: damaged ({error}); bring the file back, or train again") from None


def _read_environment(path: Path) -> dict[str, Any]:
    """Read environment.json, with all that a card tells of it.

    Raises:
        PublishError: it is damaged.
    """
    found = _read_json(path)
    try:
        _ = [found[key] for key in ("device", "cores", "threads")]
        _ = [found["packages"][name] for name in ("nlp-transfer", "torch", "transformers")]
    except (LookupError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise PublishError(f"{path}: damaged ({reason}); bring the file back, or train again") from None
    return dict(found)


def _reduce_places(run: Path, metrics: Metrics, task: type[TaskDeclaration] | None) -> tuple[RunConfig, Metrics]:
    """Reduce paths in the configuration and the metrics to their last names, unless bundled or on the Hub."""
    saved = load_saved(run, task)
    config = saved.model_dump(mode="json")
    known = {*BUNDLED, *metrics.provenance.base_models, *metrics.provenance.datasets}

    def reduce(place: Any) -> Any:
        if isinstance(place, dict):
            return {column: reduce(file) for column, file in place.items()}
        if place is None or place.startswith("bundled:") or is_held(place) or place.partition(" (")[0] in known:
            return place
        name = re.split(r"[/\\]", place.rstrip("/\\"))[-1] or "."
        return f"local-{name}" if name in BUNDLED else name  # a local file is not the bundled one of that name

    data, names = config["data"], {}
    for split, report in metrics.data.splits.items():
        given = data["train" if report.cut else split]
        names[report.place] = " + ".join(reduce(given).values()) if isinstance(given, dict) else reduce(report.place)

    if texts := metrics.data.unlabelled:
        names[texts.place] = reduce(texts.place)
    config["data"] = {**data, **{split: reduce(data[split]) for split in (*metrics.data.splits, "unlabelled")}}
    chain = metrics.provenance.chain  # a run is called by its name, also where the folder `model` in it was named
    config["source"]["name"] = reduce(chain[-1].name if chain else config["source"]["name"])
    if decoder := config["task"].get("decoder"):
        decoder["source"] = reduce(decoder.get("source"))

    public = Metrics.model_validate(_rename(metrics.values(), names))
    return check_values({**config, "output": None}, task=saved.task_class), public


def _rename(value: Any, names: Mapping[str, str]) -> Any:
    """Replace every text that is a path or starts with one, such as the origin of a split or a warning about it."""
    if isinstance(value, dict):
        return {key: _rename(one, names) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_rename(one, names) for one in value]

    for place, name in names.items():
        if value == place or (isinstance(value, str) and value.startswith((f"{place};", f"{place}:"))):
            return name + value[len(place) :]
    return value


def _refuse_places(value: Any, name: str) -> None:
    """Refuse a value that still looks like a path of this machine."""
    if isinstance(value, dict):
        for key, one in value.items():
            _refuse_places(one, f"{name}: {key}" if name in RUN else f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for one in value:
            _refuse_places(one, name)
    elif isinstance(value, str) and (found := PLACE.search(value)):
        raise PublishError(f"{name}: shows a place of this machine, {found[0]}; take it out of the run's own file")


def _inspect(path: Path, name: str) -> None:
    """Refuse a file that is not allowed, or a text that holds a token or a folder of this machine."""
    if not any(fnmatch(name, pattern) for pattern in ALLOWED):
        raise PublishError(f"{name}: not on the list of what may be published")
    if path.suffix not in TEXTS:
        return

    private = {str(place) for place in (Path.home(), Path.cwd(), Path(tempfile.gettempdir())) if len(place.parts) > 1}
    folders = re.compile("|".join(rf"{re.escape(place)}(?=[/\\])" for place in private))
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if TOKEN.search(line):
            raise PublishError(f"{name}:{number}: holds a Hugging Face token; take it out, and revoke it")
        if path.name not in VOCABULARY and (found := folders.search(line)):  # a vocabulary may hold such words
            raise PublishError(f"{name}:{number}: shows a folder of this machine, {found[0]}; take it out")
