"""Files of texts side by side: line N of each is the same text, or in WMT test sets the segment of the same name."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from itertools import zip_longest

from nlp_transfer.data.formats.records import Row, refuse_empty
from nlp_transfer.data.formats.text_files import Text, read_text_file
from nlp_transfer.data.formats.text_lines import existing_file
from nlp_transfer.errors import DataError


def parallel_rows(files: Mapping[str, str]) -> Iterator[Row]:
    """Read files of texts side by side: text N of each is row N, one column a file.

    Args:
        files: Column -> file, one text a line, or a side of a WMT test set.

    Raises:
        DataError: a file that cannot be read, files of unequal length, with their counts, or segments that do not
            belong together.
    """
    paths = [existing_file(file) for file in files.values()]
    rows, more = 0, Counter[str]()  # texts that stand beside each other, and by column those that stand alone
    last: tuple[Text, ...] = (Text(0, ""),) * len(files)
    for texts in zip_longest(*map(read_text_file, paths)):
        if None in texts:
            more.update(column for column, text in zip(files, texts, strict=True) if text is not None)
            continue
        rows, last = rows + 1, texts
        if len({text.name for text in last} - {""}) > 1:
            raise _strangers(files.values(), last)
        yield Row(last[0].number, {column: text.text for column, text in zip(files, last, strict=True)})
    if more:
        raise _missing(files, last, {column: rows + more[column] for column in files})
    refuse_empty(paths[0], rows, found="nothing")


def _strangers(files: Collection[str], texts: tuple[Text, ...]) -> DataError:
    places = [f"{file}:{text.number}" for file, text in zip(files, texts, strict=True)]
    shown = " beside ".join(f"{text.name} ({place})" for place, text in zip(places, texts, strict=True) if text.name)
    return DataError(f"{places[0]}: {shown}; the files must hold the same segments in the same order")


def _missing(files: Mapping[str, str], last: tuple[Text, ...], counts: Mapping[str, int]) -> DataError:
    short = min(files, key=lambda column: counts[column])
    line = last[[*files].index(short)].number + 1
    unit = "segment" if any(text.name for text in last) else "line"
    shown = ", ".join(f"{file} has {counts[column]} {unit}s" for column, file in files.items())
    return DataError(
        f"{files[short]}:{line}: this {unit} is missing: {shown}; {unit} N of each must hold the same text"
    )
