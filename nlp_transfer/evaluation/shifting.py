"""Say how the texts of a file differ from those that a run was tested on: figures, a table, and sentences.

Nothing here estimates a score without labels.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlp_transfer.evaluation.intervals import measure_mean, subtract
from nlp_transfer.evaluation.metrics import Interval
from nlp_transfer.evaluation.verdicts import FEWEST_TESTED
from nlp_transfer.system.escaping import escape_line

if TYPE_CHECKING:
    from rich.table import Table
    from transformers import PreTrainedTokenizerBase

SURE = 0.9  # the confidence from which an answer counts as confident
FAR = 0.75  # the share of texts that a classifier must put on the right side
LOOKED_AT = 10_000  # characters of a text that are counted
SPLIT = re.compile(r"\w+|[^\w\s]")
OWN = "the run's own test"


@dataclass(frozen=True)
class Texts:
    """How texts are written, as a tokenizer and a vocabulary see them.

    Attributes:
        words: the median number of words in a text.
        pieces: the tokens that a word or mark is cut into, on average.
        new_words: the share of the words that none of the texts of train has.
    """

    words: float
    pieces: float
    new_words: float


def describe_texts(texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase", known: Collection[str]) -> Texts:
    """Describe texts beside the words that are known, see `collect_words`."""
    seen = [text[:LOOKED_AT] for text in texts]
    units = [SPLIT.findall(text) for text in seen]
    words = [[unit.casefold() for unit in found if unit[0].isalnum() or unit[0] == "_"] for found in units]

    tokens = tokenizer(seen, add_special_tokens=False, verbose=False)["input_ids"]
    running = sum(map(len, words))
    new = sum(word not in known for found in words for word in found)
    return Texts(
        words=float(np.median([len(found) for found in words])),
        pieces=sum(map(len, tokens)) / max(1, sum(map(len, units))),
        new_words=new / max(1, running),
    )


def collect_words(texts: Iterable[str]) -> set[str]:
    """Collect the words of texts, in small letters."""
    return {word.casefold() for text in texts for word in SPLIT.findall(text)}


@dataclass(frozen=True)
class Side:
    """What one set of rows is to a run.

    Attributes:
        rows: the number of rows that were looked at.
        total: of so many.
        language: of most texts, as an ISO 639-1 code; None if they are mixed or too few.
        texts: how they are written.
        unknown_tokens: the share of tokens that the vocabulary of the model lacks.
        cut: the share of texts of which the model does not see a part.
        repeated: the share of texts that train has too.
        confident: the share of answers with a confidence of `SURE` or more; None where answers have none.
    """

    rows: int
    total: int
    language: str | None
    texts: Texts
    unknown_tokens: float
    cut: float
    repeated: float
    confident: float | None


@dataclass(frozen=True)
class Fall:
    """A score that was measured there, beside the one of the run's own test.

    Attributes:
        score: its name.
        points: the factor from score to points.
        rows: the number of labelled rows.
        there: on these.
        own: on rows of the run's own test.
    """

    score: str
    points: float
    rows: int
    there: Interval
    own: Interval

    @property
    def fall(self) -> Interval:
        """How much the score is lower there."""
        return subtract(self.own, self.there)


def measure_fall(there: Sequence[float], own: Sequence[float], *, score: str, points: float) -> Fall:
    """Measure how much lower the score is there, from the score of each labelled row and of each own test row."""
    return Fall(score, points, len(there), measure_mean(there), measure_mean(own))


@dataclass(frozen=True)
class Figures:
    """All that was measured.

    Attributes:
        own: the rows of the run's own test.
        there: those of the file.
        apart: the share of rows that a linear classifier puts on the right side, each by one that has not seen it; None
            if there are too few rows.
        fall: of the score; None without labels.
    """

    own: Side
    there: Side
    apart: float | None
    fall: Fall | None

    @property
    def far(self) -> bool | None:
        """Whether the classifier tells the two sets apart; None if there are too few rows."""
        return None if self.apart is None else self.apart >= FAR

    def collect(self) -> dict[str, Any]:
        """Collect them as plain values."""
        fall = None if self.fall is None else {**asdict(self.fall), "fall": asdict(self.fall.fall)}
        distance = None if self.far is None else "far" if self.far else "near"
        return {
            "own_test": asdict(self.own),
            "there": asdict(self.there),
            "distance": distance,
            "told_apart": self.apart,
            "labelled": fall,
        }


def write_sentences(figures: Figures, *, to_label: Path | None, answer: str) -> list[str]:
    """Say what follows, and what to do next.

    Args:
        figures: what was measured.
        to_label: the table that is to be filled in, if there is one.
        answer: the column in which the answers stand.
    """
    said = [*_describe_distance(figures), *_describe_texts(figures)]
    if figures.fall is not None:
        return [*said, _describe_fall(figures.fall)]

    said.append("None of this says how many answers are right there: for that some rows need labels.")
    if to_label is None:
        return [*said, "Ask for rows to label by --sample 50."]
    return [*said, f"Fill in the column '{answer}' of {to_label}, and read it back by --labelled {to_label}."]


def _describe_distance(figures: Figures) -> list[str]:
    if figures.far is None:
        return ["Near or far cannot be told: there are too few rows."]
    if figures.far:
        return [f"Far: by the features of the model, a linear classifier tells these texts from those of {OWN}."]
    return [f"Near: by the features of the model, a linear classifier hardly tells these texts from those of {OWN}."]


def _describe_texts(figures: Figures) -> list[str]:
    """Say what stands out: another language, texts that train has, texts that are cut."""
    own, there, said = figures.own, figures.there, []
    if own.language and there.language and own.language != there.language:
        said.append(f"Most of these texts are in another language ('{there.language}', not '{own.language}').")
    if there.repeated > 0:
        said.append(f"Train has {there.repeated:.1%} of these texts too: on those a score says nothing.")
    if there.cut > own.cut:
        said.append(f"Of {there.cut:.1%} of these texts the model does not see a part; of its own test, {own.cut:.1%}.")
    return said


def _describe_fall(fall: Fall) -> str:
    """Say what the score is there, and how much of the fall may be chance."""
    digits, found = 4 if fall.points == 100 else 2, fall.fall

    def show(score: Interval) -> str:
        return f"{score.difference:.{digits}f} ({score.low:.{digits}f} to {score.high:.{digits}f})"

    begin = f"On {fall.rows:,} labelled rows the {fall.score} is {show(fall.there)}, on {OWN} {show(fall.own)}"
    if fall.rows < FEWEST_TESTED:
        return f"{begin}: so few rows cannot tell a fall from chance; label {FEWEST_TESTED} at least."
    size = f"{fall.points * abs(found.difference):.1f} points"
    low, high = (fall.points * one for one in (found.low, found.high))
    if found.low > 0:
        return f"{begin}: it falls by {size} ({low:.1f} to {high:.1f})."
    if found.high < 0:
        return f"{begin}: it rises by {size} ({-high:.1f} to {-low:.1f})."
    return f"{begin}: a fall of {fall.points * found.difference:.1f} ({low:.1f} to {high:.1f}) points may be chance."


def render_shift(figures: Figures, name: str) -> "Table":
    """Make a table of both sides; no cell is read as markup."""
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for title in ("", OWN, name):
        table.add_column(Text(escape_line(title)), justify="right" if title else "left", overflow="fold")
    for title, *cells in _list_rows(figures):
        table.add_row(*map(Text, (title, *cells)))
    return table


def _list_rows(figures: Figures) -> Iterable[tuple[str, str, str]]:
    own, there = figures.own, figures.there

    def show(side: Side) -> list[str]:
        return [
            f"{side.rows:,} of {side.total:,}",
            side.language or "-",
            f"{side.texts.words:.0f}",
            f"{side.texts.pieces:.2f}",
            f"{side.unknown_tokens:.1%}",
            f"{side.texts.new_words:.1%}",
            f"{side.cut:.1%}",
            f"{side.repeated:.1%}",
            "-" if side.confident is None else f"{side.confident:.1%}",
        ]

    titles = (
        "rows looked at",
        "language",
        "words in a text, median",
        "tokens of a word or mark",
        "tokens that the model lacks",
        "words that train lacks",
        "texts that are cut",
        "texts that train has",
        f"answers with confidence from {SURE}",
    )
    yield from zip(titles, show(own), show(there), strict=True)
    if fall := figures.fall:
        digits = 4 if fall.points == 100 else 2
        yield f"{fall.score}, measured", f"{fall.own.difference:.{digits}f}", f"{fall.there.difference:.{digits}f}"
