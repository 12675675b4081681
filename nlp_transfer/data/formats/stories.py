"""Read stories with highlights (.story), as CNN/DailyMail comes: one file a text, its summary behind `@highlight`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nlp_transfer.data.formats.entries import read_whole
from nlp_transfer.data.formats.records import Fault, Record, RowStream, make_reader
from nlp_transfer.errors import DataError

MARK = "@highlight"


def read_story(file: Path, encoding: str | None) -> dict[str, Any]:
    """Read `text`, a paragraph a line, and `summary`, the list of highlights.

    Raises:
        DataError: the file cannot be read, or has no text or no highlight.
    """
    text, *highlights = read_whole(file, encoding).split(f"\n{MARK}")
    joined = "\n".join(" ".join(line.split()) for line in text.split("\n") if line.strip())
    summary = [" ".join(one.split()) for one in highlights if one.strip()]
    if not (joined and summary):
        raise DataError(f"{file}:1: expected a text, then a highlight behind each line {MARK}")
    return {"text": joined, "summary": summary}


def find_stories(folder: Path) -> list[Path]:
    """Find the stories of a folder, by name."""
    return sorted(file for file in folder.glob("*.story") if file.is_file())


def open_stories(folder: Path, encoding: str | None) -> RowStream:
    """Open the stories of a folder: `text`, `summary` and `file`."""
    return RowStream(str(folder), make_reader(_read_stories(folder, encoding)), "row")


def _read_stories(folder: Path, encoding: str | None) -> Iterator[Record | Fault]:
    for number, file in enumerate(find_stories(folder), 1):
        try:
            yield Record(number, {**read_story(file, encoding), "file": file.name})
        except DataError as error:
            yield Fault(number, str(error))
