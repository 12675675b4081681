"""Read what the folder of a run has recorded: figures, history, and its answers to the rows of test."""

import contextlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlp_transfer.config.load import load_saved
from nlp_transfer.config.run import RunConfig
from nlp_transfer.config.tasks import RoleKind, TaskDeclaration
from nlp_transfer.errors import CheckpointError
from nlp_transfer.evaluation.metrics_file import Metrics, read_metrics
from nlp_transfer.system.layout import HISTORY, HITS, PREDICTIONS

# What is raised by a file that is no JSON, or in which something is missing or of another kind.
DAMAGED = (ValueError, LookupError, TypeError, AttributeError, StopIteration)
REASON = 200  # characters
LARGEST = 100_000_000  # bytes of answers; about 300,000 sentences, which take 6 s and 1 GB


@dataclass(frozen=True)
class Answered:
    """A row of test with the answer of the model.

    Attributes:
        number: of the row in its file.
        inputs: role -> text, or texts.
        right: the right answer.
        said: the answer, which is named by the first key of a prediction.
        details: the rest of the prediction, such as probabilities.
        score: of this row alone; None if it was not recorded.
        others: simple method -> its score of this row.
    """

    number: int
    inputs: Mapping[str, Any]
    right: Any
    said: Any
    details: Mapping[str, Any]
    score: float | None
    others: Mapping[str, float]


@dataclass(frozen=True)
class Recorded:
    """What a run has recorded.

    Attributes:
        folder: of the run.
        config: its configuration.
        metrics: the contents of metrics.json.
        environment: the contents of environment.json.
        history: the epochs that were judged.
        scores: of each test row, of the run; of several seeds the mean. Empty if they are gone.
        counts: how many seeds tested each row; empty if all did.
        others: simple method -> its score of each test row.
        answered: the test rows; empty if their texts were not recorded.
        missing: what the folder lacks, in sentences.
    """

    folder: Path
    config: RunConfig
    metrics: Metrics
    environment: Mapping[str, Any]
    history: Sequence[Mapping[str, Any]]
    scores: Sequence[float]
    counts: Sequence[int]
    others: Mapping[str, Sequence[float]]
    answered: Sequence[Answered]
    missing: Sequence[str]

    @property
    def task(self) -> type[TaskDeclaration]:
        """The class of the task."""
        return self.config.task_class

    @property
    def labels(self) -> list[str]:
        """The labels of train, in order; empty for tasks without labels."""
        return list(self.metrics.data.splits["train"].labels)

    @property
    def answer(self) -> tuple[str, RoleKind | None]:
        """The role that holds the right answer, and its kind; where a text is its own answer there is none."""
        inputs = self.task.input_roles()
        return next(((role, kind) for role, kind in self.task.roles.items() if role not in inputs), ("", None))


def read_run(folder: Path, metrics: Metrics | None = None, task: type[TaskDeclaration] | None = None) -> Recorded:
    """Read what the folder of a run holds; what an older version did not record is left out, and said.

    Args:
        folder: of the run.
        metrics: what metrics.json will hold, if it is not written yet.
        task: see `load_saved`.

    Raises:
        TransferError: a file is damaged, or cannot be read.
        FileNotFoundError: there is no such file.
    """
    try:
        return _read(folder, metrics, task)
    except DAMAGED as error:
        raise make_damage_error(folder, error) from error


def make_damage_error(what: str | Path, error: Exception) -> CheckpointError:
    """Make the error that says that a file in a folder is damaged."""
    return CheckpointError(f"{what}: a file in it is damaged ({_explain(error)}); bring it back, or train again")


@contextlib.contextmanager
def _name_damaged(path: Path, line: int | None = None) -> Iterator[None]:
    """Name the file, and the line, where the body fails because they are damaged, or the disk is."""
    try:
        yield
    except (*DAMAGED, OSError) as error:
        where = f"line {line}: " if line else ""
        way = "bring the file back, or train again"
        raise CheckpointError(f"{path}: damaged ({where}{_explain(error)}); {way}") from error


