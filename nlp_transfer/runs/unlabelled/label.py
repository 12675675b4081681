"""Choose which rows to label next: those that a run is least sure of, and different ones among them."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from nlp_transfer.config.dialect import Dialect
from nlp_transfer.config.tasks import TaskDeclaration
from nlp_transfer.data.formats.cells import strip_unseen
from nlp_transfer.data.formats.writing import find_ending
from nlp_transfer.data.unlabelled import Drawn
from nlp_transfer.errors import ConfigError, DataError, TransferError, count_things
from nlp_transfer.evaluation.choosing import choose_rows, measure_margin
from nlp_transfer.runs.answering.predict import load
from nlp_transfer.runs.answering.predictor import Predictor
from nlp_transfer.runs.unlabelled.observe import observe, open_rows
from nlp_transfer.runs.unlabelled.sides import join_texts
from nlp_transfer.runs.unlabelled.to_label import write_to_label
from nlp_transfer.system.disk import expand_home
from nlp_transfer.system.escaping import escape_line
from nlp_transfer.system.received import refuse_no_path

log = logging.getLogger(__name__)
MOST = 10_000  # rows that are looked at


@dataclass(frozen=True)
class ToLabel:
    """A table of rows to label.

    Attributes:
        file: the table.
        places: the rows that it holds, counted from 0 in their file, the most important first.
        columns: those to fill in.
        looked_at: the number of rows they were chosen from.
        total: of so many that hold a text.
        known: the number of rows that were left out, because the run has their text already or another row has it.
        verdict: what follows, in sentences.
    """

    file: Path
    places: tuple[int, ...]
    columns: tuple[str, ...]
    looked_at: int
    total: int
    known: int
    verdict: tuple[str, ...]


def label(
    run: str | Path | Predictor,
    data: Any,
    columns: Mapping[str, str] | None = None,
    *,
    output: str | Path,
    budget: int = 50,
    force: bool = False,
    dialect: Dialect | None = None,
    task: type[TaskDeclaration] | None = None,
    trust_remote_code: str | None = None,
    progress: bool = True,
) -> ToLabel:
    """Choose rows to label next, and write them to a table to fill in, the most important first.

    At most 10,000 rows are looked at, drawn with seed 0. Rows with a text that the run has in train, validation or test
    are left out.

    Args:
        run: the folder of a finished run, its id on the Hub, or what `load` gave.
        data: rows as of `shift`.
        columns: role -> column; a role that is not named has the column that it had in training.
        output: the table; its ending says how it is written, as of `predict`.
        budget: how many rows to choose.
        force: replace the table if there is one.
        dialect: how a .csv or .tsv in `data` is written; by default as in training.
        task: of the run, where that is none of ours.
        trust_remote_code: as for `load`.
        progress: show bars.

    Raises:
        CheckpointError: no finished run.
        ConfigError: the answers of the task have no probabilities, or the table is there already or cannot be written.
        DataError: the rows cannot be used, or none is left to label.
    """
    if budget < 1:
        raise ConfigError(f"budget: expected a number of rows, 1 or more, received {budget}")
    file = _check_table(output, data, force=force)
    predictor = run if isinstance(run, Predictor) else load(run, task=task, trust_remote_code=trust_remote_code)
    if "probabilities" not in predictor.answer_keys:
        raise ConfigError(
            f"task '{predictor.task.options.name}' answers without probabilities, so nobody can tell which answers are "
            "unsure; label rows drawn by chance"
        )

    place, answers = open_rows(predictor, data, columns, dialect)
    drawn = place.draw(MOST)
    new = _leave_out_known(predictor, drawn)
    if not new.places:
        raise DataError(f"{place.name}: the run has the text of every row already; give others")

    seen = observe(predictor, predictor.collect(new.texts), progress=progress)
    chosen = new.take(choose_rows(seen.features, [measure_margin(one) for one in seen.answers], budget))
    write_to_label(file, place, chosen.places, answers)

    known = len(drawn.places) - len(new.places)
    said = _write_sentences(file, answers, chosen=len(chosen.places), new=len(new.places), known=known)
    return ToLabel(file, tuple(chosen.places), answers, len(new.places), drawn.total, known, tuple(said))


def _check_table(output: str | Path, data: Any, *, force: bool) -> Path:
    """Check that the table can be written, before a model is loaded.

    Raises:
        ConfigError: it is there already, a folder, or the rows to read; or there is no place or format for it.
    """
    refuse_no_path(output, "output")
    file = expand_home(output)
    find_ending(file)
    if file.is_dir() or not file.parent.is_dir():
        why = "it is a folder" if file.is_dir() else f"there is no folder {file.parent}; make it first"
        raise ConfigError(f"{file} cannot be written: {why}")
    if isinstance(data, str | PathLike) and file.resolve() == expand_home(str(data)).resolve():
        raise ConfigError(f"{file} is the file to read; choose another")
    if file.exists() and not force:
        raise ConfigError(f"{file} exists already, and may be filled in; choose another, or replace it with --force")
    return file


def _leave_out_known(predictor: Predictor, drawn: Drawn) -> Drawn:
    """Leave out rows with a text of the run's own splits, or of a row before; where those are gone, only warn."""
    roles = predictor.task.input_roles()
    known: set[str] = set()
    try:
        splits = predictor.origin.read_splits() if predictor.origin else None
    except TransferError as error:
        log.warning("rows that the run has already are not left out, for its own cannot be read again: %s", error)
        splits = None
    for rows in (splits.train, splits.validation, splits.test) if splits else ():
        known.update(map(strip_unseen, join_texts(rows, roles)))

    left = []
    for at, text in enumerate(map(strip_unseen, join_texts(predictor.collect(drawn.texts), roles))):
        if text not in known:
            known.add(text)
            left.append(at)
    return drawn.take(left)


def _write_sentences(file: Path, answers: Sequence[str], *, chosen: int, new: int, known: int) -> list[str]:
    """Say what was written, what was left out, and what to do with it."""
    said = [f"{escape_line(str(file))}: {chosen:,} of {new:,} rows, the most important first."]
    if known:
        row = count_things(
            known, "row was left out: the run has its text", "rows were left out: the run has their texts"
        )
        said.append(f"{row} already, or a row before has.")
    return [
        *said,
        f"Fill in '{' and '.join(answers)}', put the rows to those of train, and train again.",
        "Measure no score on them: they are harder than others. `shift --sample` draws rows for that.",
    ]
