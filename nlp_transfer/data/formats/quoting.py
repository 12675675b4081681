"""Decide from the whole file whether quotes enclose the cells of a table or are characters like others.

Corpora often write texts between tabs as they are. Quotes of direct speech then open in one line and close in another.
Programs that write tables enclose the cells that need it, or all cells of a column.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nlp_transfer.config.dialect import NUMBER, Dialect
from nlp_transfer.data.formats.records import Findings
from nlp_transfer.data.formats.text_lines import LONGEST, is_read_once, read_blocks, read_lines


def decide_quoting(file: Path, delimiter: str, dialect: Dialect, findings: Findings) -> bool:
    """Decide whether quotes enclose cells; note the decision if it came from the file and not from the user.

    Only tab-separated files are looked into: in a .csv quotes always enclose cells.
    """
    if dialect.quoting != "auto":
        return dialect.quoting == "minimal"
    if delimiter != "\t":
        return True
    if is_read_once(file) or not any('"' in text for _, text in read_blocks(file, dialect.encoding)):
        return False

    # Here only the file can tell, so the user learns what was decided.
    enclose = check_enclosing(file, delimiter, header=dialect.header, encoding=dialect.encoding)
    how = "quotes enclose cells" if enclose else "quotes are characters, for they do not enclose cells throughout"
    other = dialect.set_quoting("none" if enclose else "minimal")
    findings.notes.append(f"{file}: {how} ({other} reads them otherwise)")
    return enclose


def check_enclosing(file: Path, delimiter: str, *, header: bool, encoding: str | None = None) -> bool:
    """Tell whether every quote encloses a cell for a reason, or is doubled inside one.

    A cell has a reason if it holds a delimiter, a quote or a line end (unless each line makes a whole row), or a
    comma (unless bare cells hold commas too), or if its column is enclosed throughout.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST))

    lines: list[str] = []
    reader = csv.reader(_collect_lines(file, lines, encoding), delimiter=delimiter, strict=True)
    found, width = _Evidence(delimiter), 0
    try:
        for number, record in enumerate(reader):
            width = width or len(record)
            if len(lines) > 1 and all(line.count(delimiter) == width - 1 for line in lines):
                return False

            cells = list(_find_enclosed(record, "\n".join(lines)))
            lines.clear()
            if any('"' in cell and not enclosed for cell, enclosed in cells):
                return False

            if number or not header:
                found.add(cells)
    except csv.Error:
        return False
    return found.consistent


def _collect_lines(file: Path, lines: list[str], encoding: str | None) -> Iterator[str]:
    """Yield the lines of a file, and collect those of the current record; stop as inconsistent if it grows too long."""
    held = 0
    for _, line in read_lines(file, encoding):
        held = held + len(line) if lines else len(line)
        if held > LONGEST:
            raise csv.Error
        lines.append(line)
        yield f"{line}\n"


def _find_enclosed(record: list[str], text: str) -> Iterator[tuple[str, bool]]:
    """Yield each cell, and whether it stands in quotes in the text of its record."""
    at = 0
    for cell in record:
        enclosed = text.startswith('"', at)
        yield cell, enclosed
        at += len(cell) + 1 + (2 + cell.count('"') if enclosed else 0)


@dataclass
class _Evidence:
    """Collect by column what tells whether quotes are used for a reason."""

    delimiter: str
    bare: set[int] = field(default_factory=set)  # columns with cells outside quotes
    needless: set[int] = field(default_factory=set)  # columns with cells that need no quotes and have them
    for_comma: set[int] = field(default_factory=set)  # columns with cells enclosed for nothing but a comma
    bare_comma: bool = False  # some cell outside quotes holds a comma

    def add(self, cells: list[tuple[str, bool]]) -> None:
        """Add the evidence of a row: its cells, and whether each is enclosed."""
        for column, (cell, enclosed) in enumerate(cells):
            if not enclosed:
                self.bare_comma |= "," in cell
                if cell and not NUMBER.fullmatch(cell):
                    self.bare.add(column)
            elif not any(mark in cell for mark in (self.delimiter, '"', "\n", "\r")):
                (self.for_comma if "," in cell else self.needless).add(column)

    @property
    def consistent(self) -> bool:
        """Whether no column has both needless quotes and bare cells."""
        return not self.bare & (self.needless | (self.for_comma if self.bare_comma else set()))
