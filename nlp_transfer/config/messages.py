"""Explain what pydantic found wrong with a configuration: one line for each key, with the nearest known name."""

import json
import re
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from nlp_transfer.config.base import TaskOptions
from nlp_transfer.config.tasks import TaskDeclaration, find_task
from nlp_transfer.errors import count_things, suggest

SECTION_ERRORS = ("model_type", "model_attributes_type", "dict_type", "dataclass_type")
Keys = tuple[str | int, ...]
Kind = type[TaskDeclaration]


def explain(
    error: ValidationError, root: type[BaseModel], values: Mapping[str, Any], task: Kind | None = None
) -> list[str]:
    """Explain what is wrong with each key.

    Args:
        error: the error of validating `values` against `root`.
        root: the class of the whole configuration.
        values: what the user wrote.
        task: the task whose options were meant; by default the one that the values name.
    """
    found: dict[Keys, list[ErrorDetails]] = {}
    for detail in error.errors():
        if detail["type"] == "is_instance_of":  # what only Python code can give
            continue
        found.setdefault(_find_keys(detail, values), []).append(detail)

    lines = []
    for keys, details in _drop_wrappers(found).items():
        if len(details) > 1 and details[0]["type"] == "literal_error":
            reason = _explain_choice(details)
        else:
            reason = "; ".join(_explain_one(detail, keys, root, values, task) for detail in details)
        lines.append(f"{'.'.join(map(str, keys))}: {reason}" if keys else reason)
    return lines


def _drop_wrappers(found: dict[Keys, list[ErrorDetails]]) -> dict[Keys, list[ErrorDetails]]:
    """Drop that a list or a section is no text, where something in it is wrong; and that a text is no section."""
    kept = {}
    for keys, details in found.items():
        inside = any(other[: len(keys)] == keys and other != keys for other in found)
        if inside and all(detail["type"] in ("literal_error", "string_type") for detail in details):
            continue
        kept[keys] = [detail for detail in details if detail["type"] not in SECTION_ERRORS] or details
    return kept


def _explain_choice(details: list[ErrorDetails]) -> str:
    """Explain a key of several types, which pydantic tries as each of them: as `auto` and as a number."""
    names = [
        name
        for detail in details
        if "expected" in detail.get("ctx", {})
        for name in _unquote(detail["ctx"]["expected"])
    ]
    if len(names) > 1:
        return f"{_shorten(details[0]['input'])} is not a choice. {suggest(str(details[0]['input']), names)}"
    wanted = [detail["msg"].removeprefix("Input should be ").partition(", ")[0] for detail in details]
    wanted = [f"a number {one}" if one.startswith(("greater", "less")) else one for one in wanted]
    return f"expected {' or '.join(wanted)} (received {_shorten(details[0]['input'])})"


def _find_keys(detail: ErrorDetails, values: Any) -> Keys:
    """Find the keys in what the user wrote; pydantic adds the names of union members, which are left out."""
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


def _explain_one(  # noqa: PLR0911 - one per kind
    detail: ErrorDetails,
    keys: Keys,
    root: type[BaseModel],
    values: Mapping[str, Any],
    task: Kind | None,
) -> str:
    received = _shorten(detail["input"])
    match detail["type"]:
        case "extra_forbidden" if len(keys) == 1 and (owners := _find_owners(str(keys[0]), root)):
            return f"unknown key. Did you mean {' or '.join(owners)}?"
        case "extra_forbidden":
            known = {name for model in _find_sections(keys[:-1], root, values, task) for name in model.model_fields}
            return f"unknown key. {suggest(str(keys[-1]), known)}"
        case "missing":
            return "is required"
        case "union_tag_invalid":
            tag = detail["ctx"]["tag"]
            return f"unknown kind '{tag}'. {suggest(str(tag), _unquote(detail['ctx']['expected_tags']))}"
        case "union_tag_not_found":
            models = _find_sections(keys[:-1], root, values, task)
            return f"is required. Known: {', '.join(sorted(kind for model in models for kind in _list_kinds(model)))}"
        case "literal_error":
            return f"{received} is not a choice. {suggest(str(detail['input']), _unquote(detail['ctx']['expected']))}"
        case "value_error":
            return str(detail["ctx"]["error"])
        case "string_type" if not isinstance(detail["input"], list | Mapping | None):
            return f"{detail['msg']} (received {received}; put it in quotes)"
        case "list_type":
            return f"expected a list, in brackets (received {received})"
        case "too_short":
            least = count_things(detail["ctx"]["min_length"], "entry", "entries")
            return f"expected at least {least} (received {received})"
        case kind if kind in SECTION_ERRORS:
            return f"expected a section of `key: value` lines (received {received})"
        case _:
            return f"{detail['msg']} (received {received})"


def _shorten(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)  # as YAML spells it
    shown = " ".join(repr(value).split())  # that of a data frame fills a page
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def _unquote(text: str) -> list[str]:
    """Read the names from pydantic's `'a', 'b' or 'c'`."""
    return re.findall(r"'([^']*)'", text)


def _find_sections(keys: Keys, root: type[BaseModel], values: Any, task: Kind | None) -> list[type[BaseModel]]:
    """Find the sections that may stand under some keys, by the `kind` or task name that the user wrote there."""
    models, here = [root], values
    for key in keys:
        here = here[key]
        if isinstance(key, int):  # a member of a list, whose type the list has told
            continue
        models = [found for model in models for found in _list_models(model.model_fields[str(key)].annotation)]
        if models == [TaskOptions] and isinstance(here, Mapping) and isinstance(here.get("name"), str):
            models = [(task or find_task(here["name"])).Options]
        kind = here.get("kind") if isinstance(here, Mapping) else None
        models = [model for model in models if kind in _list_kinds(model)] or models
    return models


def _find_owners(name: str, root: type[BaseModel]) -> list[str]:
    """Find the sections that know a key which stands outside of any, as dotted keys such as `training.epochs`."""
    return [
        f"{section}.{name}"
        for section, field in root.model_fields.items()
        if get_origin(field.annotation) is not list
        and any(name in model.model_fields for model in _list_models(field.annotation))
    ]


def _list_kinds(model: type[BaseModel]) -> tuple[str, ...]:
    return get_args(model.model_fields["kind"].annotation) if "kind" in model.model_fields else ()


def _list_models(annotation: Any) -> list[type[BaseModel]]:
    """List the sections among the members of a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for member in get_args(annotation) for model in _list_models(member)]
