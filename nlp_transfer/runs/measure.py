"""Measure a trained model and the simple methods, and check that the saved model answers the same."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from nlp_transfer.config.load import render
from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.tasks import LABELLED, SCORED
from nlp_transfer.data.rows import TaskRows
from nlp_transfer.errors import ConfigError, TrainingError
from nlp_transfer.evaluation.metrics_file import Cost, Method
from nlp_transfer.evaluation.verdicts import Comparand, make_baseline
from nlp_transfer.inference.activations import WHOLE_ENCODER, find_boundary, open_store, replay
from nlp_transfer.inference.predictions import infer
from nlp_transfer.models.encoding.units import Inputs, TokenInputs
from nlp_transfer.models.saving import save_model
from nlp_transfer.runs.answering.predict import open_run
from nlp_transfer.runs.answering.predictor import Predictor
from nlp_transfer.runs.costs import measure_cost
from nlp_transfer.runs.prepare import Prepared, list_rows
from nlp_transfer.runs.probes import are_alike, write_probes
from nlp_transfer.strategies import Plan
from nlp_transfer.system.caches import find_cache_folder
from nlp_transfer.system.disk import write_whole
from nlp_transfer.system.escaping import dump_json
from nlp_transfer.system.layout import PREDICTIONS
from nlp_transfer.task import Prediction, Spent, Task

PROBE_COUNT = 8  # test examples that the reloaded model predicts again


def infer_split(
    prepared: Prepared, model: PreTrainedModel, split: str, plan: Plan, *, progress: bool
) -> list[list[Any]]:
    """Infer a split in single precision, for `Task.decode`. Frozen features on disk are used if there are some."""
    tokens = TokenInputs(prepared.encoded[split], prepared.tokenizers.source.pad_token_id)
    units: Inputs = tokens
    boundary = find_boundary(model, plan.moving)
    if plan.cache == "disk" and boundary is not None and boundary.kind in WHOLE_ENCODER:
        store = open_store(model, boundary, find_cache_folder())
        units = replay(model, tokens, boundary, store, progress=progress) or tokens
    return infer(model, prepared.task, units, together=True)


class SimpleMethods:
    """Measure the simple methods once for all runs of a command that share rows and options of the task."""

    def __init__(self) -> None:
        """Begin with nothing measured."""
        self._known: list[tuple[Any, tuple[Comparand, ...]]] = []

    def measure(self, prepared: Prepared) -> tuple[Comparand, ...]:
        """Measure them for these rows and options, or return what an earlier run with the same has found.

        Raises:
            ConfigError: as `measure_baselines`.
        """
        task, splits = prepared.task, prepared.splits
        contents = [one.fingerprint for one in splits.report.splits.values()]
        # Fingerprints leave out where a row stands, which says what rows two runs have both tested.
        asked = (task.options, task.selection, splits.labels, contents, splits.test["row"][:])
        for before, found in self._known:
            if asked == before:
                return found

        found = measure_baselines(prepared)
        self._known.append((asked, found))
        return found


def measure_untrained(prepared: Prepared) -> tuple[Comparand, ...]:
    """Score the model before its training, if the task wants to know what that has brought."""
    task, rows = prepared.task, list_rows(prepared.splits)
    if task.untrained is None:
        return ()

    said: dict[str, list[Prediction]] = {}
    for split in SCORED:
        tokens = TokenInputs(prepared.encoded[split], prepared.tokenizers.source.pad_token_id)
        said[split] = prepared.decode(infer(prepared.loaded.model, task, tokens, together=True), split)
    scores = {split: task.score(said[split], rows[split]) for split in SCORED}
    correct, tested = task.hits(said["test"], rows["test"]), rows["test"]["row"][:]
    return (make_baseline(task.untrained, Method(**scores), correct=correct, tested=tested),)


def measure_baselines(prepared: Prepared) -> tuple[Comparand, ...]:
    """Score the task's simple methods as the model will be scored.

    Raises:
        ConfigError: the scores of the task lack the one that chooses the best state.
    """
    rows, task = list_rows(prepared.splits), prepared.task
    tested = rows["test"]["row"][:]

    def measure(name: str, said: Mapping[str, list[Prediction]]) -> Comparand:
        spent: Spent | None = getattr(said, "spent", None)
        values = spent._asdict() if spent else {}
        method = Method(
            validation=task.score(said["validation"], rows["validation"]),
            test=task.score(said["test"], rows["test"]),
            chosen=getattr(said, "chosen", None),
            seconds=values.pop("seconds", None),
            cost=Cost(**values) if values else None,
        )
        return make_baseline(name, method, correct=task.hits(said["test"], rows["test"]), tested=tested)

    found = tuple(measure(name, said) for name, said in task.baselines(prepared.splits).items())

    for row in found:
        if task.selection not in row.validation:
            raise ConfigError(
                f"task.name: {type(task).__name__}.score gives {', '.join(row.validation)}, and not "
                f"'{task.selection}', which is to choose the checkpoint; add it, or change `selection`"
            )
    return found


def save_run(folder: Path, config: RunConfig, predictor: Predictor, test: TaskRows, said: Sequence[Prediction]) -> Cost:
    """Save a model, its configuration and its answers to test; then check that the saved model gives the same.

    Args:
        folder: of the run.
        config: with all options decided.
        predictor: the model with its task.
        test: the rows of test.
        said: the answers to them.

    Returns:
        What answers of the saved model cost.

    Raises:
        TrainingError: the reloaded model gives another answer.
        DiskError: the disk is full or fails.
    """
    task, model = predictor.task, predictor.model
    for name in task.calibrated:  # so that others can read them without this package
        setattr(model.config, name, getattr(task.options, name))
    write_whole(folder / "config.yaml", render(config))
    save_model(model, predictor.tokenizers, folder / "model", max_length=task.longest)
    _write_predictions(folder / PREDICTIONS, said, task, test)
    return _verify(folder, predictor, test)


def _verify(folder: Path, predictor: Predictor, test: TaskRows) -> Cost:
    """Reload the saved model, and check that it predicts a few test texts as the one in memory does.

    The texts and answers are kept in the run folder, so that a publication can be checked too.

    Returns:
        What answers of the reloaded model cost.

    Raises:
        TrainingError: the reloaded model gives another answer.
    """
    task = predictor.task
    inputs = [task.read_input(row) for row in test.select(range(min(PROBE_COUNT, len(test))))]
    trained = predictor.predict(inputs)
    reloaded = open_run(folder, type(task))

    for one, before, after in zip(inputs, trained, reloaded.predict(inputs), strict=True):
        if not are_alike(before, after):
            raise TrainingError(
                f"{folder / 'model'}: the saved model answers {after} to {str(one)[:60]!r}, the trained one {before}"
            )
    write_probes(folder, inputs, trained)
    return measure_cost(reloaded, inputs, folder / "model")


def _write_predictions(path: Path, predictions: Sequence[Prediction], task: Task, rows: TaskRows) -> None:
    """Write a line for each test row."""
    lines = [dump_json(describe_answer(row, said, task)) for row, said in zip(rows, predictions, strict=True)]
    write_whole(path, "".join(f"{line}\n" for line in lines))


def describe_answer(row: Mapping[str, Any], said: Prediction, task: Task) -> dict[str, Any]:
    """Describe an answer as predictions.jsonl does: the number of the row, its texts, the right answer, the answer."""
    roles = task.roles
    cells = {role: _name_labels(row[role], task) if kind in LABELLED else row[role] for role, kind in roles.items()}
    read = {role: cells.pop(role) for role in task.input_roles()}
    return {"row": row["row"], "input": read, "reference": cells, **said}


def _name_labels(cell: int | list[int], task: Task) -> str | list[str]:
    """Return the name of a label, or the names of several."""
    return task.labels[cell] if isinstance(cell, int) else [task.labels[label] for label in cell]
