"""Read the runs that a merged model is made of, and refuse those that do not belong together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlp_transfer.config.load import load_saved
from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.tasks import TaskDeclaration
from nlp_transfer.data.report import may_be_same
from nlp_transfer.errors import CheckpointError, ConfigError, DataError
from nlp_transfer.evaluation.html_report.recorded import read_looks
from nlp_transfer.models.merging import find_misfit
from nlp_transfer.runs.answering.predictor import Predictor
from nlp_transfer.runs.combine import collect_fingerprints, read_finished
from nlp_transfer.runs.result import RunResult
from nlp_transfer.runs.resume import flatten
from nlp_transfer.system.disk import expand_home
from nlp_transfer.system.layout import HISTORY, HITS, explain_unfinished
from nlp_transfer.system.received import list_paths, refuse_no_path

UNTOLD = ("_", "transformers_version", "dtype", "torch_dtype")  # keys of config.json that do not change a model


@dataclass(frozen=True)
class Part:
    """A finished run of one seed.

    Attributes:
        name: of the folder; of a run of several seeds with that of the seed.
        folder: holds its model.
        config: of the run, with all options decided.
        result: what it has measured.
    """

    name: str
    folder: Path
    config: RunConfig
    result: RunResult

    @property
    def learned_validation(self) -> bool:
        """Whether its head was solved again in the end, on the rows of validation too; see `History.learned_all`.

        Raises:
            CheckpointError: its history is damaged.
        """
        return any("again" in epoch.get("solver", {}) for epoch in read_looks(self.folder / HISTORY))


def read_parts(runs: str | Path | Sequence[str | Path], task: type[TaskDeclaration] | None) -> list[Part]:
    """Read runs from their folders; one of several seeds stands for each of them.

    Raises:
        ConfigError: they are no folders, a run is named twice, or two differ in more than their training.
        CheckpointError: a folder holds no finished run.
        DataError: two runs have other rows.
    """
    folders = [Path(run) for run in list_paths(runs, "merge", "the folder of a run")]
    parts = [part for folder in folders for part in _read_run(folder, task)]

    first, *others = parts
    places = [part.folder.resolve() for part in parts]
    for number, part in enumerate(parts):
        if places[number] in places[:number]:
            raise ConfigError(f"{part.folder} is named twice; leave it out once")
    for part in others:
        _refuse_unlike(first, part)
    return parts


def _read_run(run: str | Path, task: type[TaskDeclaration] | None) -> list[Part]:
    """Read a run, or the runs of its seeds."""
    refuse_no_path(run, "run", CheckpointError)
    folder = expand_home(run)
    if not folder.is_dir():
        raise CheckpointError(f"{run}: no such run folder")
    fault = explain_unfinished(folder)
    if fault is None and not (folder / HITS).is_file():
        fault = f"lacks {HITS}, with the score of each test row, as what was published does; name the run itself"
    if fault:
        raise CheckpointError(f"{folder}: {fault}")

    config = load_saved(folder, task)
    result = read_finished(config, folder)
    name = folder.resolve().name
    if not config.training.seeds:
        return [Part(name, folder, config, result)]
    kept = result.figures.seed  # its model has been moved up
    return [
        Part(
            f"{name}/{one.folder.name}",
            folder if one.figures.seed == kept else one.folder,
            load_saved(one.folder, config.task_class),
            one,
        )
        for one in result.parts
    ]


def _refuse_unlike(first: Part, other: Part) -> None:
    """Refuse a run that another one has no mean with, or whose test rows the other may have learned from."""
    here, there = _list_settings(first), _list_settings(other)
    if different := _describe_different(here, there):
        raise ConfigError(
            f"{other.name} cannot be merged with {first.name}: {different}; merge runs of one task and source, which "
            "differ in training or strategy"
        )

    before, now = collect_fingerprints(first.result), collect_fingerprints(other.result)
    if strange := next((split for split in before if not may_be_same(before[split], now.get(split))), None):
        raise DataError(
            f"{other.name} cannot be merged with {first.name}: its {strange} rows are others, so one of them may have "
            "learned from rows that the other is tested on; train both on the same splits (data.split_seed)"
        )


def _list_settings(part: Part) -> dict[str, Any]:
    """List the settings that shape a model and what it reads, but for options that were calibrated."""
    task, source = part.config.task, part.config.source
    place = Path(source.name)
    named = {**source.model_dump(), "name": str(place.resolve()) if place.exists() else source.name}
    shaping = task.model_dump(exclude={*part.config.task_class.calibrated})
    return flatten({"source": named, "task": shaping})


def _describe_different(here: Mapping[str, Any], there: Mapping[str, Any]) -> str:
    """Name the first key that differs, with both values; empty if none does."""
    keys = (key for key in dict.fromkeys([*here, *there]) if here.get(key) != there.get(key))
    return next((f"{key} is {there.get(key)!s:.60}, not {here.get(key)!s:.60}" for key in keys), "")


def refuse_other_model(first: Predictor, other: Predictor, name: str) -> None:
    """Refuse a model of another architecture or vocabulary.

    Raises:
        CheckpointError: saying what differs.
    """
    here, there = (_list_traits(one) for one in (first, other))
    if different := _describe_different(here, there) or find_misfit(first.model, other.model):
        raise CheckpointError(f"{name} cannot be merged: {different}, of its model; merge runs of one architecture")
    pairs = ((first.tokenizers.source, other.tokenizers.source), (first.tokenizers.target, other.tokenizers.target))
    if any(one.get_vocab() != two.get_vocab() for one, two in pairs if one is not None and two is not None):
        raise CheckpointError(f"{name} cannot be merged: its tokenizer has another vocabulary")


def _list_traits(predictor: Predictor) -> dict[str, Any]:
    """List what the configuration of a model says of what it computes."""
    untold = (*UNTOLD, *predictor.task.calibrated)
    values = flatten({"architecture": type(predictor.model).__name__, **predictor.model.config.to_dict()})
    return {key: value for key, value in values.items() if not key.rpartition(".")[2].startswith(untold)}
