"""Whether quotes enclose the cells of a table, or are characters like others: decided by the whole file.

Texts of corpora are often written between tabs as they are, direct speech with its quotes, which may open in one line
and close in another. Programs that write tables enclose a cell in quotes where it needs that, or all of a column.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nlp_transfer.config.dialect import NUMBER, Dialect
from nlp_transfer.data.formats.records import Findings
from nlp_transfer.data.formats.text_lines import LONGEST, file_blocks, is_read_once, numbered_lines


def decide_quoting(file: Path, delimiter: str, dialect: Dialect, findings: Findings) -> bool:
    """Decide whether a cell may stand in quotes, and note it where the file alone tells."""
    if dialect.quoting != "auto":
        return dialect.quoting == "minimal"
    if delimiter != "\t":
        return True
    if is_read_once(file) or not any('"' in text for _, text in file_blocks(file)):
        return False
    enclose = quotes_enclose(file, delimiter, header=dialect.header)
    how = "quotes enclose cells" if enclose else "quotes are characters, for they do not enclose cells throughout"
    other = dialect.set_quoting("none" if enclose else "minimal")
    findings.notes.append(f"{file}: {how} ({other} reads them otherwise)")
    return enclose


def quotes_enclose(file: Path, delimiter: str, *, header: bool) -> bool:
    """Whether every quote of a file encloses a cell that a program would enclose, or stands doubled inside.

    A cell needs its quotes for a delimiter, a quote or a line end in it (unless every line makes a row by itself), or
    for a comma, unless cells without quotes have some; or it is one of a column that is all enclosed.
    """
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST))
    lines: list[str] = []
    reader = csv.reader(_noted(file, lines), delimiter=delimiter, strict=True)
    found, width = _Evidence(delimiter), 0
    try:
        for number, record in enumerate(reader):
            width = width or len(record)
            if len(lines) > 1 and all(line.count(delimiter) == width - 1 for line in lines):
                return False
            cells = list(_enclosed(record, "\n".join(lines)))
            lines.clear()
            if any('"' in cell and not enclosed for cell, enclosed in cells):
                return False
            if number or not header:
                found.add(cells)
    except csv.Error:
        return False
    return found.consistent


def _noted(file: Path, lines: list[str]) -> Iterator[str]:
    """Give the lines of a file, and note those of one record; a record that is too long is no consistent quoting."""
    held = 0
    for _, line in numbered_lines(file):
        held = held + len(line) if lines else len(line)
        if held > LONGEST:
            raise csv.Error
        lines.append(line)
        yield f"{line}\n"


def _enclosed(record: list[str], text: str) -> Iterator[tuple[str, bool]]:
    """Tell of each cell whether it stands in quotes in the text of its record."""
    at = 0
    for cell in record:
        enclosed = text.startswith('"', at)
        yield cell, enclosed
        at += len(cell) + 1 + (2 + cell.count('"') if enclosed else 0)


@dataclass
class _Evidence:
    """Columns by what cells they have: bare ones, and enclosed ones that need no quotes, or only for a comma."""

    delimiter: str
    bare: set[int] = field(default_factory=set)
    needless: set[int] = field(default_factory=set)
    for_comma: set[int] = field(default_factory=set)
    bare_comma: bool = False

    def add(self, cells: list[tuple[str, bool]]) -> None:
        """Look at a row: its cells, and whether each is enclosed."""
        for column, (cell, enclosed) in enumerate(cells):
            if not enclosed:
                self.bare_comma |= "," in cell
                if cell and not NUMBER.fullmatch(cell):
                    self.bare.add(column)
            elif not any(mark in cell for mark in (self.delimiter, '"', "\n", "\r")):
                (self.for_comma if "," in cell else self.needless).add(column)

    @property
    def consistent(self) -> bool:
        """Whether no column encloses a cell without need and leaves others bare."""
        return not self.bare & (self.needless | (self.for_comma if self.bare_comma else set()))
