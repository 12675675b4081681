"""Look whether a run holds on other texts: how they differ from its own test, and what labels say of its score."""

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nlp_transfer.config.dialect import Dialect
from nlp_transfer.config.tasks import TaskDeclaration
from nlp_transfer.data.formats.cells import strip_unseen
from nlp_transfer.data.guesses.dialects import guess_dialect
from nlp_transfer.data.labels import OnUnknown
from nlp_transfer.data.splits import Splits
from nlp_transfer.data.unlabelled import Drawn
from nlp_transfer.errors import CheckpointError, ConfigError, TransferError
from nlp_transfer.evaluation.shifting import (
    Fall,
    Figures,
    collect_words,
    measure_fall,
    render_shift,
    write_sentences,
)
from nlp_transfer.models.saving import write_json
from nlp_transfer.runs.answering.predict import load
from nlp_transfer.runs.answering.predictor import Predictor
from nlp_transfer.runs.folder import make_folder
from nlp_transfer.runs.unlabelled.observe import Observed, observe, open_rows
from nlp_transfer.runs.unlabelled.sides import describe_side, draw_places, join_texts, tell_apart
from nlp_transfer.runs.unlabelled.to_label import write_to_label
from nlp_transfer.system.layout import SHIFT, TO_LABEL
from nlp_transfer.system.received import refuse_no_path

if TYPE_CHECKING:
    from nlp_transfer.data.rows import TaskRows

MOST = 1000  # rows of each side that are looked at


@dataclass(frozen=True)
class Shift:
    """How other texts differ from the own test of a run.

    Attributes:
        folder: holds shift.json, with all figures, and the table to fill in if one was asked for.
        figures: what was measured.
        to_label: the table to fill in; None if there is none.
        verdict: what follows, in sentences.
        table: the figures, for a console of rich.
    """

    folder: Path
    figures: Figures
    to_label: Path | None
    verdict: tuple[str, ...]
    table: Any

    def __repr__(self) -> str:
        """One line: where it is, and what comes first."""
        return f"Shift({self.folder}: {self.verdict[0]})"


def shift(
    run: str | Path | Predictor,
    data: Any,
    columns: Mapping[str, str] | None = None,
    *,
    sample: int | None = None,
    labelled: Any = None,
    on_unknown_label: OnUnknown | None = None,
    output: str | Path | None = None,
    dialect: Dialect | None = None,
    task: type[TaskDeclaration] | None = None,
    trust_remote_code: str | None = None,
    progress: bool = True,
) -> Shift:
    """Look how other texts differ from the own test of a run; with labels of a few of them, measure its score there.

    At most 1,000 rows of each side are looked at, drawn with seed 0. Without labels no score is estimated.

    Args:
        run: the folder of a finished run, its id on the Hub, or what `load` gave. Its data are read again.
        data: the other texts: a file as `predict` reads it, a place as `evaluate` does, or rows in memory.
        columns: role -> column, also in `labelled`; a role that is not named has the column that it had in training.
        sample: write so many rows, drawn by chance, to a table to fill in.
        labelled: such rows with their answers: a file, or rows in memory.
        on_unknown_label: what becomes of labelled rows whose label the model does not know; as in training if unset.
        output: the folder; by default the first free runs/shift. One of an earlier shift is used again.
        dialect: how a .csv or .tsv in `data` is written; by default as in training. That of `labelled` is guessed.
        task: of the run, where that is none of ours.
        trust_remote_code: as for `load`.
        progress: show bars.

    Raises:
        CheckpointError: no finished run; or its own rows are gone or have changed.
        ConfigError: the folder holds something else, or a table to fill in that `sample` would replace.
        DataError: the texts or the labelled rows cannot be used.
    """
    refuse_no_path(output, "output", optional=True)
    if sample is not None and sample < 1:
        raise ConfigError(f"sample: expected a number of rows, 1 or more, received {sample}")
    predictor = run if isinstance(run, Predictor) else load(run, task=task, trust_remote_code=trust_remote_code)
    place, answers = open_rows(predictor, data, columns, dialect)

    with make_folder(output, "shift", left=(SHIFT, TO_LABEL)) as folder:
        _refuse_other(folder / SHIFT, place.name)
        to_label = folder / TO_LABEL
        if sample is not None and to_label.exists():
            raise ConfigError(f"{to_label} is there already; read it back by --labelled, or choose another --output")

        drawn = place.draw(max(MOST, sample or 0))
        read = partial(predictor.read_labelled, labelled, columns, on_unknown_label=on_unknown_label)
        known = replace(predictor.dialect, options=dialect is not None and dialect.options)
        found = None if labelled is None else read(dialect=_guess_dialect(labelled, known))
        figures = _measure(predictor, drawn, found, progress=progress)
        if sample is not None:
            asked = drawn.take(draw_places(len(drawn.places), sample))
            write_to_label(to_label, place, asked.places, answers)
        write_json(folder / SHIFT, {"data": place.name, "task": predictor.task.options.name, **figures.collect()})
        left = to_label if to_label.exists() else None
        said = write_sentences(figures, to_label=left, answer=" and ".join(answers))
        return Shift(folder, figures, left, tuple(said), render_shift(figures, place.name))


