"""Files of texts side by side: line N of each is the same text, or in WMT test sets the segment of the same name."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from nlp_transfer.errors import DataError
from nlp_transfer.lines import existing_file
from nlp_transfer.rows import Row, refuse_empty
from nlp_transfer.text_files import Text, read_texts


def parallel_rows(files: Mapping[str, str]) -> Iterator[Row]:
    """Read files of texts side by side: text N of each is row N, one column a file.

    Args:
        files: Column -> file, one text a line, or a side of a WMT test set.

    Raises:
        DataError: a file that cannot be read, files of unequal length, with their counts, or segments that do not
            belong together.
    """
    paths = {column: existing_file(file) for column, file in files.items()}
    counts, ends = dict.fromkeys(files, 0), dict.fromkeys(files, 0)
    for texts in zip_longest(*map(read_texts, paths.values())):
        for column, text in zip(files, texts, strict=True):
            if text is not None:
                counts[column] += 1
                ends[column] = text.number
        if None not in texts:
            _refuse_strangers([*files.values()], texts)
            yield Row(texts[0].number, {column: one.text for column, one in zip(files, texts, strict=True)})
    if len(set(counts.values())) > 1:
        short = min(files, key=lambda column: counts[column])
        shown = ", ".join(f"{file} has {counts[column]} texts" for column, file in files.items())
        raise DataError(
            f"{files[short]}:{ends[short] + 1}: a text is missing: {shown}; text N of each must be the same"
        )
    refuse_empty(next(iter(paths.values())), max(counts.values()), found="nothing")


def _refuse_strangers(files: Sequence[str], texts: Sequence[Text]) -> None:
    named = [(f"{file}:{text.number}", text.name) for file, text in zip(files, texts, strict=True) if text.name]
    if len({name for _, name in named}) > 1:
        shown = " beside ".join(f"{name} ({place})" for place, name in named)
        raise DataError(f"{named[0][0]}: {shown}; the files must hold the same segments in the same order")
