"""Write the rows of a sheet on standard output, a list of JSON a line; the workbook is standard input.

This is a process of its own, with a limit for its memory: python-calamine holds a whole sheet, and ends the process if
there is no room for that, as for one cell in row 1 and another in row 1,048,576 of column XFD. It imports nothing else
of the library, so that it starts at once.
"""

import json
import resource
import sys

from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum


def write_rows() -> None:
    """Write the names of the sheets that can be seen, then each row of the first one; or `{"error": ...}`."""
    try:
        book = CalamineWorkbook.from_filelike(sys.stdin.buffer)
        seen = [
            sheet.name
            for sheet in book.sheets_metadata
            if sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible
        ]
        _write(seen)
        for row in book.get_sheet_by_name(seen[0]).iter_rows() if seen else ():
            _write([_simplify(cell) for cell in row])
    except (CalamineError, OSError, ValueError) as error:
        _write({"error": str(error) or type(error).__name__})


def _simplify(cell: object) -> object:
    """Turn a cell into what JSON holds: a whole number, which a sheet stores as 3.0, into 3; a date into ISO 8601."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1 << 53:
        return int(cell)
    return cell if isinstance(cell, str | int | float) else str(cell)


def _write(value: object) -> None:
    sys.stdout.write(f"{json.dumps(value)}\n")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    write_rows()
