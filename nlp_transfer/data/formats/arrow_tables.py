"""Read rows from Arrow tables, such as Parquet files and data sets of the Hub: only the columns asked for."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from nlp_transfer.data.formats.blocks import Columns
from nlp_transfer.data.formats.records import Wanted
from nlp_transfer.data.formats.text_lines import BLOCK
from nlp_transfer.errors import DataError


def choose_columns(schema: pa.Schema, wanted: Wanted, place: str) -> Sequence[str]:
    """Choose the columns that hold what is wanted, or all; at least one, to know how many rows there are.

    Raises:
        DataError: a chosen name belongs to several columns; `place` names the table.
    """
    owners = None if wanted is None else {part for name in wanted for part in (name, name.partition(".")[0])}
    found = [name for name in schema.names if owners is None or name in owners] or schema.names[:1]

    for name in found:
        if schema.names.count(name) > 1:
            raise DataError(f"{place}: column '{name}' appears twice; rename one")
    return found


def read_batches(batches: Iterable[pa.RecordBatch], schema: pa.Schema, columns: Sequence[str]) -> Iterator[Columns]:
    """Yield blocks of rows. Integers of a `ClassLabel` column become the label names that `datasets` stores."""
    header, names = list(_list_columns(schema)), _read_label_names(schema)
    number = 1
    for rows in _gather(batches):
        cells = {column: rows.column(column).to_pylist() for column in columns}
        for column in names.keys() & cells.keys():
            cells[column] = [_translate_label(value, names[column]) for value in cells[column]]
        yield Columns(range(number, number + len(rows)), header, cells)
        number += len(rows)


def _gather(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Join small batches to tables of about a megabyte."""
    some, held = [], 0
    for batch in batches:
        some.append(batch)
        held += batch.nbytes
        if held > BLOCK:
            yield pa.Table.from_batches(some)
            some, held = [], 0
    if some:
        yield pa.Table.from_batches(some)


def _list_columns(fields: Iterable[pa.Field], owner: str = "") -> Iterator[str]:
    """List the columns; one inside another follows its owner, as `translation.en` follows `translation`."""
    for field in fields:
        yield f"{owner}{field.name}"
        if pa.types.is_struct(field.type):
            yield from _list_columns(field.type, f"{owner}{field.name}.")


def _read_label_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Read the label names that `datasets` stores in the metadata of a table: column -> names."""
    kept = json.loads((schema.metadata or {}).get(b"huggingface", "{}"))
    features = kept.get("info", {}).get("features") or {}
    labels = {column: kind for column, kind in features.items() if isinstance(kind, dict)}
    return {column: kind["names"] for column, kind in labels.items() if kind.get("_type") == "ClassLabel"}


def _translate_label(value: Any, names: Sequence[str]) -> str | None:
    """Translate an integer to its label name; None if it is out of range, as -1 is for rows without a label."""
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else None
