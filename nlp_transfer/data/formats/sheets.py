"""Read the first sheet of a workbook: .xlsx, .xlsm, .xlsb, .xls and .ods."""

import contextlib
import importlib.util
import json
import subprocess
import sys
import zlib
from collections.abc import Generator, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

from nlp_transfer.config.dialect import Dialect
from nlp_transfer.data.formats.blocks import Columns
from nlp_transfer.data.formats.records import BLOCK_ROWS, Findings, Read, Wanted, refuse_empty
from nlp_transfer.data.formats.seekable import open_seekable
from nlp_transfer.errors import DataError, explain_missing

SHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
MEMORY = 1 << 31  # bytes of addresses for the process that reads
PROCESS = Path(__file__).with_name("sheet_process.py")
WAY = "save the sheet as .csv in UTF-8"
Row = tuple[int, list[Any]]


def make_sheet_reader(file: Path, dialect: Dialect) -> Read:
    """Make the reader of a workbook; of the dialect only `header` matters."""
    return lambda wanted, findings: _read_blocks(file, dialect, wanted, findings)


def _read_blocks(file: Path, dialect: Dialect, wanted: Wanted, findings: Findings) -> Iterator[Columns]:
    """Yield the rows, numbered as in the sheet; a row without a cell that holds something is passed over.

    Raises:
        DataError: the workbook cannot be read, has no rows, or two wanted columns have one name.
    """
    with contextlib.closing(_read_lines(file)) as lines:
        sheets = next(lines)
        if sheets[1:]:
            others = ", ".join(f"'{name}'" for name in sheets[1:])
            findings.notes.append(f"{file}: only the first sheet, '{sheets[0]}', is read, and not {others}")

        rows: Iterator[Row] = ((number, row) for number, row in enumerate(lines, 1) if any(cell != "" for cell in row))
        first = next(rows, None)
        if first is None:
            raise DataError(f"{file}:1: the first sheet holds nothing; give at least one row")

        header = [str(cell if dialect.header else at).strip() for at, cell in enumerate(first[1])]
        places = _place_columns(header, wanted, file)
        count = 0
        rows = rows if dialect.header else chain([first], rows)
        while some := list(islice(rows, BLOCK_ROWS)):
            columns = {name: [row[at] for _, row in some] for name, at in places.items()}
            yield Columns([number for number, _ in some], [name for name in header if name], columns)
            count += len(some)
    refuse_empty(file, count, found="a header but no rows")


def _place_columns(header: list[str], wanted: Wanted, file: Path) -> dict[str, int]:
    """Find the position of each column to read."""
    names = [name for name in header if name and (wanted is None or name in wanted)]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise DataError(f"{file}: column '{repeated}' appears twice in the header; rename one")
    return {name: header.index(name) for name in names}


def _read_lines(file: Path) -> Generator[Any]:
    """Yield the names of the sheets, then the cells of each row; see `sheet_process`."""
    if importlib.util.find_spec("python_calamine") is None:
        raise DataError(f"{file}: {explain_missing('python-calamine', 'sheets')}; or {WAY}")

    code = 0
    try:
        with open_seekable(file) as stream, _start_process(stream) as process:
            try:
                for line in process.stdout or ():
                    value = json.loads(line)
                    if isinstance(value, dict):
                        raise DataError(f"{file}: no readable workbook: {value['error']}; {WAY}")
                    yield value
                code = process.wait()
            finally:
                process.kill()  # the reader may stop early
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{file}: cannot be read: {error}") from None
    if code:
        raise DataError(
            f"{file}: cannot be read in {MEMORY >> 30} GB of memory, for its cells are many or far apart; {WAY}"
        )


def _start_process(stream: IO[bytes]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-P", str(PROCESS), str(MEMORY)]
    return subprocess.Popen(  # noqa: S603 - nothing in the command comes from a file
        command, stdin=stream, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
