"""Open data files by what they are: tables, sheets, JSON, Parquet, Arrow, files of translators, lines of fastText.

Each may be packed as .gz. Readers stream (except for .mo and sheets), accept a byte-order mark and CRLF, keep cells
such as `NA` as text, and name the line of a fault.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from nlp_transfer.config.dialect import PLAIN, Dialect
from nlp_transfer.data.formats.delimited import make_table_reader
from nlp_transfer.data.formats.finished import make_pair_reader
from nlp_transfer.data.formats.foreign import QT, ROWS, STORY, XLIFF
from nlp_transfer.data.formats.gettext_files import make_gettext_reader, read_mo, read_po
from nlp_transfer.data.formats.json_values import find_layout, read_json_rows
from nlp_transfer.data.formats.qt import read_qt
from nlp_transfer.data.formats.records import Findings, Read, Record, RowStream, make_reader
from nlp_transfer.data.formats.sheets import SHEETS, make_sheet_reader
from nlp_transfer.data.formats.stories import read_story
from nlp_transfer.data.formats.text_files import find_kind, read_head, refuse_foreign
from nlp_transfer.data.formats.text_lines import find_file, is_read_once, read_lines
from nlp_transfer.data.formats.tmx import read_tmx
from nlp_transfer.data.formats.trees import is_tree, read_trees
from nlp_transfer.data.formats.xliff import read_xliff
from nlp_transfer.errors import DataError

ARROW = (".arrow", ".feather")
SUFFIXES = (
    *(".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", *ARROW, *SHEETS),
    *(".tmx", ".po", ".mo", ".xlf", ".xliff"),
)
DELIMITERS = {".csv": ",", ".tsv": "\t"}
FIRST = 20  # lines that show whether a file is of fastText
FASTTEXT = re.compile(r"(?:\s*__label__\S+(?:\s+|$))+")  # the labels at the start of a line


def find_format(path: str) -> str:
    """Find the suffix that decides how a file is read; `.gz` is taken off first."""
    name = path.lower()
    return Path(name.removesuffix(".gz")).suffix


def has_columns(path: str, dialect: Dialect = PLAIN) -> bool:
    """Tell whether a file is read as rows with columns, and not as lines of text.

    If its name does not say so, its content does: the first line holds the delimiter that was named, or labels.
    """
    if find_format(path) in SUFFIXES:
        return True
    file = find_file(path)
    first = _read_first(file, dialect.encoding)
    divided = dialect.delimiter is not None and any(dialect.delimiter in line for line in first[:1])
    return divided or _is_fasttext(first) or any(map(is_tree, first[:1])) or find_kind(file, dialect.encoding) in ROWS


def open_rows(path: str, dialect: Dialect = PLAIN, *, bare: str | None = None) -> RowStream:
    """Open a data file; most formats read nothing before the first row is asked for.

    Args:
        path: the file.
        dialect: how a .csv or .tsv is written.
        bare: the column for JSON lines that are plain strings or null; by default these are faults.

    Raises:
        DataError: there is no such file, or its format is unknown; while reading, for any fault, with its line.
    """
    file = find_file(path)
    unit, findings = "line", Findings()

    match find_format(path):
        case ".csv" | ".tsv" as suffix:
            read = make_table_reader(file, dialect, DELIMITERS[suffix])
        case ".jsonl" | ".ndjson" | ".json" as suffix:
            layout = find_layout(file, lists=suffix == ".json", encoding=dialect.encoding)
            read = make_reader(read_json_rows(file, layout, bare, dialect.encoding))
            unit = "row" if layout in ("list", "wrapped") else unit

        case ".parquet":
            from nlp_transfer.data.formats.parquet import make_parquet_reader  # pyarrow is slow to import

            read, unit = make_parquet_reader(file), "row"

        case suffix if suffix in ARROW:
            from nlp_transfer.data.formats.arrow_files import make_arrow_reader

            read, unit = make_arrow_reader(file), "row"
        case suffix if suffix in SHEETS:
            read, unit = make_sheet_reader(file, dialect), "row"

        case ".tmx":
            read = make_reader(read_tmx(file))
        case ".po":
            read = make_gettext_reader(read_po, file)
        case ".mo":
            read, unit = make_gettext_reader(read_mo, file), "row"
        case ".xlf" | ".xliff":
            read = make_pair_reader(read_xliff, file)

        case _ if dialect.delimiter:
            read = make_table_reader(file, dialect, dialect.delimiter)
        case _:
            read = _make_reader_by_content(file, dialect)

    return RowStream(path, read, unit, dialect, findings)


def _make_reader_by_content(file: Path, dialect: Dialect) -> Read:
    """Make the reader of a file whose name does not say what it is.

    Raises:
        DataError: its content does not say it either, or says that it is no table.
    """
    first = _read_first(file, dialect.encoding)
    if _is_fasttext(first):
        return make_reader(_read_fasttext(file, dialect.encoding))
    if any(map(is_tree, first[:1])):
        return make_reader(read_trees(file, dialect.encoding))

    kind = find_kind(file, dialect.encoding)
    if kind is XLIFF:
        return make_pair_reader(read_xliff, file)
    if kind is QT:
        return make_pair_reader(read_qt, file)
    if kind is STORY:
        return make_reader(Record(1, read_story(one, dialect.encoding)) for one in [file])
    refuse_foreign(file, dialect.encoding)
    raise DataError(
        f"{file}: cannot be read as a table. Let its name end in what it is, one of {', '.join(SUFFIXES)}; or open "
        "each line with a label, as __label__good; or name the mark between its columns, as "
        f"{dialect.set_delimiter(';')}; or name a file of texts for each column: {{en: a.en, fr: a.fr}}"
    )


def _read_first(file: Path, encoding: str | None) -> list[str]:
    """Read the first lines that are not blank; none of a pipe, which cannot be read again."""
    if is_read_once(file):
        return []
    head, rest = read_head(file, encoding)
    if not head:
        next(rest, None)  # raises what is wrong with the first line
    return [line for _, line in head if line.strip()][:FIRST]


def _is_fasttext(first: Sequence[str]) -> bool:
    """Tell whether one of the first lines of a file begins with a label of fastText; others may have none."""
    return any(map(FASTTEXT.match, first))


def _read_fasttext(file: Path, encoding: str | None) -> Iterator[Record]:
    """Read lines such as `__label__good a warm film`; a line may have several labels."""
    for number, line in read_lines(file, encoding):
        if line.strip():
            labels = FASTTEXT.match(line)
            end = labels.end() if labels else 0
            names = line[:end].replace("__label__", "").split()
            yield Record(number, {"label": names, "labels": names, "text": line[end:]})