def _refuse_other(path: Path, name: str) -> None:
    """Refuse to write the figures of other texts over those of an earlier shift, whose table to fill in may lie there.

    Raises:
        ConfigError: naming both.
    """
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # nothing there, or nothing of value
        before = json.loads(path.read_text(encoding="utf-8"))["data"]
        if before != name:
            raise ConfigError(f"{path.parent} holds a shift to {before}; choose another --output for {name}")


def _guess_dialect(labelled: Any, known: Dialect) -> Dialect:
    """Guess how the table of answers is written, which need not be as the texts are: people save it as they like."""
    guessed = guess_dialect(str(labelled)) if isinstance(labelled, str | Path) else known
    return replace(guessed, label_separator=known.label_separator, options=known.options)


def _measure(predictor: Predictor, drawn: Drawn, labelled: "TaskRows | None", *, progress: bool) -> Figures:
    """Measure both sides, how well they are told apart, and the score of the labelled rows.

    Raises:
        CheckpointError: the run's own rows cannot be read again.
    """
    splits, task = _read_own(predictor), predictor.task
    own = splits.test.select(draw_places(len(splits.test), MOST))
    few = drawn.take(draw_places(len(drawn.places), MOST))
    there = predictor.collect(few.texts)

    known = join_texts(splits.train, task.input_roles())
    seen_own, seen_there = (observe(predictor, rows, progress=progress) for rows in (own, there))
    describe = partial(describe_side, predictor, frozenset(map(strip_unseen, known)), collect_words(known))
    return Figures(
        own=describe(own, seen_own, total=len(splits.test)),
        there=describe(there, seen_there, total=drawn.total),
        apart=tell_apart(predictor, (own, there), (seen_own, seen_there)),
        fall=None if labelled is None else _measure_fall(predictor, own, seen_own, labelled, progress=progress),
    )


def _read_own(predictor: Predictor) -> Splits:
    """Read the run's own rows again.

    Raises:
        CheckpointError: they are gone or have changed, or the folder does not tell what they were.
    """
    if predictor.origin is None:
        raise CheckpointError("the run does not tell what it was tested on; train it again")
    try:
        return predictor.origin.read_splits()
    except TransferError as error:
        raise CheckpointError(f"texts are compared with the run's own test, which cannot be read: {error}") from None


def _measure_fall(
    predictor: Predictor, own: "TaskRows", seen: Observed, labelled: "TaskRows", *, progress: bool
) -> Fall:
    task = predictor.task
    there = observe(predictor, labelled, progress=progress).answers
    score = task.compared or task.selection
    return measure_fall(task.hits(there, labelled), task.hits(seen.answers, own), score=score, points=task.points)
