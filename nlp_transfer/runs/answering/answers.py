"""Put answers beside the columns of what was answered, in the same order, and write them as a table or as lines."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from nlp_transfer.data.formats.held import list_columns
from nlp_transfer.data.formats.records import RowStream
from nlp_transfer.data.formats.writing import make_array, refuse_large_cell, write_rows
from nlp_transfer.errors import DataError
from nlp_transfer.task import Prediction

REASON = "reason"  # why there is no answer, or none to rely on; the key is in such answers only


@dataclass(frozen=True)
class Kept:
    """The columns that are kept beside the answers.

    Attributes:
        open: opens the rows, each time anew.
        names: column -> its name beside the answers.
    """

    open: Callable[[], RowStream]
    names: Mapping[str, str]

    def describe_renamed(self) -> list[str]:
        """Say which columns have another name beside the answers."""
        return [
            f"the column '{column}' is kept as '{name}', for a part of the answer is called '{column}'"
            for column, name in self.names.items()
            if name != column
        ]

    def join(self, answers: Iterable[Prediction]) -> Iterator[dict[str, Any]]:
        """Put each answer behind its row.

        Raises:
            DataError: there are not as many rows as answers, or other columns: the file has changed.
        """
        stream = self.open()
        try:
            for row, said in zip(stream.rows, answers, strict=True):
                yield {**{self.names[column]: cell for column, cell in row.cells.items()}, **said}
        except (ValueError, KeyError):
            raise DataError(f"{stream.name}: has changed since it was answered; answer it again") from None


def keep_columns(open_rows: Callable[[], RowStream], keys: Sequence[str], *, ending: str = "") -> Kept:
    """Read all rows once, so that a fault shows before anything is answered, and name the columns to keep.

    Args:
        open_rows: opens the rows, each time anew.
        keys: of an answer.
        ending: of the file to write; what a sheet cannot hold is refused.

    Raises:
        DataError: the rows have a fault.
        ConfigError: they do not fit in a sheet.
    """
    columns: dict[str, None] = {}  # an ordered set
    for number, row in enumerate(open_rows().rows, 1):
        columns.update(dict.fromkeys(row.cells))
        if ending == ".xlsx":
            for place, (column, cell) in enumerate(row.cells.items(), len(keys)):
                refuse_large_cell(number, place, column, cell)
    return Kept(open_rows, name_columns(columns, keys))


def name_columns(columns: Iterable[str], keys: Iterable[str]) -> dict[str, str]:
    """Name columns so that none is called like a part of the answer, as `input_label` for `label`: column -> name."""
    names = {column: column for column in columns}
    taken = {*names, *keys}
    for column in [column for column in names if column in set(keys)]:
        name = f"input_{column}"
        while name in taken:
            name += "_"
        taken.add(name)
        names[column] = name
    return names


def write_answers(
    path: Path,
    ending: str,
    answers: Callable[[], Iterator[Prediction]],
    *,
    keys: Sequence[str],
    kept: Kept | None,
    explained: bool,
) -> None:
    """Write answers to a new file.

    Args:
        path: the file.
        ending: says how; see `find_ending`.
        answers: reads the answers, each time anew.
        keys: of an answer, in order.
        kept: the columns to put before them; None for none.
        explained: whether some answer has a reason.

    Raises:
        DataError: the file that was answered has changed meanwhile.
        ConfigError: a sheet cannot hold them.
    """
    before = list(kept.names.values()) if kept else []
    columns = [*before, *(key for key in keys if explained or key.rpartition(".")[2] != REASON)]
    write_rows(path, ending, columns, lambda: kept.join(answers()) if kept else answers())


def append_answers(rows: Any, answers: Sequence[Prediction], keys: Sequence[str]) -> pa.Table:
    """Append answers to the rows of `HeldRows`, as columns of an Arrow table."""
    table = rows
    if not isinstance(rows, pa.Table):
        table = pa.table({name: make_array([row.get(name) for row in rows]) for name in list_columns(rows)})
    names = name_columns(table.schema.names, keys)
    table = table.rename_columns([names[name] for name in table.schema.names])
    for key in keys:
        if key != REASON or any(REASON in said for said in answers):
            table = table.append_column(key, make_array([said.get(key) for said in answers]))
    # Renaming loses the metadata, by which pandas finds its index again.
    return table.replace_schema_metadata(rows.schema.metadata if isinstance(rows, pa.Table) else None)
