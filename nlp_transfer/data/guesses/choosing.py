"""Guess within what a user has said already: the task, the columns of texts, the column to learn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nlp_transfer.data.guesses.columns import Column, Kind
from nlp_transfer.data.guesses.contents import read_as
from nlp_transfer.data.guesses.tasks import Guess, rank_guesses, rate_text
from nlp_transfer.errors import ConfigError, DataError, suggest

ONE_LABEL = ("sentiment", "classification")  # two names of one task
MOST_TEXTS = 4  # columns of texts of which two are paired
AS_LABEL: dict[str, Kind] = {"sentiment": "label", "classification": "label", "multilabel": "labels", "pairs": "label"}
NEEDS = (
    "texts and labels are needed, or two texts of which one is the translation or the summary of the other, or two "
    "texts with a label or a number; name columns by --text and --label"
)


@dataclass(frozen=True)
class Wish:
    """What a user has said: a task, columns of texts to read, the column to learn; None or empty: nothing."""

    task: str | None = None
    text: tuple[str, ...] = ()
    label: str | None = None

    def list_flags(self) -> list[str]:
        """Write it as flags of the command line."""
        texts = [word for name in self.text for word in ("--text", name)]
        return [
            *(["--task", self.task] if self.task else []),
            *texts,
            *(["--label", self.label] if self.label is not None else []),
        ]


def guess_within(columns: Sequence[Column], wish: Wish, place: str) -> list[Guess]:
    """List what the rows may be for, the likeliest first; at least one.

    Args:
        columns: all columns.
        wish: what the user has said, which holds.
        place: of the rows, for messages.

    Raises:
        ConfigError: a column is not there.
        DataError: nothing fits.
    """
    known = {column.name: column for column in columns}
    for name in (*wish.text, *([] if wish.label is None else [wish.label])):
        if name not in known:
            raise ConfigError(f"{place}: no column '{name}'. {suggest(name, known)}")

    # What the user names comes before the other columns, and in that order.
    wished = enumerate((known[name] for name in wish.text), -len(wish.text))
    texts = [replace(one if one.kind == "texts" else read_as(one, "text"), place=place) for place, one in wished]
    texts = texts or _find_texts(columns)
    if wish.label is None:
        targets = [column for column in _find_targets(columns) if column.name not in wish.text]
    else:
        targets = [_take_target(known[wish.label], wish.task)]
        named = {one.name for one in texts}
        texts += [one for one in targets if one.kind in ("text", "texts") and one.name not in named]

    guesses = [guess for guess in rank_guesses(texts, targets) if _fits(guess, wish)]
    if not guesses:
        wanted = f"no {wish.task} in it" if wish.task else "nothing to learn in it"
        held = ", ".join(f"'{column.name}' holds {column.what}" for column in columns)
        raise DataError(f"{place}: {wanted}: {held or 'no columns'}. {NEEDS}")
    return [replace(guess, task=wish.task) if wish.task in ONE_LABEL else guess for guess in guesses]


def _find_texts(columns: Sequence[Column]) -> list[Column]:
    """Find the likeliest columns of texts; names of people and the like only where there are no others.

    Of columns that are alike, as `source` and `en` of a format that has both, the first is one.
    """
    texts = [one for one in columns if one.kind in ("text", "texts")]
    found = [one for at, one in enumerate(texts) if one.rows not in [other.rows for other in texts[:at]]]
    plain = [one for one in found if one.hint != "aside"] or found
    return sorted(plain, key=rate_text, reverse=True)[:MOST_TEXTS]


def _find_targets(columns: Sequence[Column]) -> list[Column]:
    """Find the columns that may be learnt; of those that tell the same of every row, words rather than numbers."""
    found: list[Column] = []
    for column in sorted(columns, key=lambda one: one.whole):
        named = column.kind == "constant" and column.hint == "label"
        usable = named or column.kind not in ("aside", "empty", "constant")
        if usable and not any(_tell_the_same(column, one) for one in found):
            found.append(column)
    return found


def _tell_the_same(one: Column, two: Column) -> bool:
    """Tell whether each value of one column stands beside one value of the other, as 3 beside `sport`."""
    if not {one.kind, two.kind} <= {"label", "labels", "constant"}:
        return False
    return len(set(zip(one.rows, two.rows, strict=True))) == len(set(one.rows)) == len(set(two.rows))


def _take_target(column: Column, task: str | None) -> Column:
    """Take the column that the user wants to learn for what the task learns; without a task for what it looks like."""
    measured = task == "pairs" and column.kind == "number"
    if kind := AS_LABEL.get(task or ""):
        return column if measured or column.kind == "labels" else read_as(column, kind)
    return read_as(column, "label") if column.kind in ("aside", "constant") else column


def _fits(guess: Guess, wish: Wish) -> bool:
    tasks = ONE_LABEL if wish.task in ONE_LABEL else (wish.task or guess.task,)
    *read, learnt = guess.columns.values()
    return (
        guess.task in tasks
        and (not wish.text or set(read) == set(wish.text))
        and (wish.label is None or learnt == wish.label)
    )
