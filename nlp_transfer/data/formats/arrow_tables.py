"""Read rows from Arrow tables: Parquet files, data sets of the Hub, rows in memory. Only the columns asked for."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from nlp_transfer.data.formats.blocks import Columns
from nlp_transfer.data.formats.records import Findings, Read, Wanted
from nlp_transfer.data.formats.text_lines import BLOCK
from nlp_transfer.errors import DataError

ROWS_AT_ONCE = 64  # few, because a row may have any length
FEATURES = b"huggingface"  # the key of the metadata in which `datasets` stores the types of its columns
Feature = Mapping[str, Any]  # the type of a column as `datasets` writes it down


def make_table_reader(table: pa.Table, place: str) -> Read:
    """Make the reader of a table in memory; `place` names it in messages."""

    def read(wanted: Wanted, _: Findings) -> Iterator[Columns]:
        columns = choose_columns(table.schema, wanted, place)
        batches = table.select(columns).to_batches(max_chunksize=ROWS_AT_ONCE)
        return read_batches(batches, table.schema, columns)

    return read


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
    header, features = list(_list_columns(schema)), _read_label_features(schema)
    number = 1
    for rows in _gather(batches):
        cells = {column: rows.column(column).to_pylist() for column in columns}
        for column in features.keys() & cells.keys():
            cells[column] = [_name_labels(value, features[column]) for value in cells[column]]
        yield Columns(range(number, number + len(rows)), header, cells)
        number += len(rows)


def spell_labels(table: pa.Table) -> pa.Table:
    """Replace the numbers of labels by the names that `datasets` stores in the metadata, which are left out then."""
    for column, feature in _read_label_features(table.schema).items():
        cells = [_name_labels(value, feature) for value in table.column(column).to_pylist()]
        table = table.set_column(table.schema.get_field_index(column), column, pa.array(cells))
    rest = {key: value for key, value in (table.schema.metadata or {}).items() if key != FEATURES}
    return table.replace_schema_metadata(rest)


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


def _read_label_features(schema: pa.Schema) -> dict[str, Feature]:
    """Read which columns hold labels by number, from what `datasets` stores in the metadata of a table."""
    kept = json.loads((schema.metadata or {}).get(FEATURES, "{}"))
    features = kept.get("info", {}).get("features") or {}
    return {column: feature for column, feature in features.items() if "ClassLabel" in json.dumps(feature)}


def _name_labels(value: Any, feature: Any) -> Any:
    """Replace the numbers of labels in a cell by their names, in lists and objects too.

    A number out of range becomes None, as -1 is for rows without a label.
    """
    if value is None or not isinstance(feature, Mapping):
        return value
    if feature.get("_type") == "ClassLabel":
        names = feature["names"]
        return names[value] if isinstance(value, int) and 0 <= value < len(names) else None
    if isinstance(value, list):
        return [_name_labels(one, feature.get("feature")) for one in value]
    if isinstance(value, Mapping):
        return {key: _name_labels(one, feature.get(key)) for key, one in value.items()}
    return value
