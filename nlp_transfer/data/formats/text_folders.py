"""Read a folder that holds a folder of texts for each label, one file a text, as IMDb and 20 Newsgroups come."""

import re
from collections.abc import Iterator
from pathlib import Path

from nlp_transfer.data.formats.records import Fault, Record, RowStream, make_reader
from nlp_transfer.data.formats.text_lines import LONGEST, TOO_LONG, read_pieces
from nlp_transfer.errors import DataError

TEXT_FILE = re.compile(r"(?!\.)(?:[^.]+|.*\.(?:txt|\d+))", re.IGNORECASE)  # 0_9.txt, 49960 and comp.1234, but no a.png
UNLABELLED = {"unsup", "unlabeled", "unlabelled"}  # names of folders whose texts have no label, as in IMDb


def find_classes(folder: Path) -> list[Path]:
    """Find the folders of the labels: two or more, and nothing but texts in them; none if it is another folder."""
    inside = [one for one in sorted(folder.iterdir()) if one.is_dir() and not one.name.startswith(".")]
    return inside if len(inside) > 1 and all(map(_list_texts, inside)) else []


def _list_texts(folder: Path) -> list[Path]:
    """List the files of a folder; none if something in it is no text."""
    files = [file for file in sorted(folder.iterdir()) if not file.name.startswith(".")]
    return files if all(TEXT_FILE.fullmatch(file.name) and file.is_file() for file in files) else []


def open_class_folder(folder: Path, encoding: str | None = None) -> RowStream:
    """Open the texts of a folder by name: columns `text`, `label` (the folder's name) and `file`."""
    return RowStream(str(folder), make_reader(_read_texts(folder, encoding)), "row")


def _read_texts(folder: Path, encoding: str | None) -> Iterator[Record | Fault]:
    files = [(home, file) for home in find_classes(folder) for file in _list_texts(home)]
    for number, (home, file) in enumerate(files, 1):
        try:
            text = _read_text(file, encoding)
        except DataError as error:
            yield Fault(number, str(error))
        else:
            label = None if home.name.lower() in UNLABELLED else home.name
            yield Record(number, {"text": text, "label": label, "file": f"{home.name}/{file.name}"})


def _read_text(file: Path, encoding: str | None) -> str:
    """Read a text whole, without the blanks around it.

    Raises:
        DataError: it is not UTF-8 or too long; the message names file and line.
    """
    pieces, held = [], 0
    for piece in read_pieces(file, encoding):
        pieces.append(piece)
        held += len(piece)
        if held > LONGEST:
            raise DataError(f"{file}: {TOO_LONG.format('text')}")
    return "".join(pieces).replace("\r\n", "\n").strip()
