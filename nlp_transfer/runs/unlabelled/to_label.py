"""Write rows to a table in which people fill in the answers."""

from collections.abc import Collection, Sequence
from pathlib import Path

from nlp_transfer.data.formats.writing import find_ending, write_rows
from nlp_transfer.data.unlabelled import Unlabelled
from nlp_transfer.system.disk import replace_whole
from nlp_transfer.system.room import guard_writing


def write_to_label(path: Path, place: Unlabelled, rows: Sequence[int], answers: Collection[str]) -> None:
    """Write rows with all of their cells, first their number, and with empty columns for the answers.

    A column of answers that the rows have already stays as it is. What the model answers is left out on purpose: people
    who see an answer tend to agree with it.

    Args:
        path: the file; its ending says how it is written, see `find_ending`.
        place: of the rows.
        rows: the places of the rows, in the order in which they are written.
        answers: the columns to fill in.

    Raises:
        ConfigError: the ending is not written, or a sheet cannot hold the rows.
        DataError: the place has changed.
    """
    ending = find_ending(path)
    found = [{**cells, **{column: cells.get(column, "") for column in answers}} for cells in place.read_cells(rows)]
    columns = list(dict.fromkeys(column for row in found for column in row))
    way = "make room, or choose another with --output"
    with guard_writing(path, way=way), replace_whole(path) as fresh:
        write_rows(fresh, ending, columns, lambda: found)
