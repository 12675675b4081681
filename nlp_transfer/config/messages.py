"""What pydantic found wrong with a configuration, in the user's own words: one line per key, with the nearest name."""

import re
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from nlp_transfer.config.base import TaskOptions
from nlp_transfer.config.tasks import TaskDeclaration, find_task
from nlp_transfer.errors import suggest

SECTION_ERRORS = ("model_type", "model_attributes_type", "dict_type", "dataclass_type")
Keys = tuple[str | int, ...]
Kind = type[TaskDeclaration]


def explain(
    error: ValidationError, root: type[BaseModel], values: Mapping[str, Any], task: Kind | None = None
) -> list[str]:
    """Say what is wrong with each key.

    Args:
        error: what validating `values` against `root` raised.
        root: the whole configuration.
        values: what the user wrote.
        task: whose options were meant; by default those of the task that the values name.
    """
    found: dict[str, list[str]] = {}
    for detail in error.errors():
        keys = _keys(detail, values)
        path = ".".join(map(str, keys))
        found.setdefault(path, []).append(_reason(detail, keys, root, values, task))
    # A key that may be of several types has been tried as each of them: `auto` or a number.
    return [f"{path}: {' Or: '.join(reasons)}" if path else "; ".join(reasons) for path, reasons in found.items()]


def _keys(detail: ErrorDetails, values: Any) -> Keys:
    """The location in what the user wrote: without the names of union members that pydantic puts between."""
    keys: list[str | int] = []
    here = values
    *_, last = detail["loc"] or ("",)
    for part in detail["loc"]:
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            if not (part == last and detail["type"] == "missing"):
                continue
        keys.append(part)
    if detail["type"].startswith("union_tag"):
        keys.append("kind")
    return tuple(keys)


def _reason(  # noqa: PLR0911 - one per kind
    detail: ErrorDetails,
    keys: Keys,
    root: type[BaseModel],
    values: Mapping[str, Any],
    task: Kind | None,
) -> str:
    received = _short(detail["input"])
    match detail["type"]:
        case "extra_forbidden":
            known = {name for model in _sections(keys[:-1], root, values, task) for name in model.model_fields}
            return f"unknown key. {suggest(str(keys[-1]), known)}"
        case "missing":
            return "is required"
        case "union_tag_invalid":
            tag = detail["ctx"]["tag"]
            return f"unknown kind '{tag}'. {suggest(str(tag), _quoted(detail['ctx']['expected_tags']))}"
        case "union_tag_not_found":
            models = _sections(keys[:-1], root, values, task)
            return f"is required. Known: {', '.join(sorted(kind for model in models for kind in _kinds(model)))}"
        case "literal_error":
            return f"{received} is not a choice. {suggest(str(detail['input']), _quoted(detail['ctx']['expected']))}"
        case "value_error":
            return str(detail["ctx"]["error"])
        case "string_type" if not isinstance(detail["input"], list | Mapping | None):
            return f"{detail['msg']} (received {received}; put it in quotes)"
        case kind if kind in SECTION_ERRORS:
            return f"expected a section of `key: value` lines (received {received})"
        case _:
            return f"{detail['msg']} (received {received})"


def _short(value: Any) -> str:
    shown = " ".join(repr(value).split())  # a frame's is a page
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def _quoted(text: str) -> list[str]:
    """The names in pydantic's `'a', 'b' or 'c'`."""
    return re.findall(r"'([^']*)'", text)


def _sections(keys: Keys, root: type[BaseModel], values: Any, task: Kind | None) -> list[type[BaseModel]]:
    """The sections that may stand at a place, chosen by the `kind` (or task name) that the user wrote there."""
    models, here = [root], values
    for key in keys:
        here = here[key]
        models = [found for model in models for found in _models(model.model_fields[str(key)].annotation)]
        if models == [TaskOptions] and isinstance(here, Mapping) and isinstance(here.get("name"), str):
            models = [(task or find_task(here["name"])).Options]
        kind = here.get("kind") if isinstance(here, Mapping) else None
        models = [model for model in models if kind in _kinds(model)] or models
    return models


def _kinds(model: type[BaseModel]) -> tuple[str, ...]:
    return get_args(model.model_fields["kind"].annotation) if "kind" in model.model_fields else ()


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The sections among the members of a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for member in get_args(annotation) for model in _models(member)]
