"""Look at the data that a user names: the rows, what the columns hold, what they may be for, and the other splits."""

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from nlp_transfer.config.dialect import PLAIN, Dialect
from nlp_transfer.data.formats.blocks import ABSENT
from nlp_transfer.data.guesses.choosing import Wish, guess_within
from nlp_transfer.data.guesses.columns import Column
from nlp_transfer.data.guesses.contents import describe_columns
from nlp_transfer.data.guesses.dialects import guess_dialect
from nlp_transfer.data.guesses.places import find_siblings, find_split
from nlp_transfer.data.guesses.samples import Sample, take_sample
from nlp_transfer.data.guesses.tasks import Guess, name_certainty
from nlp_transfer.data.locations import Named, open_place, open_places
from nlp_transfer.errors import DataError


@dataclass(frozen=True)
class Look:
    """What was seen of the data, and what was guessed from that.

    Attributes:
        places: split -> place, of the splits that have places of their own.
        splits: where each split comes from, in words.
        dialect: how the table is written.
        sample: the rows that were looked at.
        columns: what each column holds.
        guesses: what the rows may be for, the likeliest first.
        wish: what the user has said.
    """

    places: Mapping[str, Named]
    splits: Sequence[str]
    dialect: Dialect
    sample: Sample
    columns: Sequence[Column]
    guesses: Sequence[Guess]
    wish: Wish

    @property
    def guess(self) -> Guess:
        """The likeliest guess."""
        return self.guesses[0]

    @cached_property
    def used(self) -> dict[str, Column]:
        """Role -> column."""
        known = {column.name: column for column in self.columns}
        return {role: known[name] for role, name in self.guess.columns.items()}

    @property
    def read(self) -> Column:
        """The column that is read, or the first of two."""
        return next(iter(self.used.values()))

    def describe_columns(self) -> list[str]:
        """Say what was read and what each column holds, those first that are used."""
        used = [*self.used.values()]
        rest = [column for column in self.columns if column not in used]
        width = max(len(column.name) for column in self.columns)
        lines = [f"{column.name:<{width}}  {column.describe(self.sample.kept)}" for column in (*used, *rest)]
        header = (
            [] if self.dialect.header else ["the first row is like the others, so the columns go by number, from 0"]
        )
        mark = [f"cells are divided by {self.dialect.delimiter!r}"] if self.dialect.delimiter else []
        encoding = [f"not UTF-8; it seems to be {self.dialect.encoding}"] if self.dialect.encoding else []
        return [self.sample.describe(), *encoding, *mark, *header, *lines]

    def describe_guess(self) -> list[str]:
        """Say what was guessed, how sure that is, by what, and how to choose the next guess where it is near."""
        lines = [f"{self.guess.describe()} ({name_certainty(self.guesses)})"]
        lines += [f"because {reason}" for reason in self.guess.reasons]
        if len(self.guesses) > 1 and name_certainty(self.guesses) != "clear":
            other = self.guesses[1]
            flags = shlex.join(_find_flags(other, self.guess))
            lines.append(f"or {other.describe()}: choose it by {flags}")
        ones = [column.name for column in self.columns if column.whole and set(column.counts) <= {"0", "1"}]
        if len(ones) > 1 and self.guess.task in ("sentiment", "classification"):
            lines.append(
                f"if {', '.join(map(repr, ones))} are a label each: join their names in one column for multilabel"
            )
        if self.guess.task == "translation":
            flags = shlex.join(["--text", self.guess.columns["target"], "--label", self.guess.columns["source"]])
            lines.append(f"the other way by {flags}")
        return lines


def look(places: Mapping[str, Named], wish: Wish) -> Look:
    """Look at data and guess what they are for.

    Args:
        places: split -> place, train among them.
        wish: what the user has said already.

    Raises:
        ConfigError: a column that the user has named is not there.
        DataError: the data cannot be read, or nothing in them can be learnt.
    """
    train = places["train"]
    dialect = guess_dialect(train) if isinstance(train, str) else PLAIN
    opened = open_places(train, None, None, dialect)
    sample = take_sample(opened["train"])
    columns = describe_columns(sample)
    guesses = guess_within(columns, wish, sample.place)

    kept, splits = _find_splits(places, opened.keys(), [*guesses[0].columns.values()], dialect)
    return Look(kept, splits, dialect, sample, columns, guesses, wish)


def _find_splits(
    places: Mapping[str, Named], opened: Collection[str], columns: Sequence[str], dialect: Dialect
) -> tuple[dict[str, Named], list[str]]:
    """Find the places of the splits, and say where each comes from.

    Args:
        places: split -> place, as the user has named them.
        opened: the splits that the place of train brings.
        columns: what every split must have.
        dialect: how the table is written.
    """
    train = places["train"]
    given = {**find_siblings(train), **places}
    kept, lines = {"train": train}, [f"train: {_name(train)}"]
    for split in ("validation", "test"):
        fault = _find_fault(given[split], split, columns, dialect) if split in given else None
        if split in given and fault is None:
            kept[split] = given[split]
            lines.append(f"{split}: {_name(given[split])}" + ("" if split in places else ", which stands beside it"))
        elif split in opened:
            lines.append(f"{split}: the one in {_name(train)}")
        else:
            why = f"; {fault}" if fault else ""
            lines.append(f"{split}: a tenth of train, cut off by seed 0 (data.{split}_share){why}")

    if isinstance(train, str) and (own := find_split(train)) not in (None, "train"):
        lines.append(f"the name of {train} speaks of {own}, not of train; is it the file to learn from?")
    return kept, lines


def _find_fault(place: Named, split: str, columns: Sequence[str], dialect: Dialect) -> str | None:
    """Say why a file cannot be a split: it cannot be read, or its first rows lack a column."""
    try:
        block = next(iter(open_place(place, split, dialect).read_blocks(columns)), None)
    except DataError as error:
        return f"left out is {str(error).splitlines()[0]}"
    for column in columns:
        if block is None or all(cell in (None, "", ABSENT) for cell in block.collect_cells(column)):
            return f"left out is {_name(place)}, which has nothing in '{column}'"
    return None


def _name(place: Named) -> str:
    return place if isinstance(place, str) else " + ".join(place.values())


def _find_flags(guess: Guess, first: Guess) -> list[str]:
    """Find the flags that choose another guess than the first."""
    *read, learnt = guess.columns.values()
    *read_first, learnt_first = first.columns.values()
    texts = [word for name in read for word in ("--text", name)] if read != read_first else []
    labels = ["--label", learnt] if learnt != learnt_first else []
    task = ["--task", guess.task] if guess.task != first.task or not (texts or labels) else []
    return [*task, *texts, *labels]
