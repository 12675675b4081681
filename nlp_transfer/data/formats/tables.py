"""File formats: .csv .tsv .jsonl .ndjson .json .parquet .tmx .po .mo, each also as .gz, and lines of fastText.

Readers stream (but for .mo), accept a byte-order mark and CRLF, keep cells such as `NA` as text, and name the line
of a fault.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from nlp_transfer.config.dialect import PLAIN, Dialect
from nlp_transfer.data.formats.delimited import delimited
from nlp_transfer.data.formats.gettext_files import mo_rows, po_rows
from nlp_transfer.data.formats.json_values import find_layout, json_rows
from nlp_transfer.data.formats.records import Findings, Row, RowStream, by_rows
from nlp_transfer.data.formats.text_files import refuse_foreign
from nlp_transfer.data.formats.text_lines import existing_file, is_read_once, numbered_lines
from nlp_transfer.data.formats.tmx import tmx_rows
from nlp_transfer.errors import DataError

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".tmx", ".po", ".mo")
WAYS_OUT = (
    f"Let its name end in what it is, one of {', '.join(SUFFIXES)}; or open each line with a label, as __label__good; "
    "or name a file of texts for each column: {en: a.en, fr: a.fr}"
)
DELIMITERS = {".csv": ",", ".tsv": "\t"}
FASTTEXT = re.compile(r"(?:\s*__label__\S+(?:\s+|$))+")  # the labels that open a line


def format_of(path: str) -> str:
    """The suffix that decides how a file is read, `.gz` taken off."""
    name = path.lower()
    return Path(name.removesuffix(".gz")).suffix


def has_columns(path: str) -> bool:
    """Whether a file that is there is read as rows with columns, not as lines of text."""
    return format_of(path) in SUFFIXES or _is_fasttext(existing_file(path))


def open_rows(path: str, dialect: Dialect = PLAIN, *, bare: str | None = None) -> RowStream:
    """Open a data file; of most formats nothing is read before the first row is asked for.

    Args:
        path: The file.
        dialect: How a .csv or .tsv is written.
        bare: Column under which JSON lines that are plain strings or null appear; by default they are an error.

    Raises:
        DataError: no such file, or a format that is not known; while reading, any fault with its line.
    """
    file = existing_file(path)
    unit, findings = "line", Findings()
    match format_of(path):
        case ".csv" | ".tsv" as suffix:
            read = delimited(file, dialect, DELIMITERS[suffix])
        case ".jsonl" | ".ndjson" | ".json" as suffix:
            layout = find_layout(file, lists=suffix == ".json")
            read = by_rows(json_rows(file, layout, bare))
            unit = "row" if layout in ("list", "wrapped") else unit
        case ".parquet":
            from nlp_transfer.data.formats.parquet import parquet_blocks  # pyarrow is slow to import

            read, unit = parquet_blocks(file), "row"
        case ".tmx":
            read = by_rows(tmx_rows(file))
        case ".po":
            read = by_rows(po_rows(file, findings.left_out))
        case ".mo":
            read, unit = by_rows(mo_rows(file, findings.left_out)), "row"
        case suffix if _is_fasttext(file):
            read = by_rows(_fasttext_rows(file))
        case _:
            refuse_foreign(file)
            raise DataError(f"{path}: cannot be read as a table. {WAYS_OUT}")
    return RowStream(path, read, unit, dialect, findings)


def _is_fasttext(file: Path) -> bool:
    """Whether a file begins with a label as fastText reads it."""
    if is_read_once(file):
        return False
    return FASTTEXT.match(next((line for _, line in numbered_lines(file) if line.strip()), "")) is not None


def _fasttext_rows(file: Path) -> Iterator[Row]:
    """Read lines such as `__label__good a warm film`; one may have several labels."""
    for number, line in numbered_lines(file):
        if line.strip():
            labels = FASTTEXT.match(line)
            end = labels.end() if labels else 0
            yield Row(number, {"label": line[:end].replace("__label__", "").split(), "text": line[end:]})
