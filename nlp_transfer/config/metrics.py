"""Measure by functions of other people: `task.metrics` names them, and a task that scores by them too is derived here.

The function takes the right answers, then those of the model, as most of scikit-learn's do, and gives a number.
"""

import functools
import importlib
import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

from nlp_transfer.config.base import Metric
from nlp_transfer.config.tasks import LABELLED, Scores, TaskDeclaration
from nlp_transfer.errors import ConfigError


@functools.cache  # so that configurations that measure alike are equal
def add_metrics(kind: type[TaskDeclaration], metrics: tuple[Metric, ...], *, imported: bool) -> type[TaskDeclaration]:
    """Derive a task that scores by these functions too.

    Args:
        kind: the task.
        metrics: what to add.
        imported: False, where others may have named the functions: the scores that are there are shown, but none is
            computed.

    Raises:
        ConfigError: a function cannot be imported, has the name of a score, or the task has no answers to score.
    """
    if not metrics or kind.metrics == metrics:
        return kind
    names, known = [one.name for one in metrics], {*kind.shown, *kind.selectable}
    if taken := next((name for name in names if name in known or names.count(name) > 1), None):
        raise ConfigError(f"task.metrics: there is a score '{taken}' already; give the function another name")
    find_answer_role(kind)

    changed: dict[str, Any] = {
        "__module__": kind.__module__,
        "__doc__": kind.__doc__,
        "metrics": metrics,
        "shown": (*kind.shown, *names),
    }
    if imported:
        functions = {one: _import(one.function) for one in metrics}

        def score(self: Any, predictions: Sequence[Any], rows: Any) -> Scores:
            """Score as the task does, and by the functions."""
            own = kind.score(self, predictions, rows)  # type: ignore[attr-defined] # of every Task
            right, said = pair_answers(self, predictions, rows)
            return {**own, **{one.name: measure(one, functions[one], right, said) for one in metrics}}

        changed |= {"score": score, "functions": functions, "selectable": (*(kind.selectable or kind.shown), *names)}
    return type(kind.__name__, (kind,), changed)


def find_answer_role(kind: type[TaskDeclaration]) -> str:
    """Find the role that a model answers with.

    Raises:
        ConfigError: there is none.
    """
    if role := next((role for role in kind.roles if role not in kind.input_roles()), None):
        return role
    raise ConfigError("task.metrics: rows of this task have no answer that a function could look at; leave it out")


def pair_answers(task: TaskDeclaration, predictions: Sequence[Any], rows: Any) -> tuple[list[Any], list[Any]]:
    """List the right answers and those of the model, labels by their names."""
    role = find_answer_role(type(task))
    right = list(rows[role][:])
    if task.roles[role] in LABELLED:
        right = [task.labels[one] if isinstance(one, int) else [task.labels[label] for label in one] for one in right]
    return right, [next(iter(one.values())) for one in predictions]  # the first key of a prediction is its answer


def measure(metric: Metric, function: Callable[..., Any], right: Sequence[Any], said: Sequence[Any]) -> float:
    """Measure by a function; a score of which less is better is negated.

    Raises:
        ConfigError: it fails, or gives something other than a finite number.
    """
    try:
        found = function(right, said)
    except (Exception, SystemExit) as error:  # whatever a function of other people's does
        raise ConfigError(f"task.metrics: {metric.function} failed: {_explain(error)}") from error
    if not isinstance(found, Real) or not math.isfinite(found):
        raise ConfigError(f"task.metrics: {metric.function} gave {found!r:.60}, where a finite number is expected")
    return float(found) if metric.better == "higher" else -float(found)


def _import(function: str) -> Callable[..., Any]:
    module, _, name = function.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:  # whatever a module of other people's does
        way = f"is {module} on PYTHONPATH, with {name} in it?"
        raise ConfigError(f"task.metrics: {function} cannot be imported: {_explain(error)}; {way}") from error
    if not callable(found):
        raise ConfigError(f"task.metrics: {function} is no function")
    return found  # type: ignore[no-any-return]


def _explain(error: BaseException) -> str:
    """Name an error in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
