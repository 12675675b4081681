"""Rows of Arrow tables, as Parquet and data sets of the Hub have them: the columns that are wanted, a few at a time."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from nlp_transfer.data.formats.blocks import Columns
from nlp_transfer.data.formats.records import Wanted
from nlp_transfer.data.formats.text_lines import BLOCK
from nlp_transfer.errors import DataError


def columns_to_read(schema: pa.Schema, wanted: Wanted, place: str) -> Sequence[str]:
    """Choose the columns that hold what is wanted, or all; one at least, which tells how many rows there are.

    Raises:
        DataError: several columns of one name, at a place.
    """
    owners = None if wanted is None else {part for name in wanted for part in (name, name.partition(".")[0])}
    found = [name for name in schema.names if owners is None or name in owners] or schema.names[:1]
    for name in found:
        if schema.names.count(name) > 1:
            raise DataError(f"{place}: column '{name}' appears twice; rename one")
    return found


def table_blocks(batches: Iterable[pa.RecordBatch], schema: pa.Schema, columns: Sequence[str]) -> Iterator[Columns]:
    """Give the rows of batches that hold some columns of a table; integers by the names that `datasets` keeps."""
    header, names = list(_column_names(schema)), _label_names(schema)
    number = 1
    for rows in _gathered(batches):
        cells = {column: rows.column(column).to_pylist() for column in columns}
        for column in names.keys() & cells.keys():
            cells[column] = [_label_name(value, names[column]) for value in cells[column]]
        yield Columns(range(number, number + len(rows)), header, cells)
        number += len(rows)


def _gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Put batches together to tables of about a megabyte."""
    some, held = [], 0
    for batch in batches:
        some.append(batch)
        held += batch.nbytes
        if held > BLOCK:
            yield pa.Table.from_batches(some)
            some, held = [], 0
    if some:
        yield pa.Table.from_batches(some)


def _column_names(fields: Iterable[pa.Field], owner: str = "") -> Iterator[str]:
    """The columns, those inside others after their owner with dots."""
    for field in fields:
        yield f"{owner}{field.name}"
        if pa.types.is_struct(field.type):
            yield from _column_names(field.type, f"{owner}{field.name}.")


def _label_names(schema: pa.Schema) -> dict[str, list[str]]:
    """The names that `datasets` keeps for integers, in the metadata: column -> names."""
    kept = json.loads((schema.metadata or {}).get(b"huggingface", "{}"))
    features = kept.get("info", {}).get("features") or {}
    labels = {column: kind for column, kind in features.items() if isinstance(kind, dict)}
    return {column: kind["names"] for column, kind in labels.items() if kind.get("_type") == "ClassLabel"}


def _label_name(value: Any, names: Sequence[str]) -> str | None:
    """The name of an integer; None of one out of range (-1: not labelled)."""
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else None
