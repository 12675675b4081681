"""Define the kinds of values that stand in several sections: ranges of numbers, names, columns, places of data."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    InstanceOf,
    PlainSerializer,
    SerializationInfo,
    WithJsonSchema,
)
from pydantic.json_schema import SkipJsonSchema

from nlp_transfer.system.disk import expand_home
from nlp_transfer.system.received import HeldRows, find_place_fault

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