def _explain(error: Exception) -> str:
    """Give the reason in a short line; `repr` would show the bytes of a whole file that cannot be decoded."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return reason if len(reason) <= REASON else f"{reason[: REASON - 3]}..."


def _read(folder: Path, metrics: Metrics | None, task: type[TaskDeclaration] | None) -> Recorded:
    config, metrics = load_saved(folder, task), metrics or read_metrics(folder)
    hits = read_hits(folder / HITS)
    answered, missing = _read_answers(folder, config.task_class, metrics, hits)

    history = _read_history(folder, metrics)
    if not history:
        missing = [*missing, f"The course of the training: the folder has no {HISTORY}."]
    if metrics.cost is None:
        missing = [*missing, "The cost of answers: it was not measured."]
    return Recorded(
        folder=folder,
        config=config,
        metrics=metrics,
        environment=_read_environment(folder / "environment.json"),
        history=history,
        scores=hits.get("run", []),
        counts=hits.get("counts", []),
        others=hits.get("baselines", {}),
        answered=answered,
        missing=missing,
    )


def _read_answers(
    folder: Path, task: type[TaskDeclaration], metrics: Metrics, hits: Mapping[str, Any]
) -> tuple[list[Answered], list[str]]:
    """Read the answers to test, and say what is missing of them."""
    path = folder / PREDICTIONS
    if path.is_file() and path.stat().st_size > LARGEST:
        return [], [
            f"The answers to single rows: {PREDICTIONS} is larger than the {LARGEST:,} bytes that a page reads."
        ]
    lines = _read_lines(path)
    if not all("input" in line for line in lines) or not lines:
        why = "was written by a version that kept no texts in it" if lines else "is not in the folder"
        return [], [f"The answers to single rows: {PREDICTIONS} {why}."]

    # Of several seeds hits.json has the means; the answers are those of the one that is kept.
    own = read_hits(folder / f"seed-{metrics.seed}" / HITS) or hits
    by_row = _pair_scores(own, lines)
    answers = []
    for number, line in enumerate(lines, 1):
        with _name_damaged(path, number):
            answers.append(make_answer(line, task, by_row.get(line["row"], {})))
    return answers, [] if by_row else [f"The scores of single rows: the folder has no {HITS} that fits its answers."]


def _pair_scores(hits: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, float]]:
    """Map the number of a row to its scores: an empty name stands for the run, others for simple methods."""
    rows = hits.get("rows") or [line["row"] for line in lines]
    methods = {"": hits.get("run", []), **hits.get("baselines", {})}
    known = {name: scores for name, scores in methods.items() if len(scores) == len(rows)}
    return {row: {name: known[name][place] for name in known} for place, row in enumerate(rows)} if "" in known else {}


def make_answer(line: Mapping[str, Any], task: type[TaskDeclaration], scores: Mapping[str, float]) -> Answered:
    """Take a line of predictions.jsonl apart; `scores` has that of the run under an empty name."""
    said = {key: value for key, value in line.items() if key not in ("row", "input", "reference")}
    _check_kinds(line, {"row": int, "input": Mapping, "reference": Mapping})
    _check_kinds(said, {"confidence": int | float, "sentences": list, "probabilities": Mapping})
    likely = said.get("probabilities") or {}
    _check_kinds(likely, dict.fromkeys(likely, int | float))
    right = next((line["reference"][role] for role in task.roles if role in line["reference"]), None)
    first = next(iter(said))
    return Answered(
        number=line["row"],
        inputs=line["input"],
        right=right,
        said=said.pop(first),
        details=said,
        score=scores.get(""),
        others={name: score for name, score in scores.items() if name},
    )


def _check_kinds(values: Mapping[str, Any], kinds: Mapping[str, Any]) -> None:
    """Check that values that are there are of the kinds that a page draws; None stands for one that is not known.

    Raises:
        TypeError: naming the first that is not.
    """
    for key, kind in kinds.items():
        if not isinstance(values.get(key), kind | None):
            raise TypeError(f"{key}: {values[key]!r:.40} is not what it should be")


def _read_history(folder: Path, metrics: Metrics) -> list[dict[str, Any]]:
    """Read the epochs that were judged; of tasks that trained together they stand in the folder of all, by name."""
    own = read_looks(folder / HISTORY)
    if own or not metrics.beside:
        return own

    seed = f"seed-{metrics.seed}"
    task = folder.parent if folder.name == seed else folder
    places = [task.parent / seed / HISTORY, task.parent / HISTORY]
    lines = next((found for found in map(read_looks, places) if found), [])
    name = f"{task.absolute().name}/"
    return [{**line, "validation": _choose(line["validation"], name)} for line in lines]


def _choose(scores: Mapping[str, Any], begin: str) -> dict[str, Any]:
    return {key.removeprefix(begin): value for key, value in scores.items() if key.startswith(begin)}


def read_looks(path: Path, metric: str | None = None) -> list[dict[str, Any]]:
    """Read history.jsonl: a line for each look at validation; none where there is no file.

    Args:
        path: of the file.
        metric: a score that each line must have.

    Raises:
        CheckpointError: a line is not what a run writes.
    """
    needed = {"phase": str, "validation": Mapping, "step": int, "seconds": int | float}
    lines = _read_lines(path)
    for number, line in enumerate(lines, 1):
        with _name_damaged(path, number):
            _check_kinds(line, {**needed, "loss": int | float, "solver": Mapping})
            if lacking := next((key for key in needed if line.get(key) is None), None):
                raise KeyError(lacking)
            _check_kinds(line["validation"], dict.fromkeys(line["validation"], int | float))
            if metric is not None and line["validation"].get(metric) is None:
                raise KeyError(f"validation.{metric}")
    return lines


def read_hits(path: Path, methods: Collection[str] | None = None) -> dict[str, Any]:
    """Read hits.json: lists of numbers, and some by the name of a simple method; nothing where there is no file.

    Args:
        path: of the file.
        methods: the simple methods that must be there, and the run too; None takes what there is.

    Raises:
        CheckpointError: it is not what a run writes.
    """
    found = _read_json(path)
    with _name_damaged(path):
        if methods is not None:
            _ = found["run"], [found["baselines"][name] for name in methods]
        _check_kinds(found, {"baselines": Mapping})
        lists = {**{key: found.get(key, []) for key in ("rows", "run", "counts")}, **found.get("baselines", {})}
        _check_kinds(lists, dict.fromkeys(lists, list))
        for key, numbers in lists.items():
            if not all(isinstance(one, int | float) for one in numbers):
                raise TypeError(f"{key}: holds something that is no number")
    return found


def _read_environment(path: Path) -> dict[str, Any]:
    found = _read_json(path)
    with _name_damaged(path):
        _check_kinds(found, {"packages": Mapping})
    return found


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    with _name_damaged(path):
        return _read_object(path.read_text(encoding="utf-8"))


def _read_lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []

    found = []
    with _name_damaged(path):
        lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, 1):
        if line:
            with _name_damaged(path, number):
                found.append(_read_object(line.decode()))
    return found


def _read_object(text: str) -> dict[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise TypeError(f"expected an object, not a {type(found).__name__}")
    return found
